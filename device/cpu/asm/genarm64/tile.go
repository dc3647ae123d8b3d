package main

import "fmt"

// height is the rows of the tile of matrix products.
const height = 8

// tile emits the register tile of matrix products. The accumulators stay in registers; each step loads the vectors of a
// group of B and the two of a group of A, whose lanes are the factors.
func tile(p *program, columns int) {
	width := columns * lanes
	doc := fmt.Sprintf("for i := range %d {\n\tfor j := range %d {\n\t\tvar s float32\n\t\tfor x := range k {", height, width) +
		fmt.Sprintf("\n\t\t\ts += a[x*%d+i] * b[x*%d+j]\n\t\t}", height, width) +
		"\n\t\tif add {\n\t\t\ts += c[i*ldc+j]\n\t\t}\n\t\tc[i*ldc+j] = s\n\t}\n}"
	name := fmt.Sprintf("Tile%dx%d", height, width)
	p.kernel(name, "(k int, a, b, c *float32, ldc int, add bool)", doc, func(k *kernel) {
		n, a, b, c, ldc, add := k.load("k"), k.load("a"), k.load("b"), k.load("c"), k.load("ldc"), k.load("add")
		k.scale(ldc, 2)
		as, bs := k.vectors(height/lanes), k.vectors(columns)
		var acc [height][]vector
		for i := range acc {
			acc[i] = k.zeros(columns)
		}
		steps := func(count int) func() {
			return func() {
				for u := range count {
					for i, x := range as {
						k.loadVector(x, a, (u*len(as)+i)*vectorBytes)
					}
					for j, x := range bs {
						k.loadVector(x, b, (u*columns+j)*vectorBytes)
					}
					for i := range acc {
						for j, x := range bs {
							k.fmlaLane(acc[i][j], x, as[i/lanes], i%lanes)
						}
					}
				}
				k.advance(a, count*4*height)
				k.advance(b, count*4*width)
			}
		}
		k.runs(n, 4, steps(4))
		k.runs(n, 1, steps(1))

		row, set := k.integer(), k.label("set")
		rows := func(body func(x vector, offset int)) {
			k.move(row, c)
			for i := range acc {
				for j, x := range acc[i] {
					body(x, j*vectorBytes)
				}
				if i+1 < height {
					k.add(row, ldc)
				}
			}
		}
		k.emit("CBZ %v, %s", add, set)
		rows(func(x vector, offset int) {
			k.loadVector(bs[0], row, offset)
			k.fadd(x, x, bs[0])
		})
		k.mark(set)
		rows(func(x vector, offset int) { k.storeVector(x, row, offset) })
	})
}
