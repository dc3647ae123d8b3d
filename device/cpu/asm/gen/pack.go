package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose emits the packing of rows, 8 columns at a time: transposes of 4 × 4 within the halves of YMM registers, and for
// 8 rows an exchange of halves.
func transpose(v isa, t stored) {
	v.function("Transpose"+t.name, "(k int, src *byte, ld int, dst *float32, stride int)",
		fmt.Sprintf("for x := range k { // a multiple of 8\n\tfor i := range %d {", v.height)+
			"\n\t\tdst[x*stride+i] = float32(src[i*ld+x])\n\t}\n}")
	k, src, ld, dst, ds := integer("k"), integer("src"), integer("ld"), integer("dst"), integer("stride")
	SHLQ(U8(t.size/2), ld)
	SHLQ(U8(2), ds)
	ld3, ds3, src4, dst4 := GP64(), GP64(), GP64(), GP64()
	LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, ld3)
	LEAQ(Mem{Base: ds, Index: ds, Scale: 2}, ds3)
	at := func(base, base4, s, s3 reg.Register, i int) Mem {
		if i >= 4 {
			base = base4
		}
		return []Mem{
			{Base: base},
			{Base: base, Index: s, Scale: 1},
			{Base: base, Index: s, Scale: 2},
			{Base: base, Index: s3, Scale: 1},
		}[i%4]
	}
	Label("loop")
	LEAQ(Mem{Base: dst, Index: ds, Scale: 4}, dst4)
	if v.height == 8 {
		LEAQ(Mem{Base: src, Index: ld, Scale: 4}, src4)
	}
	r := make([]reg.VecVirtual, v.height)
	for i := range r {
		r[i] = YMM()
		t.load(at(src, src4, ld, ld3, i), r[i])
	}
	low := quads(r)
	if v.height == 8 {
		high := quads(r[4:])
		for j := range 4 {
			x, y := YMM(), YMM()
			VPERM2F128(U8(0x20), high[j], low[j], x)
			VPERM2F128(U8(0x31), high[j], low[j], y)
			VMOVUPS(x, at(dst, dst4, ds, ds3, j))
			VMOVUPS(y, at(dst, dst4, ds, ds3, j+4))
		}
	} else {
		for j := range 4 {
			VMOVUPS(low[j].AsX(), at(dst, dst4, ds, ds3, j))
			VEXTRACTF128(U8(1), low[j], at(dst, dst4, ds, ds3, j+4))
		}
	}
	ADDQ(U8(8*t.size), src)
	LEAQ(Mem{Base: dst, Index: ds, Scale: 8}, dst)
	SUBQ(U8(8), k)
	JG(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// quads transposes 4 × 4 within halves: the halves of c[j] are the columns j and j+4 of the four rows.
func quads(r []reg.VecVirtual) (c [4]reg.VecVirtual) {
	t := [4]reg.VecVirtual{YMM(), YMM(), YMM(), YMM()}
	VUNPCKLPS(r[1], r[0], t[0])
	VUNPCKHPS(r[1], r[0], t[1])
	VUNPCKLPS(r[3], r[2], t[2])
	VUNPCKHPS(r[3], r[2], t[3])
	for j := range c {
		c[j] = YMM()
	}
	VUNPCKLPD(t[2], t[0], c[0])
	VUNPCKHPD(t[2], t[0], c[1])
	VUNPCKLPD(t[3], t[1], c[2])
	VUNPCKHPD(t[3], t[1], c[3])
	return c
}

// deal emits the packing of columns: a copy that goes on in the next panel after every w elements of a row. Four rows go
// together, so that a panel is written some cache lines at a time.
func deal(v isa, t stored) {
	v.function("Deal"+t.name, "(k, n, w int, src *byte, ld int, dst *float32, stride int)",
		fmt.Sprintf("for x := range k {\n\tfor p := range n {\n\t\tfor i := range w { // a multiple of %d", v.height)+
			"\n\t\t\tdst[p*stride+x*w+i] = float32(src[x*ld+p*w+i])\n\t\t}\n\t}\n}")
	k, w, src, ld, dst := integer("k"), integer("w"), integer("src"), integer("ld"), integer("dst")
	stride := integer("stride")
	SHLQ(U8(t.size/2), ld)
	SHLQ(U8(2), stride)
	w3, ld3 := GP64(), GP64()
	LEAQ(Mem{Base: w, Index: w, Scale: 2}, w3)
	SHLQ(U8(2), w3)
	LEAQ(Mem{Base: ld, Index: ld, Scale: 2}, ld3)
	SHLQ(U8(2), w) // in bytes, as stored
	rows := func(count int) {
		from, to, i, panels := GP64(), GP64(), GP64(), GP64()
		MOVQ(src, from)
		MOVQ(dst, to)
		Load(Param("n"), panels)
		times(panels, func() {
			at := GP64()
			MOVQ(to, at)
			MOVQ(w, i)
			group := label("group")
			Label(group)
			for r := range count {
				x := YMM()
				var y reg.Register = x
				if v.height == 4 {
					y = x.AsX()
				}
				t.load([]Mem{
					{Base: from}, {Base: from, Index: ld, Scale: 1}, {Base: from, Index: ld, Scale: 2}, {Base: from, Index: ld3, Scale: 1},
				}[r], y)
				VMOVUPS(y, []Mem{
					{Base: at}, {Base: at, Index: w, Scale: 1}, {Base: at, Index: w, Scale: 2}, {Base: at, Index: w3, Scale: 1},
				}[r])
			}
			ADDQ(U8(v.height*t.size), from)
			ADDQ(U8(v.height*4), at)
			SUBQ(U8(v.height*4), i)
			JG(LabelRef(group))
			ADDQ(stride, to)
		})
		LEAQ(Mem{Base: src, Index: ld, Scale: uint8(count)}, src)
		LEAQ(Mem{Base: dst, Index: w, Scale: uint8(count)}, dst)
	}
	SUBQ(U8(4), k)
	JLT(LabelRef("rest"))
	Label("four")
	rows(4)
	SUBQ(U8(4), k)
	JGE(LabelRef("four"))
	Label("rest")
	ADDQ(U8(4), k)
	JZ(LabelRef("done"))
	Label("one")
	rows(1)
	DECQ(k)
	JNZ(LabelRef("one"))
	Label("done")
	VZEROUPPER()
	RET()
}
