package main

import "fmt"

// dots emits the dot products of some rows of x with four rows of w, which is widened in registers.
func dots(p *program, t stored, rows int) {
	doc := fmt.Sprintf("for r := range %d {\n\tfor i := range 4 {\n\t\tout[4*r+i] = 0", rows) +
		fmt.Sprintf("\n\t\tfor p := range k { // a multiple of %d", lanes) +
		"\n\t\t\tout[4*r+i] += x[r*ldx+p] * float32(w[i*ldw+p])\n\t\t}\n\t}\n}"
	signature := "(k int, x *float32, ldx int, w *byte, ldw int, out *float32)"
	p.kernel(fmt.Sprintf("Dots%dx4%s", rows, t.name), signature, doc, func(k *kernel) {
		n, x, ldx, w, ldw, out := k.load("k"), k.load("x"), k.load("ldx"), k.load("w"), k.load("ldw"), k.load("out")
		k.scale(ldx, 2)
		k.scale(ldw, t.shift)
		xs, ws := k.rows(x, ldx, rows), k.rows(w, ldw, 4)
		// With one row, the two vectors of a step go to sums of their own: four chains of additions would be waited for.
		parts := 1
		if rows == 1 {
			parts = 2
		}
		acc := make([][4][]vector, rows)
		for r := range acc {
			for j := range acc[r] {
				acc[r][j] = k.zeros(parts)
			}
		}
		step := func(count int) func() {
			return func() {
				k.scope(func() {
					xv := make([][]vector, rows)
					for r := range xv {
						xv[r] = f32.load(k, count, xs[r])
					}
					for j := range ws {
						k.scope(func() {
							wv := t.load(k, count, ws[j])
							for u := range wv {
								for r := range xv {
									k.fmla(acc[r][j][u%parts], wv[u], xv[r][u])
								}
							}
						})
					}
				})
			}
		}
		k.runs(n, 2*lanes, step(2))
		k.runs(n, lanes, step(1))
		for r := range acc {
			var s [4]vector
			for j := range s {
				s[j] = k.total(acc[r][j], k.fadd)
			}
			k.faddp(s[0], s[0], s[1])
			k.faddp(s[2], s[2], s[3])
			k.faddp(s[0], s[0], s[2])
			k.storeVector(s[0], out, r*vectorBytes)
		}
	})
}

// weigh emits the weighted sum of rows: some columns at a time stay in registers while the rows pass by.
func weigh(p *program) {
	doc := "for c := range dst {\n\tdst[c] = 0\n\tfor j := range w {\n\t\tdst[c] += w[j] * v[j*ld+c]\n\t}\n}"
	p.kernel("Weigh", "(dst, w []float32, v *float32, ld int)", doc, func(k *kernel) {
		n, dst, weights, rows := k.length("dst"), k.load("dst"), k.load("w"), k.length("w")
		v, ld := k.load("v"), k.load("ld")
		k.scale(ld, 2)
		w, row, left, x := k.integer(), k.integer(), k.integer(), k.vector()
		k.walk(n, 8, []integer{dst, v}, func(places []place) {
			acc := k.zeros(len(places))
			done := k.label("rowsDone")
			k.move(w, weights)
			k.move(row, v)
			k.move(left, rows)
			k.emit("CBZ %v, %s", left, done)
			k.times(left, func() {
				k.emit("VLD1R.P 4(%v), [%v.S4]", w, x)
				for u, p := range places {
					k.scope(func() { k.fmla(acc[u], p.load(row), x) })
				}
				k.add(row, ld)
			})
			k.mark(done)
			for u, p := range places {
				p.store(acc[u], dst)
			}
		})
	})
}
