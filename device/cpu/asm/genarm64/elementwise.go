package main

// unroll is how many vectors the short kernels take in one round of their loop.
const unroll = 4

func elementwise(p *program) {
	p.kernel("Scale", "(dst, a []float32, alpha float32)", "for i := range dst {\n\tdst[i] = alpha * a[i]\n}", func(k *kernel) {
		alpha := k.scalar("alpha")
		k.each(unroll, []string{"dst", "a"}, func(p place, s []integer) {
			a := p.load(s[1])
			k.fmul(a, a, alpha)
			p.store(a, s[0])
		})
	})

	doc := "for i := range dst {\n\tdst[i] = alpha*a[i] + beta*dst[i]\n}"
	p.kernel("Combine", "(dst, a []float32, alpha, beta float32)", doc, func(k *kernel) {
		alpha, beta := k.scalar("alpha"), k.scalar("beta")
		k.each(unroll, []string{"dst", "a"}, func(p place, s []integer) {
			a, d := p.load(s[1]), p.load(s[0])
			k.fmul(d, d, beta)
			k.fmla(d, a, alpha)
			p.store(d, s[0])
		})
	})

	p.kernel("Multiply", "(dst, a, b []float32)", "for i := range dst {\n\tdst[i] = a[i] * b[i]\n}", func(k *kernel) {
		k.each(unroll, []string{"dst", "a", "b"}, func(p place, s []integer) {
			a, b := p.load(s[1]), p.load(s[2])
			k.fmul(a, a, b)
			p.store(a, s[0])
		})
	})

	doc = "for i := range dst {\n\tdst[i] += s * a[i] * b[i]\n}"
	p.kernel("MultiplyAdd", "(dst, a, b []float32, s float32)", doc, func(k *kernel) {
		factor := k.scalar("s")
		k.each(unroll, []string{"dst", "a", "b"}, func(p place, s []integer) {
			a, b, d := p.load(s[1]), p.load(s[2]), p.load(s[0])
			k.fmul(a, a, factor)
			k.fmla(d, a, b)
			p.store(d, s[0])
		})
	})

	doc = "for i := range dst {\n\tdst[i] = r * x[i] * w[i]\n}"
	p.kernel("Normalize", "(dst, x, w []float32, r float32)", doc, func(k *kernel) {
		r := k.scalar("r")
		k.each(unroll, []string{"dst", "x", "w"}, func(p place, s []integer) {
			x, w := p.load(s[1]), p.load(s[2])
			k.fmul(x, x, r)
			k.fmul(x, x, w)
			p.store(x, s[0])
		})
	})

	doc = "for i := range dx {\n\tdx[i] = r*dy[i]*w[i] - c*x[i]\n}"
	p.kernel("NormalizeGradient", "(dx, dy, x, w []float32, r, c float32)", doc, func(k *kernel) {
		r, c := k.scalar("r"), k.scalar("c")
		k.each(unroll, []string{"dx", "dy", "x", "w"}, func(p place, s []integer) {
			dy, x, w := p.load(s[1]), p.load(s[2]), p.load(s[3])
			k.fmul(dy, dy, r)
			k.fmul(dy, dy, w)
			k.fmls(dy, x, c)
			p.store(dy, s[0])
		})
	})

	doc = "for i := range lo {\n\tx, y := lo[i], hi[i]\n\tlo[i], hi[i] = x*cos[i]-s*y*sin[i], y*cos[i]+s*x*sin[i]\n}"
	p.kernel("Rotate", "(lo, hi, cos, sin []float32, s float32)", doc, func(k *kernel) {
		sign := k.scalar("s")
		k.each(unroll, []string{"lo", "hi", "cos", "sin"}, func(p place, s []integer) {
			x, y, cos, sin := p.load(s[0]), p.load(s[1]), p.load(s[2]), p.load(s[3])
			lo, hi := k.vector(), k.vector()
			k.fmul(sin, sin, sign)
			k.fmul(lo, x, cos)
			k.fmls(lo, y, sin)
			k.fmul(hi, y, cos)
			k.fmla(hi, x, sin)
			p.store(lo, s[0])
			p.store(hi, s[1])
		})
	})
}

// optimizer emits AdamW; the constants lie in the order of cpu's adamwConstants.
func optimizer(p *program) {
	doc := "for i := range p {\n\ts := c[0] * g[i]\n\tm[i] = c[1]*m[i] + c[2]*s\n\tv[i] = c[3]*v[i] + c[4]*s*s" +
		"\n\tp[i] -= c[5] * p[i]\n\tp[i] -= c[6] * m[i] / (sqrt(c[7]*v[i]) + c[8])\n}"
	p.kernel("AdamW", "(p, g, m, v []float32, c *float32)", doc, func(k *kernel) {
		constants, c := k.load("c"), k.vectors(9)
		for _, x := range c {
			k.emit("VLD1R.P 4(%v), [%v.S4]", constants, x)
		}
		k.each(2, []string{"p", "g", "m", "v"}, func(p place, s []integer) {
			x, g, m, v := p.load(s[0]), p.load(s[1]), p.load(s[2]), p.load(s[3])
			k.fmul(g, g, c[0])
			k.fmul(m, m, c[1])
			k.fmla(m, g, c[2])
			p.store(m, s[2])
			k.fmul(v, v, c[3])
			k.fmul(g, g, g)
			k.fmla(v, g, c[4])
			p.store(v, s[3])
			k.fmul(v, v, c[7])
			k.fsqrt(v, v)
			k.fadd(v, v, c[8])
			k.fmul(m, m, c[6])
			k.fdiv(m, m, v)
			k.fmls(x, x, c[5])
			k.fsub(x, x, m)
			p.store(x, s[0])
		})
	})
}
