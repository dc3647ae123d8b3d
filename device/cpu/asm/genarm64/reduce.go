package main

import "math"

// total combines vectors pairwise into the first.
func (k *kernel) total(acc []vector, op func(d, n, m vector)) vector {
	for n := len(acc) / 2; n > 0; n /= 2 {
		for i := range n {
			op(acc[i], acc[i], acc[i+n])
		}
	}
	return acc[0]
}

// reduce combines vectors and then their lanes, by an instruction on vectors and by one on neighbours, and returns the
// result from the kernel.
func (k *kernel) reduce(acc []vector, op, neighbours func(d, n, m vector)) {
	x := k.total(acc, op)
	neighbours(x, x, x)
	neighbours(x, x, x)
	k.emit("FMOVS F%d, %s", x, k.result)
}

// fold emits a kernel that adds up a term for every element of its slices, in four vectors of partial sums.
func (k *kernel) fold(slices []string, term func(p place, s []integer, acc vector)) {
	n, s, acc := k.length(slices[0]), k.slices(slices...), k.zeros(unroll)
	k.walk(n, unroll, s, func(places []place) {
		for u, p := range places {
			k.scope(func() { term(p, s, acc[u]) })
		}
	})
	k.reduce(acc, k.fadd, k.faddp)
}

func reductions(p *program) {
	doc := "var s float32\nfor i := range x {\n\ts += x[i]\n}\nreturn s"
	p.kernel("Sum", "(x []float32) float32", doc, func(k *kernel) {
		k.fold([]string{"x"}, func(p place, s []integer, acc vector) { k.fadd(acc, acc, p.load(s[0])) })
	})

	doc = "var s float32\nfor i := range x {\n\ts += abs(x[i])\n}\nreturn s"
	p.kernel("SumAbs", "(x []float32) float32", doc, func(k *kernel) {
		k.fold([]string{"x"}, func(p place, s []integer, acc vector) {
			x := p.load(s[0])
			k.fabs(x, x)
			k.fadd(acc, acc, x)
		})
	})

	doc = "var s float32\nfor i := range a {\n\ts += a[i] * b[i]\n}\nreturn s"
	p.kernel("Dot", "(a, b []float32) float32", doc, func(k *kernel) {
		k.fold([]string{"a", "b"}, func(p place, s []integer, acc vector) { k.fmla(acc, p.load(s[0]), p.load(s[1])) })
	})

	doc = "var s float32\nfor i := range a {\n\ts += a[i] * b[i] * c[i]\n}\nreturn s"
	p.kernel("Dot3", "(a, b, c []float32) float32", doc, func(k *kernel) {
		k.fold([]string{"a", "b", "c"}, func(p place, s []integer, acc vector) {
			a, b, c := p.load(s[0]), p.load(s[1]), p.load(s[2])
			k.fmul(a, a, b)
			k.fmla(acc, a, c)
		})
	})

	doc = "m := inf(-1)\nfor i := range x {\n\tm = max(m, x[i])\n}\nreturn m"
	p.kernel("Max", "(x []float32) float32", doc, func(k *kernel) {
		n, x := k.length("x"), k.load("x")
		none := k.spread(float32(math.Inf(-1)))
		acc := k.vectors(unroll)
		for _, a := range acc {
			k.copy(a, none)
		}
		k.walk(n, unroll, []integer{x}, func(places []place) {
			for u, p := range places {
				k.scope(func() { k.fmax(acc[u], acc[u], p.loadOr(x, none)) })
			}
		})
		k.reduce(acc, k.fmax, k.fmaxp)
	})
}
