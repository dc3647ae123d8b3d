package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// each emits a kernel that is one statement for every element of its slices, the first of which gives the length.
func (v isa) each(slices []string, body func(p place, s []reg.GPVirtual)) {
	n := length(slices[0])
	var s []reg.GPVirtual
	for _, name := range slices {
		s = append(s, slice(name))
	}
	v.walk(n, 1, func(places []place) { body(places[0], s) })
	VZEROUPPER()
	RET()
}

func elementwise(v isa) {
	v.function("Scale", "(dst, a []float32, alpha float32)", "for i := range dst {\n\tdst[i] = alpha * a[i]\n}")
	alpha := v.scalar("alpha")
	v.each([]string{"dst", "a"}, func(p place, s []reg.GPVirtual) {
		a := p.load(s[1])
		VMULPS(a, alpha, a)
		p.store(a, s[0])
	})

	v.function("Combine", "(dst, a []float32, alpha, beta float32)",
		"for i := range dst {\n\tdst[i] = alpha*a[i] + beta*dst[i]\n}")
	alpha = v.scalar("alpha")
	beta := v.scalar("beta")
	v.each([]string{"dst", "a"}, func(p place, s []reg.GPVirtual) {
		a, d := p.load(s[1]), p.load(s[0])
		VMULPS(d, beta, d)
		VFMADD231PS(a, alpha, d)
		p.store(d, s[0])
	})

	v.function("Multiply", "(dst, a, b []float32)", "for i := range dst {\n\tdst[i] = a[i] * b[i]\n}")
	v.each([]string{"dst", "a", "b"}, func(p place, s []reg.GPVirtual) {
		a, b := p.load(s[1]), p.load(s[2])
		VMULPS(b, a, a)
		p.store(a, s[0])
	})

	v.function("MultiplyAdd", "(dst, a, b []float32, s float32)", "for i := range dst {\n\tdst[i] += s * a[i] * b[i]\n}")
	factor := v.scalar("s")
	v.each([]string{"dst", "a", "b"}, func(p place, s []reg.GPVirtual) {
		a, b, d := p.load(s[1]), p.load(s[2]), p.load(s[0])
		VMULPS(a, factor, a)
		VFMADD231PS(b, a, d)
		p.store(d, s[0])
	})

	v.function("Normalize", "(dst, x, w []float32, r float32)", "for i := range dst {\n\tdst[i] = r * x[i] * w[i]\n}")
	r := v.scalar("r")
	v.each([]string{"dst", "x", "w"}, func(p place, s []reg.GPVirtual) {
		x, w := p.load(s[1]), p.load(s[2])
		VMULPS(x, r, x)
		VMULPS(w, x, x)
		p.store(x, s[0])
	})

	v.function("NormalizeGradient", "(dx, dy, x, w []float32, r, c float32)",
		"for i := range dx {\n\tdx[i] = r*dy[i]*w[i] - c*x[i]\n}")
	r = v.scalar("r")
	c := v.scalar("c")
	v.each([]string{"dx", "dy", "x", "w"}, func(p place, s []reg.GPVirtual) {
		dy, x, w := p.load(s[1]), p.load(s[2]), p.load(s[3])
		VMULPS(dy, r, dy)
		VMULPS(w, dy, dy)
		VFNMADD231PS(x, c, dy)
		p.store(dy, s[0])
	})

	v.function("Rotate", "(lo, hi, cos, sin []float32, s float32)",
		"for i := range lo {\n\tx, y := lo[i], hi[i]\n\tlo[i], hi[i] = x*cos[i]-s*y*sin[i], y*cos[i]+s*x*sin[i]\n}")
	sign := v.scalar("s")
	v.each([]string{"lo", "hi", "cos", "sin"}, func(p place, s []reg.GPVirtual) {
		x, y, cos, sin := p.load(s[0]), p.load(s[1]), p.load(s[2]), p.load(s[3])
		VMULPS(sin, sign, sin)
		lo, hi := v.vector(), v.vector()
		VMULPS(cos, x, lo)
		VFNMADD231PS(sin, y, lo)
		VMULPS(cos, y, hi)
		VFMADD231PS(sin, x, hi)
		p.store(lo, s[0])
		p.store(hi, s[1])
	})
}

// optimizer emits AdamW; the constants lie in the order of cpu's adamwConstants.
func optimizer(v isa) {
	v.function("AdamW", "(p, g, m, v []float32, c *float32)",
		"for i := range p {\n\ts := c[0] * g[i]\n\tm[i] = c[1]*m[i] + c[2]*s\n\tv[i] = c[3]*v[i] + c[4]*s*s"+
			"\n\tp[i] -= c[5] * p[i]\n\tp[i] -= c[6] * m[i] / (sqrt(c[7]*v[i]) + c[8])\n}")
	constants := integer("c")
	var c [9]reg.VecVirtual
	for i := range c {
		c[i] = v.vector()
		VBROADCASTSS(Mem{Base: constants, Disp: 4 * i}, c[i])
	}
	v.each([]string{"p", "g", "m", "v"}, func(p place, s []reg.GPVirtual) {
		g, m := p.load(s[1]), p.load(s[2])
		VMULPS(g, c[0], g)
		VMULPS(m, c[1], m)
		VFMADD231PS(g, c[2], m)
		p.store(m, s[2])
		second := p.load(s[3])
		VMULPS(second, c[3], second)
		VMULPS(g, g, g)
		VFMADD231PS(g, c[4], second)
		p.store(second, s[3])
		VMULPS(second, c[7], second)
		VSQRTPS(second, second)
		VADDPS(c[8], second, second)
		VMULPS(m, c[6], m)
		VDIVPS(second, m, m)
		x := p.load(s[0])
		VFNMADD231PS(x, c[5], x)
		VSUBPS(m, x, x)
		p.store(x, s[0])
	})
}
