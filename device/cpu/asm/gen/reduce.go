package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// quarter combines the 128-bit quarters (halves) of a vector.
func (v isa) quarter(x reg.VecVirtual, op func(a, b reg.VecVirtual)) reg.VecVirtual {
	if v.lanes == 16 {
		low, high := YMM(), YMM()
		VEXTRACTF64X4(U8(1), x, high)
		VEXTRACTF64X4(U8(0), x, low)
		op(low, high)
		x = low
	}
	low, high := XMM(), XMM()
	if v.lanes == 16 { // the older instruction does not reach the upper registers
		VEXTRACTF32X4(U8(1), x, high)
		VEXTRACTF32X4(U8(0), x, low)
	} else {
		VEXTRACTF128(U8(1), x, high)
		VEXTRACTF128(U8(0), x, low)
	}
	op(low, high)
	return low
}

// reduce combines vectors pairwise and then lanes, and returns the result from the kernel.
func (v isa) reduce(acc []reg.VecVirtual, op func(a, b reg.VecVirtual)) {
	for n := len(acc) / 2; n > 0; n /= 2 {
		for i := range n {
			op(acc[i], acc[i+n])
		}
	}
	x, y := v.quarter(acc[0], op), XMM()
	VPERMILPS(U8(0b1110), x, y)
	op(x, y)
	VPERMILPS(U8(0b01), x, y)
	op(x, y)
	Store(x, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func add(a, b reg.VecVirtual)    { VADDPS(b, a, a) }
func larger(a, b reg.VecVirtual) { VMAXPS(b, a, a) }

// fold emits a kernel that sums a term over the elements of its slices, in four vectors of partial sums.
func (v isa) fold(slices []string, term func(p place, s []reg.GPVirtual, acc reg.VecVirtual)) {
	n := length(slices[0])
	var s []reg.GPVirtual
	for _, name := range slices {
		s = append(s, slice(name))
	}
	acc := v.zeros(4)
	v.walk(n, 4, func(places []place) {
		for u, p := range places {
			term(p, s, acc[u])
		}
	})
	v.reduce(acc, add)
}

func reductions(v isa) {
	v.function("Sum", "(x []float32) float32", "var s float32\nfor i := range x {\n\ts += x[i]\n}\nreturn s")
	v.fold([]string{"x"}, func(p place, s []reg.GPVirtual, acc reg.VecVirtual) {
		VADDPS(p.load(s[0]), acc, acc)
	})

	v.function("SumAbs", "(x []float32) float32", "var s float32\nfor i := range x {\n\ts += abs(x[i])\n}\nreturn s")
	magnitude := v.spread(math.Float32frombits(math.MaxInt32))
	v.fold([]string{"x"}, func(p place, s []reg.GPVirtual, acc reg.VecVirtual) {
		x := p.load(s[0])
		if v.lanes == 16 {
			VPANDD(magnitude, x, x)
		} else {
			VANDPS(magnitude, x, x)
		}
		VADDPS(x, acc, acc)
	})

	v.function("Dot", "(a, b []float32) float32", "var s float32\nfor i := range a {\n\ts += a[i] * b[i]\n}\nreturn s")
	v.fold([]string{"a", "b"}, func(p place, s []reg.GPVirtual, acc reg.VecVirtual) {
		a, b := p.load(s[0]), p.load(s[1])
		VFMADD231PS(b, a, acc)
	})

	v.function("Dot3", "(a, b, c []float32) float32",
		"var s float32\nfor i := range a {\n\ts += a[i] * b[i] * c[i]\n}\nreturn s")
	v.fold([]string{"a", "b", "c"}, func(p place, s []reg.GPVirtual, acc reg.VecVirtual) {
		a, b, c := p.load(s[0]), p.load(s[1]), p.load(s[2])
		VMULPS(b, a, a)
		VFMADD231PS(c, a, acc)
	})

	v.function("Max", "(x []float32) float32",
		"m := inf(-1)\nfor i := range x {\n\tm = max(m, x[i])\n}\nreturn m // of numbers; NaN may be passed over")
	none := v.spread(float32(math.Inf(-1)))
	n, x := length("x"), slice("x")
	acc := make([]reg.VecVirtual, 4)
	for i := range acc {
		acc[i] = v.spread(float32(math.Inf(-1)))
	}
	v.walk(n, 4, func(places []place) {
		for u, p := range places {
			larger(acc[u], p.loadOr(x, none))
		}
	})
	v.reduce(acc, larger)
}
