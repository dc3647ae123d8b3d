package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Neither avo nor Go's assembler knows AVX512_BF16: its instructions are emitted as bytes, with registers that are chosen
// here. All vector registers of a kernel that uses them are physical ones.
var zmm = []reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

// The prefixes of EVEX instructions, as its field pp counts them.
const (
	prefixF3 = 2
	prefixF2 = 3
)

// evex emits an instruction of the map 0F38 on whole ZMM registers, numbered 0 to 31, with W = 0 and no mask: first source
// in the field vvvv, second in rm (Intel's manual, volume 2, section 2.7).
func evex(prefix, opcode, dst, first, second int) {
	clear := func(register, bit int) int { return ^register >> bit & 1 } // the prefix holds the upper bits of registers inverted
	for _, b := range []int{
		0x62,
		clear(dst, 3)<<7 | clear(second, 4)<<6 | clear(second, 3)<<5 | clear(dst, 4)<<4 | 0b010,
		^first&15<<3 | 0b100 | prefix,
		0b10<<5 | clear(first, 4)<<3,
		opcode,
		0b11<<6 | dst&7<<3 | second&7,
	} {
		Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{U8(b)}})
	}
}

// dotPairs is VDPBF16PS: acc += a·b, two products of bfloat16 in each lane of 32 bits.
func dotPairs(a, b, acc int) { evex(prefixF3, 0x52, acc, a, b) }

// roundPair is VCVTNE2PS2BF16: low and high to bfloat16, ties to even.
func roundPair(high, low, dst int) { evex(prefixF2, 0x72, dst, high, low) }

// tilePairs emits the register tile of products of bfloat16: as tileBytes, rows of a where they lie and b in panels.
func tilePairs(vectors int) {
	v := avx512
	const height = 8
	width := vectors * v.lanes
	v.name = "BF16"
	v.function(fmt.Sprintf("TilePairs%dx%d", height, width), "(pairs int, a *uint16, lda int, b *uint16, c *float32, ldc int, add bool)",
		fmt.Sprintf("for i := range %d {\n\tfor j := range %d {\n\t\tvar s float32\n\t\tfor x := range 2 * pairs {", height, width)+
			fmt.Sprintf("\n\t\t\ts += bf16(a[i*lda+x]) * bf16(b[(x/2*%d+j)*2+x%%2])\n\t\t}", width)+
			"\n\t\tif add {\n\t\t\ts += c[i*ldc+j]\n\t\t}\n\t\tc[i*ldc+j] = s\n\t}\n}")
	k, a, lda, b, c, ldc := integer("pairs"), integer("a"), integer("lda"), integer("b"), integer("c"), integer("ldc")
	add := Load(Param("add"), GP8())
	SHLQ(U8(2), ldc)
	SHLQ(U8(1), lda)
	bases, pair := rowsInPlace(a, lda, height)
	acc := func(i, j int) int { return i*vectors + j }
	bs := func(j int) int { return height*vectors + j }
	x := height*vectors + vectors
	for r := range height * vectors {
		VPXORD(zmm[r], zmm[r], zmm[r])
	}
	row, rows := rowsOf(c, ldc, height)
	prefetch(row, rows, 4*width)
	step := func(u int) {
		for j := range vectors {
			VMOVUPS(Mem{Base: b, Disp: (u*vectors + j) * v.bytes()}, zmm[bs(j)])
		}
		for i := range height {
			at := x + i%2 // two in turns: their loads go ahead
			VPBROADCASTD(pair(i, 4*u), zmm[at])
			for j := range vectors {
				dotPairs(at, bs(j), acc(i, j))
			}
		}
	}
	const unroll = 4
	SUBQ(U8(unroll), k)
	JLT(LabelRef("rest"))
	Label("loop")
	for u := range unroll {
		step(u)
	}
	for _, base := range bases {
		ADDQ(U8(4*unroll), base)
	}
	ADDQ(U32(vectors*v.bytes()*unroll), b)
	SUBQ(U8(unroll), k)
	JGE(LabelRef("loop"))
	Label("rest")
	ADDQ(U8(unroll), k)
	JZ(LabelRef("store"))
	times(k, func() {
		step(0)
		for _, base := range bases {
			ADDQ(U8(4), base)
		}
		ADDQ(U32(vectors*v.bytes()), b)
	})
	Label("store")
	store(v, row, rows, add, vectors, func(i, j int) reg.Register { return zmm[acc(i, j)] })
}

