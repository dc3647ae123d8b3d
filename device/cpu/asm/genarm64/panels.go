package main

// panel emits a kernel over a panel of rows × width floats, a column of vectors at a time. body is emitted once, with the
// addresses of the column's vectors; sweep, as often as body likes, emits a loop down the rows with the addresses of a
// row's vectors.
func (k *kernel) panel(arrays, vectors []string, body func(perColumn []integer, sweep func(func(row []integer)))) {
	rows, width := k.load("rows"), k.load("width")
	a, c := k.slices(arrays...), k.slices(vectors...)
	stride, left := k.integer(), k.integer()
	k.emit("LSL $2, %v, %v", width, stride)
	at := make([]integer, len(a))
	for i := range at {
		at[i] = k.integer()
	}
	column := k.label("column")
	k.mark(column)
	body(c, func(row func([]integer)) {
		for i := range at {
			k.move(at[i], a[i])
		}
		k.move(left, rows)
		k.times(left, func() {
			k.scope(func() { row(at) })
			for _, r := range at {
				k.add(r, stride)
			}
		})
	})
	for _, r := range append(a, c...) {
		k.advance(r, vectorBytes)
	}
	k.emit("SUBS $%d, %v", lanes, width)
	k.emit("BGT %s", column)
}

// whole loads the vector at an address.
func (k *kernel) whole(at integer) vector { return place{k: k}.load(at) }

func panels(p *program) {
	doc := "for q := range width {\n\tfor r := range rows {\n\t\ttop[q] = max(top[q], s[r*width+q])\n\t}\n}"
	p.kernel("PeakPanel", "(rows, width int, s, top *float32)", doc, func(k *kernel) {
		k.panel([]string{"s"}, []string{"top"}, func(c []integer, sweep func(func([]integer))) {
			top := k.whole(c[0])
			sweep(func(s []integer) { k.fmax(top, top, k.whole(s[0])) })
			k.storeVector(top, c[0], 0)
		})
	})

	doc = "for q := range width {\n\tfor r := range rows {" +
		"\n\t\ts[r*width+q] = exp(s[r*width+q] - top[q])\n\t\tsum[q] += s[r*width+q]\n\t}\n}"
	p.kernel("ExpPanel", "(rows, width int, s, top, sum *float32)", doc, func(k *kernel) {
		e := k.exponential()
		k.panel([]string{"s"}, []string{"top", "sum"}, func(c []integer, sweep func(func([]integer))) {
			top, sum := k.whole(c[0]), k.whole(c[1])
			sweep(func(s []integer) {
				x := k.whole(s[0])
				k.fsub(x, x, top)
				e.of(x)
				k.storeVector(x, s[0], 0)
				k.fadd(sum, sum, x)
			})
			k.storeVector(sum, c[1], 0)
		})
	})

	doc = "for r := range rows {\n\tfor q := range width {\n\t\ts[r*width+q] *= alpha[q]\n\t}\n}"
	p.kernel("ScalePanel", "(rows, width int, s, alpha *float32)", doc, func(k *kernel) {
		k.panel([]string{"s"}, []string{"alpha"}, func(c []integer, sweep func(func([]integer))) {
			alpha := k.whole(c[0])
			sweep(func(s []integer) {
				x := k.whole(s[0])
				k.fmul(x, x, alpha)
				k.storeVector(x, s[0], 0)
			})
		})
	})

	doc = "for r := range rows {\n\tfor q := range width {\n\t\ti := r*width + q\n\t\ts[i] = exp(s[i] - lse[q])" +
		"\n\t\tdp[i] = s[i] * (dp[i] - delta[q])\n\t}\n}"
	p.kernel("GradientPanel", "(rows, width int, s, dp, lse, delta *float32)", doc, func(k *kernel) {
		e := k.exponential()
		k.panel([]string{"s", "dp"}, []string{"lse", "delta"}, func(c []integer, sweep func(func([]integer))) {
			lse, delta := k.whole(c[0]), k.whole(c[1])
			sweep(func(s []integer) {
				x, d := k.whole(s[0]), k.whole(s[1])
				k.fsub(x, x, lse)
				e.of(x)
				k.storeVector(x, s[0], 0)
				k.fsub(d, d, delta)
				k.fmul(d, d, x)
				k.storeVector(d, s[1], 0)
			})
		})
	})
}
