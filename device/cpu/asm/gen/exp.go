package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// An exponential holds the constants of e^x, as in cpu's exp32, for one kernel.
type exponential struct {
	v                           isa
	low, high                   reg.VecVirtual
	log2E, ln2High, ln2Low, one Op
	coefficients                [6]Op
}

func (v isa) exponential() exponential {
	e := exponential{
		v: v, low: v.spread(-87.33654), high: v.spread(89),
		log2E: v.fixed(1.44269504088896341), ln2High: v.fixed(0.693359375), ln2Low: v.fixed(-2.12194440e-4), one: v.fixed(1),
	}
	for i, c := range []float32{
		1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
	} {
		e.coefficients[i] = v.fixed(c)
	}
	return e
}

// of is e^x; it overwrites x.
func (e exponential) of(x reg.VecVirtual) reg.VecVirtual {
	v := e.v
	// What would be subnormal becomes 0: such results cost the machine a hundred cycles each, and hidden scores are many.
	// (5: not less than; true of NaN.)
	var normal reg.Register = K()
	if v.lanes == 16 {
		VCMPPS(U8(5), e.low, x, normal)
	} else {
		normal = YMM()
		VCMPPS(U8(5), e.low, x, normal)
	}
	// The order of the operands keeps NaN.
	VMAXPS(x, e.low, x)
	VMINPS(x, e.high, x)
	n, p, square := v.vector(), v.vector(), v.vector()
	VMULPS(e.log2E, x, n)
	if v.lanes == 16 {
		VRNDSCALEPS(U8(8), n, n)
	} else {
		VROUNDPS(U8(8), n, n)
	}
	VFNMADD231PS(e.ln2High, n, x)
	VFNMADD231PS(e.ln2Low, n, x)
	VMOVUPS(e.coefficients[0], p)
	for _, c := range e.coefficients[1:] {
		VFMADD213PS(c, x, p)
	}
	VMULPS(x, x, square)
	VFMADD213PS(x, square, p)
	VADDPS(e.one, p, p)
	if v.lanes == 16 {
		VSCALEFPS_Z(n, p, normal, p)
		return p
	}
	// 2^n in two factors, since 2^n itself may be no normal number.
	half := v.vector()
	VCVTPS2DQ(n, n)
	VPSRAD(U8(1), n, half)
	VPSUBD(half, n, n)
	for _, power := range []reg.VecVirtual{half, n} {
		VPSLLD(U8(23), power, power)
		VPADDD(e.one, power, power)
		VMULPS(power, p, p)
	}
	VANDPS(normal, p, p)
	return p
}

// sigmoidDenominator is 1 + exp(-z).
func (e exponential) sigmoidDenominator(z reg.VecVirtual) reg.VecVirtual {
	x := e.v.zero()
	VSUBPS(z, x, x)
	d := e.of(x)
	VADDPS(e.one, d, d)
	return d
}

func exponentials(v isa) {
	v.function("ExpSum", "(x []float32, shift float32) float32",
		"var s float32\nfor i := range x {\n\ts += exp(x[i] - shift)\n}\nreturn s")
	e := v.exponential()
	shift := v.scalar("shift")
	n, x := length("x"), slice("x")
	acc := v.zeros(2)
	none := v.spread(float32(math.Inf(-1)))
	v.walk(n, 2, func(places []place) {
		for u, p := range places {
			// What lies beyond the end is -inf, and its exponential 0.
			t := p.loadOr(x, none)
			VSUBPS(shift, t, t)
			VADDPS(e.of(t), acc[u], acc[u])
		}
	})
	v.reduce(acc, add)

	v.function("ExpScale", "(dst, x []float32, shift, scale float32)",
		"for i := range dst {\n\tdst[i] = scale * exp(x[i]-shift)\n}")
	e = v.exponential()
	shift = v.scalar("shift")
	scale := v.scalar("scale")
	v.each([]string{"dst", "x"}, func(p place, s []reg.GPVirtual) {
		t := p.load(s[1])
		VSUBPS(shift, t, t)
		t = e.of(t)
		VMULPS(t, scale, t)
		p.store(t, s[0])
	})

	v.function("SwiGLU", "(h, gate, up []float32)", "for i := range h {\n\th[i] = gate[i] / (1 + exp(-gate[i])) * up[i]\n}")
	e = v.exponential()
	v.each([]string{"h", "gate", "up"}, func(p place, s []reg.GPVirtual) {
		z := p.load(s[1])
		d := e.sigmoidDenominator(z)
		VDIVPS(d, z, z)
		VMULPS(p.load(s[2]), z, z)
		p.store(z, s[0])
	})

	v.function("SwiGLUGradient", "(dgate, dup, dh, gate, up []float32)",
		"for i := range dgate {\n\tsigmoid := 1 / (1 + exp(-gate[i]))\n\tsilu := gate[i] * sigmoid"+
			"\n\tdgate[i], dup[i] = dh[i]*up[i]*(sigmoid+silu*(1-sigmoid)), dh[i]*silu\n}")
	e = v.exponential()
	one := v.spread(1)
	v.each([]string{"dgate", "dup", "dh", "gate", "up"}, func(p place, s []reg.GPVirtual) {
		z := p.load(s[3])
		sigmoid := e.sigmoidDenominator(z)
		VDIVPS(sigmoid, one, sigmoid)
		VMULPS(sigmoid, z, z)
		slope := v.vector()
		VSUBPS(sigmoid, one, slope)
		VFMADD213PS(sigmoid, z, slope)
		dh := p.load(s[2])
		VMULPS(dh, z, z)
		VMULPS(dh, slope, slope)
		VMULPS(p.load(s[4]), slope, slope)
		p.store(slope, s[0])
		p.store(z, s[1])
	})
}
