package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dots emits the dot products of some rows of x with four rows of w, which is widened in registers.
func dots(v isa, t stored, rows int) {
	v.function(fmt.Sprintf("Dots%dx4%s", rows, t.name), "(k int, x *float32, ldx int, w *byte, ldw int, out *float32)",
		fmt.Sprintf("for r := range %d {\n\tfor i := range 4 {\n\t\tout[4*r+i] = 0", rows)+
			fmt.Sprintf("\n\t\tfor p := range k { // a multiple of %d", v.lanes)+
			"\n\t\t\tout[4*r+i] += x[r*ldx+p] * float32(w[i*ldw+p])\n\t\t}\n\t}\n}")
	k, x, ldx, w, ldw, out := integer("k"), integer("x"), integer("ldx"), integer("w"), integer("ldw"), integer("out")
	SHLQ(U8(2), ldx)
	SHLQ(U8(t.size/2), ldw)
	following := func(first, ld reg.GPVirtual, n int) []reg.GPVirtual {
		p := []reg.GPVirtual{first}
		for i := 1; i < n; i++ {
			p = append(p, GP64())
			LEAQ(Mem{Base: p[i-1], Index: ld, Scale: 1}, p[i])
		}
		return p
	}
	xs, ws := following(x, ldx, rows), following(w, ldw, 4)
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		acc[r] = v.zeros(4)
	}
	i := GP64()
	XORQ(i, i)
	Label("loop")
	var wv [4]reg.VecVirtual
	for j := range wv {
		wv[j] = v.vector()
		t.load(Mem{Base: ws[j], Index: i, Scale: uint8(t.size)}, wv[j])
	}
	for r := range acc {
		xv := v.vector()
		VMOVUPS(Mem{Base: xs[r], Index: i, Scale: 4}, xv)
		for j := range wv {
			VFMADD231PS(wv[j], xv, acc[r][j])
		}
	}
	ADDQ(U8(v.lanes), i)
	CMPQ(i, k)
	JLT(LabelRef("loop"))
	for r := range acc {
		var x [4]reg.VecVirtual
		for j := range x {
			x[j] = v.quarter(acc[r][j], func(a, b reg.VecVirtual) { VADDPS(b, a, a) })
		}
		// Add up the lanes of four registers at once: halves of pairs, then pairs.
		for _, j := range []int{0, 2} {
			high := XMM()
			VUNPCKHPS(x[j+1], x[j], high)
			VUNPCKLPS(x[j+1], x[j], x[j])
			VADDPS(high, x[j], x[j])
		}
		high := XMM()
		VUNPCKHPD(x[2], x[0], high)
		VUNPCKLPD(x[2], x[0], x[0])
		VADDPS(high, x[0], x[0])
		VMOVUPS(x[0], Mem{Base: out, Disp: 16 * r})
	}
	VZEROUPPER()
	RET()
}

// weigh emits the weighted sum of rows: some columns at a time stay in registers while the rows pass by.
func weigh(v isa) {
	v.function("Weigh", "(dst, w []float32, v *float32, ld int)",
		"for c := range dst {\n\tdst[c] = 0\n\tfor j := range w {\n\t\tdst[c] += w[j] * v[j*ld+c]\n\t}\n}")
	dst, n, w, rows := slice("dst"), length("dst"), slice("w"), length("w")
	first, ld := integer("v"), integer("ld")
	SHLQ(U8(2), ld)
	v.walk(n, 4, func(places []place) {
		acc := v.zeros(len(places))
		row, j := GP64(), GP64()
		MOVQ(first, row)
		XORQ(j, j)
		loop, done := label("rows"), label("rowsDone")
		Label(loop)
		CMPQ(j, rows)
		JGE(LabelRef(done))
		x := v.vector()
		VBROADCASTSS(Mem{Base: w, Index: j, Scale: 4}, x)
		for u, p := range places {
			y := p.load(row)
			VFMADD231PS(y, x, acc[u])
		}
		ADDQ(ld, row)
		INCQ(j)
		JMP(LabelRef(loop))
		Label(done)
		for u, p := range places {
			p.store(acc[u], dst)
		}
	})
	VZEROUPPER()
	RET()
}
