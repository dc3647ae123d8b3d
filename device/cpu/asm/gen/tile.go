package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// prefetchA is how many bytes ahead the tile asks for A: it comes from the second level of cache.
const prefetchA = 1024

// tile emits the register tile of matrix products. The accumulators stay in registers; each step loads the vectors of a
// group of B and spreads the scalars of a group of A.
func tile(v isa, vectors int) {
	v.function(fmt.Sprintf("Tile%dx%d", v.height, vectors*v.lanes),
		"(k int, a, b, c *float32, ldc int, add bool)",
		fmt.Sprintf("for i := range %d {\n\tfor j := range %d {\n\t\tvar s float32\n\t\tfor x := range k {", v.height, vectors*v.lanes)+
			fmt.Sprintf("\n\t\t\ts += a[x*%d+i] * b[x*%d+j]\n\t\t}", v.height, vectors*v.lanes)+
			"\n\t\tif add {\n\t\t\ts += c[i*ldc+j]\n\t\t}\n\t\tc[i*ldc+j] = s\n\t}\n}")
	k, a, b, c, ldc := integer("k"), integer("a"), integer("b"), integer("c"), integer("ldc")
	add := Load(Param("add"), GP8())
	SHLQ(U8(2), ldc)
	acc := make([][]reg.VecVirtual, v.height)
	for i := range acc {
		acc[i] = v.zeros(vectors)
	}
	bs := make([]reg.VecVirtual, vectors)
	for j := range bs {
		bs[j] = v.vector()
	}
	x := v.vector()
	step := func(u int) {
		for j := range bs {
			VMOVUPS(Mem{Base: b, Disp: (u*vectors + j) * v.bytes()}, bs[j])
		}
		if u*v.height*4%64 == 0 {
			PREFETCHT0(Mem{Base: a, Disp: u*v.height*4 + prefetchA})
		}
		for i := range acc {
			VBROADCASTSS(Mem{Base: a, Disp: 4 * (u*v.height + i)}, x)
			for j := range bs {
				VFMADD231PS(bs[j], x, acc[i][j])
			}
		}
	}
	// C is needed at the end: ask for it now.
	row, rows := rowsOf(c, ldc, len(acc))
	prefetch(row, rows, vectors*v.bytes())
	const unroll = 4
	SUBQ(U8(unroll), k)
	JLT(LabelRef("rest"))
	Label("loop")
	for u := range unroll {
		step(u)
	}
	ADDQ(U32(4*v.height*unroll), a)
	ADDQ(U32(vectors*v.bytes()*unroll), b)
	SUBQ(U8(unroll), k)
	JGE(LabelRef("loop"))
	Label("rest")
	ADDQ(U8(unroll), k)
	JZ(LabelRef("store"))
	times(k, func() {
		step(0)
		ADDQ(U8(4*v.height), a)
		ADDQ(U32(vectors*v.bytes()), b)
	})
	Label("store")
	store(v, row, rows, add, vectors, func(i, j int) reg.Register { return acc[i][j] })
}