// roundStep is how many elements the kernel that rounds takes at a time.
const roundStep = 32

// round emits the rounding of floats to bfloat16.
func round() {
	v := avx512
	v.name = "BF16"
	v.function("Round", "(dst *uint16, x []float32)", "for i := range x { // len(x) is a multiple of 32\n\tdst[i] = roundToBF16(x[i])\n}")
	n, x, dst := length("x"), slice("x"), integer("dst")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	VMOVUPS(Mem{Base: x}, reg.Z0)
	VMOVUPS(Mem{Base: x, Disp: 64}, reg.Z1)
	roundPair(1, 0, 2)
	VMOVUPS(reg.Z2, Mem{Base: dst})
	ADDQ(U32(4*roundStep), x)
	ADDQ(U8(2*roundStep), dst)
	SUBQ(U8(roundStep), n)
	JG(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// roundBits is round without AVX512_BF16: half an ulp, less for ties above an even neighbour, is added to the bits.
func roundBits() {
	v := avx512
	v.function("Round", "(dst *uint16, x []float32)", "for i := range x { // len(x) is a multiple of 32\n\tdst[i] = roundToBF16(x[i])\n}")
	n, x, dst := length("x"), slice("x"), integer("dst")
	spread := func(bits uint32) reg.VecVirtual {
		r, z := GP32(), ZMM()
		MOVL(U32(bits), r)
		VPBROADCASTD(r, z)
		return z
	}
	half, one, quiet, sign, normal := spread(0x7fff), spread(1), spread(1<<22), spread(1<<31), spread(1<<23)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	for u := range roundStep / v.lanes {
		bits, t := ZMM(), ZMM()
		nan, small := K(), K()
		VMOVUPS(Mem{Base: x, Disp: u * v.bytes()}, bits)
		VCMPPS(U8(3), bits, bits, nan) // unordered
		VPADDD(bits, bits, t)          // without the sign
		VPSRLD(U8(1), t, t)
		VPCMPUD(U8(1), normal, t, small) // below the smallest normal number
		VPSRLD(U8(16), bits, t)
		VPANDD(one, t, t)
		VPADDD(half, t, t)
		VPADDD(bits, t, t)
		VPORD(quiet, bits, nan, t)
		VPANDD(sign, bits, small, t)
		VPSRLD(U8(16), t, t)
		VPMOVDW(t, Mem{Base: dst, Disp: u * 32})
	}
	ADDQ(U32(4*roundStep), x)
	ADDQ(U8(2*roundStep), dst)
	SUBQ(U8(roundStep), n)
	JG(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// interleave emits the pairing of two rows: the panels of a weight whose rows are the shared dimension.
func interleave() {
	v := avx512
	v.name = "BF16"
	v.function("Interleave", "(n int, low, high, dst *uint16)", "for i := range n { // a multiple of 16\n\tdst[2*i], dst[2*i+1] = low[i], high[i]\n}")
	n, low, high, dst := integer("n"), integer("low"), integer("high"), integer("dst")
	Label("loop")
	a, b := ZMM(), ZMM()
	VPMOVZXWD(Mem{Base: low}, a)
	VPMOVZXWD(Mem{Base: high}, b)
	VPSLLD(U8(16), b, b)
	VPORD(a, b, b)
	VMOVDQU32(b, Mem{Base: dst})
	ADDQ(U8(32), low)
	ADDQ(U8(32), high)
	ADDQ(U8(64), dst)
	SUBQ(U8(16), n)
	JG(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

func pairs16() {
	for vectors := 1; vectors <= 3; vectors++ {
		tilePairs(vectors)
	}
	round()
	roundBits()
	interleave()
}
