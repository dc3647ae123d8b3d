package main

import "math"

// An exponential holds the constants of e^x, as in cpu's exp32, for one kernel.
type exponential struct {
	k                                      *kernel
	low, high, log2E, ln2High, ln2Low, one vector
	coefficients                           []vector
}

func (k *kernel) exponential() exponential {
	e := exponential{
		k: k, low: k.spread(-87.33654), high: k.spread(89), log2E: k.spread(1.44269504088896341),
		ln2High: k.spread(0.693359375), ln2Low: k.spread(-2.12194440e-4), one: k.spread(1),
	}
	for _, c := range []float32{
		1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
	} {
		e.coefficients = append(e.coefficients, k.spread(c))
	}
	return e
}

// of sets x to e^x.
func (e exponential) of(x vector) {
	k := e.k
	k.scope(func() {
		small, n, p, q := k.vector(), k.vector(), k.vector(), k.vector()
		// What would be subnormal becomes 0 at the end. A NaN is not small, and goes through all that follows.
		k.fcmgt(small, e.low, x)
		k.fmax(x, x, e.low)
		k.fmin(x, x, e.high)
		k.fmul(n, x, e.log2E)
		k.frintn(n, n)
		k.fmls(x, n, e.ln2High)
		k.fmls(x, n, e.ln2Low)
		k.copy(p, e.coefficients[0])
		for _, c := range e.coefficients[1:] {
			k.copy(q, c)
			k.fmla(q, p, x)
			p, q = q, p
		}
		k.fmul(q, x, x)
		k.fmla(x, p, q)
		k.fadd(x, x, e.one)
		// 2^n in two factors, since 2^n itself may be no normal number.
		k.fcvtns(n, n)
		k.sshr(p, n, 1)
		k.subIntegers(n, n, p)
		for _, power := range []vector{p, n} {
			k.shl(power, power, 23)
			k.addIntegers(power, power, e.one)
			k.fmul(x, x, power)
		}
		k.bic(x, x, small)
	})
}

// sigmoidDenominator is 1 + exp(-z).
func (e exponential) sigmoidDenominator(z vector) vector {
	d := e.k.vector()
	e.k.fneg(d, z)
	e.of(d)
	e.k.fadd(d, d, e.one)
	return d
}

func exponentials(p *program) {
	doc := "var s float32\nfor i := range x {\n\ts += exp(x[i] - shift)\n}\nreturn s"
	p.kernel("ExpSum", "(x []float32, shift float32) float32", doc, func(k *kernel) {
		e, shift := k.exponential(), k.scalar("shift")
		n, x := k.length("x"), k.load("x")
		acc := k.zeros(2)
		none := k.spread(float32(math.Inf(-1)))
		k.walk(n, 2, []integer{x}, func(places []place) {
			for u, p := range places {
				k.scope(func() {
					// What lies beside a single element is -inf, and its exponential 0.
					t := p.loadOr(x, none)
					k.fsub(t, t, shift)
					e.of(t)
					k.fadd(acc[u], acc[u], t)
				})
			}
		})
		k.reduce(acc, k.fadd, k.faddp)
	})

	doc = "for i := range dst {\n\tdst[i] = scale * exp(x[i]-shift)\n}"
	p.kernel("ExpScale", "(dst, x []float32, shift, scale float32)", doc, func(k *kernel) {
		e, shift, scale := k.exponential(), k.scalar("shift"), k.scalar("scale")
		k.each(2, []string{"dst", "x"}, func(p place, s []integer) {
			t := p.load(s[1])
			k.fsub(t, t, shift)
			e.of(t)
			k.fmul(t, t, scale)
			p.store(t, s[0])
		})
	})

	doc = "for i := range h {\n\th[i] = gate[i] / (1 + exp(-gate[i])) * up[i]\n}"
	p.kernel("SwiGLU", "(h, gate, up []float32)", doc, func(k *kernel) {
		e := k.exponential()
		k.each(2, []string{"h", "gate", "up"}, func(p place, s []integer) {
			z, up := p.load(s[1]), p.load(s[2])
			k.fdiv(z, z, e.sigmoidDenominator(z))
			k.fmul(z, z, up)
			p.store(z, s[0])
		})
	})

	doc = "for i := range dgate {\n\tsigmoid := 1 / (1 + exp(-gate[i]))\n\tsilu := gate[i] * sigmoid" +
		"\n\tdgate[i], dup[i] = dh[i]*up[i]*(sigmoid+silu*(1-sigmoid)), dh[i]*silu\n}"
	p.kernel("SwiGLUGradient", "(dgate, dup, dh, gate, up []float32)", doc, func(k *kernel) {
		e := k.exponential()
		k.each(2, []string{"dgate", "dup", "dh", "gate", "up"}, func(p place, s []integer) {
			dh, z, up := p.load(s[2]), p.load(s[3]), p.load(s[4])
			sigmoid, slope := e.sigmoidDenominator(z), k.vector()
			k.fdiv(sigmoid, e.one, sigmoid)
			k.fmul(z, z, sigmoid)
			k.fsub(slope, e.one, sigmoid)
			k.fmla(sigmoid, z, slope)
			k.fmul(up, up, dh)
			k.fmul(up, up, sigmoid)
			k.fmul(z, z, dh)
			p.store(up, s[0])
			p.store(z, s[1])
		})
	})
}
