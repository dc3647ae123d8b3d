package main

import "fmt"

// transpose emits the packing of four rows, 8 columns at a time: two transposes of 4 × 4.
func transpose(p *program, t stored) {
	doc := fmt.Sprintf("for x := range k { // a multiple of 8\n\tfor i := range %d {", lanes) +
		"\n\t\tdst[x*stride+i] = float32(src[i*ld+x])\n\t}\n}"
	p.kernel("Transpose"+t.name, "(k int, src *byte, ld int, dst *float32, stride int)", doc, func(k *kernel) {
		n, src, ld, dst, stride := k.load("k"), k.load("src"), k.load("ld"), k.load("dst"), k.load("stride")
		k.scale(ld, t.shift)
		k.scale(stride, 2)
		from := k.rows(src, ld, lanes)
		loop := k.label("columns")
		k.mark(loop)
		k.scope(func() {
			var r [lanes][]vector
			for i := range r {
				r[i] = t.load(k, 2, from[i])
			}
			for half := range 2 {
				c := k.quad([lanes]vector{r[0][half], r[1][half], r[2][half], r[3][half]})
				for _, x := range c {
					k.emit("VST1.P [%v.S4], (%v)(%v)", x, dst, stride)
				}
			}
		})
		k.emit("SUBS $8, %v", n)
		k.emit("BGT %s", loop)
	})
}

// quad transposes 4 × 4 floats.
func (k *kernel) quad(r [lanes]vector) (c [lanes]vector) {
	var t [lanes]vector // pairs of the columns 0 and 2, 1 and 3, of the upper rows and of the lower rows
	for i := range t {
		t[i] = k.vector()
		k.emit("VTRN%d %v.S4, %v.S4, %v.S4", 1+i%2, r[i&2+1], r[i&2], t[i])
	}
	for i := range c {
		c[i] = r[i]
		k.emit("VTRN%d %v.D2, %v.D2, %v.D2", 1+i/2, t[i%2+2], t[i%2], c[i])
	}
	return c
}

// rows gives the addresses of n rows, the first of which is at first and stays in its register.
func (k *kernel) rows(first, ld integer, n int) []integer {
	r := []integer{first}
	for i := 1; i < n; i++ {
		r = append(r, k.integer())
		k.emit("ADD %v, %v, %v", ld, r[i-1], r[i])
	}
	return r
}

// deal emits the packing of columns: a copy that goes on in the next panel after every w elements of a row. Four rows go
// together, so that a panel is written some cache lines at a time.
func deal(p *program, t stored) {
	doc := fmt.Sprintf("for x := range k {\n\tfor p := range n {\n\t\tfor i := range w { // a multiple of %d", lanes) +
		"\n\t\t\tdst[p*stride+x*w+i] = float32(src[x*ld+p*w+i])\n\t\t}\n\t}\n}"
	p.kernel("Deal"+t.name, "(k, n, w int, src *byte, ld int, dst *float32, stride int)", doc, func(k *kernel) {
		n, panels, w := k.load("k"), k.load("n"), k.load("w")
		src, ld, dst, stride := k.load("src"), k.load("ld"), k.load("dst"), k.load("stride")
		k.scale(w, 2) // in bytes, as packed
		k.scale(ld, t.shift)
		k.scale(stride, 2)
		rows := func(count int) func() {
			return func() {
				k.scope(func() {
					first, panel, left, at := k.integer(), k.integer(), k.integer(), k.integer()
					k.move(first, src)
					from := k.rows(first, ld, count)
					k.move(panel, dst)
					k.move(left, panels)
					k.times(left, func() {
						k.move(at, panel)
						k.scope(func() {
							to, i, group := k.rows(at, w, count), k.integer(), k.label("group")
							k.move(i, w)
							k.mark(group)
							for r := range count {
								k.scope(func() {
									x := t.load(k, 1, from[r])
									k.emit("FMOVQ.P F%d, 16(%v)", x[0], to[r])
								})
							}
							k.emit("SUBS $%d, %v", vectorBytes, i)
							k.emit("BGT %s", group)
						})
						k.add(panel, stride)
					})
				})
				for range count {
					k.add(src, ld)
					k.add(dst, w)
				}
			}
		}
		k.runs(n, 4, rows(4))
		k.runs(n, 1, rows(1))
	})
}
