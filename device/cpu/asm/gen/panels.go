package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// panel emits a kernel over a panel of rows × width floats, a column of vectors at a time. body is emitted once; sweep, as
// often as it likes, emits a loop down the rows with the vector's address in each array.
func (v isa) panel(arrays, vectors []string, body func(perColumn []Mem, sweep func(func(rows []Mem)))) {
	rows, width := integer("rows"), integer("width")
	var a, c []reg.GPVirtual
	for _, name := range arrays {
		a = append(a, integer(name))
	}
	for _, name := range vectors {
		c = append(c, integer(name))
	}
	stride := GP64()
	MOVQ(width, stride)
	SHLQ(U8(2), stride)
	Label("column")
	var perColumn []Mem
	for _, r := range c {
		perColumn = append(perColumn, Mem{Base: r})
	}
	body(perColumn, func(row func([]Mem)) {
		at, left := GP64(), GP64()
		XORQ(at, at)
		MOVQ(rows, left)
		var mems []Mem
		for _, r := range a {
			mems = append(mems, Mem{Base: r, Index: at, Scale: 1})
		}
		times(left, func() {
			row(mems)
			ADDQ(stride, at)
		})
	})
	for _, r := range append(a, c...) {
		ADDQ(U8(v.bytes()), r)
	}
	SUBQ(U8(v.lanes), width)
	JG(LabelRef("column"))
	VZEROUPPER()
	RET()
}

func panels(v isa) {
	v.function("PeakPanel", "(rows, width int, s, top *float32)",
		"for q := range width {\n\tfor r := range rows {\n\t\ttop[q] = max(top[q], s[r*width+q])\n\t}\n}")
	v.panel([]string{"s"}, []string{"top"}, func(c []Mem, sweep func(func([]Mem))) {
		top := v.vector()
		VMOVUPS(c[0], top)
		sweep(func(s []Mem) { VMAXPS(s[0], top, top) })
		VMOVUPS(top, c[0])
	})

	v.function("ExpPanel", "(rows, width int, s, top, sum *float32)",
		"for q := range width {\n\tfor r := range rows {"+
			"\n\t\ts[r*width+q] = exp(s[r*width+q] - top[q])\n\t\tsum[q] += s[r*width+q]\n\t}\n}")
	e := v.exponential()
	v.panel([]string{"s"}, []string{"top", "sum"}, func(c []Mem, sweep func(func([]Mem))) {
		top, sum := v.vector(), v.vector()
		VMOVUPS(c[0], top)
		VMOVUPS(c[1], sum)
		sweep(func(s []Mem) {
			x := v.vector()
			VMOVUPS(s[0], x)
			VSUBPS(top, x, x)
			x = e.of(x)
			VMOVUPS(x, s[0])
			VADDPS(x, sum, sum)
		})
		VMOVUPS(sum, c[1])
	})

	v.function("ScalePanel", "(rows, width int, s, alpha *float32)",
		"for r := range rows {\n\tfor q := range width {\n\t\ts[r*width+q] *= alpha[q]\n\t}\n}")
	v.panel([]string{"s"}, []string{"alpha"}, func(c []Mem, sweep func(func([]Mem))) {
		alpha := v.vector()
		VMOVUPS(c[0], alpha)
		sweep(func(s []Mem) {
			x := v.vector()
			VMULPS(s[0], alpha, x)
			VMOVUPS(x, s[0])
		})
	})

	v.function("GradientPanel", "(rows, width int, s, dp, lse, delta *float32)",
		"for r := range rows {\n\tfor q := range width {\n\t\ti := r*width + q\n\t\ts[i] = exp(s[i] - lse[q])"+
			"\n\t\tdp[i] = s[i] * (dp[i] - delta[q])\n\t}\n}")
	e = v.exponential()
	v.panel([]string{"s", "dp"}, []string{"lse", "delta"}, func(c []Mem, sweep func(func([]Mem))) {
		lse, delta := v.vector(), v.vector()
		VMOVUPS(c[0], lse)
		VMOVUPS(c[1], delta)
		sweep(func(s []Mem) {
			x, d := v.vector(), v.vector()
			VMOVUPS(s[0], x)
			VSUBPS(lse, x, x)
			x = e.of(x)
			VMOVUPS(x, s[0])
			VMOVUPS(s[1], d)
			VSUBPS(delta, d, d)
			VMULPS(x, d, d)
			VMOVUPS(d, s[1])
		})
	})
}
