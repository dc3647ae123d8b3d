package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A byteTile is the register tile of products of bytes for one instruction set. multiply returns the code that adds four
// products in each 32-bit lane, acc += Σ a·b with a signed and b unsigned.
type byteTile struct {
	isa
	suffix   string // of the kernels' names
	height   int
	columns  int
	multiply func() func(a, b, acc reg.VecVirtual)
}

var (
	vnni = byteTile{avx512, "VNNI", 8, 3, func() func(a, b, acc reg.VecVirtual) { return dotBytes }}
	// Without VNNI, pairs of products are added in 16 bits first, which is exact for b below 128.
	pairs = byteTile{avx2, "AVX2", 4, 2, func() func(a, b, acc reg.VecVirtual) {
		ones := YMM()
		VPCMPEQW(ones, ones, ones)
		VPSRLW(U8(15), ones, ones)
		return func(a, b, acc reg.VecVirtual) {
			t := YMM()
			VPMADDUBSW(a, b, t)
			VPMADDWD(ones, t, t)
			VPADDD(t, acc, acc)
		}
	}}
)

// dotBytes is VPDPBUSD, which Go's assembler has and avo 0.5 has not.
func dotBytes(a, b, acc reg.VecVirtual) {
	Instruction(&ir.Instruction{Opcode: "VPDPBUSD", Operands: []Op{a, b, acc},
		Inputs: []Op{a, b, acc}, Outputs: []Op{acc}, ISA: []string{"AVX512VNNI"}})
}

// tileBytes emits the tile: integer sums over the whole shared dimension, then their scales, then the columns that stay
// floats, and only then C.
func tileBytes(v byteTile, vectors int) {
	width := vectors * v.lanes
	v.isa.name = v.suffix
	v.function(fmt.Sprintf("TileBytes%dx%d", v.height, width),
		"(groups int, a *int8, lda int, b *uint8, c *float32, ldc int, add bool, corrections *int32, sx, sw *float32, n int, xs, ws *float32)",
		fmt.Sprintf("for i := range %d {\n\tfor j := range %d {\n\t\ts := corrections[i]\n\t\tfor x := range 4 * groups {", v.height, width)+
			fmt.Sprintf("\n\t\t\ts += int32(a[i*lda+x]) * int32(b[(x/4*%d+j)*4+x%%4])\n\t\t}", width)+
			fmt.Sprintf("\n\t\tf := float32(s) * sx[i] * sw[j]\n\t\tfor x := range n {\n\t\t\tf += xs[x*%d+i] * ws[x*%d+j]\n\t\t}", v.height, width)+
			"\n\t\tif add {\n\t\t\tf += c[i*ldc+j]\n\t\t}\n\t\tc[i*ldc+j] = f\n\t}\n}")
	k, a, lda, b, c, ldc := integer("groups"), integer("a"), integer("lda"), integer("b"), integer("c"), integer("ldc")
	SHLQ(U8(2), ldc)
	bases, group := rowsInPlace(a, lda, v.height)
	multiply := v.multiply()
	acc := make([][]reg.VecVirtual, v.height)
	for i := range acc {
		acc[i] = v.zeros(vectors)
	}
	row, rows := rowsOf(c, ldc, len(acc))
	prefetch(row, rows, 4*width)
	bs := make([]reg.VecVirtual, vectors)
	for j := range bs {
		bs[j] = v.vector()
	}
	x := v.vector()
	step := func(u int) {
		for j := range bs {
			VMOVUPS(Mem{Base: b, Disp: (u*vectors + j) * v.bytes()}, bs[j])
		}
		for i := range acc {
			VPBROADCASTD(group(i, 4*u), x)
			for j := range bs {
				multiply(x, bs[j], acc[i][j])
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
	JZ(LabelRef("scale"))
	times(k, func() {
		step(0)
		for _, base := range bases {
			ADDQ(U8(4), base)
		}
		ADDQ(U32(vectors*v.bytes()), b)
	})
	Label("scale")
	corrections, sx, sw := integer("corrections"), integer("sx"), integer("sw")
	for j := range bs {
		VMOVUPS(Mem{Base: sw, Disp: j * v.bytes()}, bs[j])
	}
	for i := range acc {
		VPBROADCASTD(Mem{Base: corrections, Disp: 4 * i}, x)
		for j := range bs {
			VPADDD(x, acc[i][j], acc[i][j])
			VCVTDQ2PS(acc[i][j], acc[i][j])
		}
		VBROADCASTSS(Mem{Base: sx, Disp: 4 * i}, x)
		for j := range bs {
			VMULPS(x, acc[i][j], acc[i][j])
			VMULPS(bs[j], acc[i][j], acc[i][j])
		}
	}
	n, xs, ws := integer("n"), integer("xs"), integer("ws")
	TESTQ(n, n)
	JZ(LabelRef("store"))
	times(n, func() {
		for j := range bs {
			VMOVUPS(Mem{Base: ws, Disp: j * v.bytes()}, bs[j])
		}
		for i := range acc {
			VBROADCASTSS(Mem{Base: xs, Disp: 4 * i}, x)
			for j := range bs {
				VFMADD231PS(bs[j], x, acc[i][j])
			}
		}
		ADDQ(U8(4*v.height), xs)
		ADDQ(U32(vectors*v.bytes()), ws)
	})
	Label("store")
	add := Load(Param("add"), GP8())
	store(v.isa, row, rows, add, vectors, func(i, j int) reg.Register { return acc[i][j] })
}

// turn emits the transposition that makes panels for the backward direction from those for the forward direction: where
// lanes become depth. Groups of four bytes of 16 lanes are 64 bytes, a ZMM register.
func turn() {
	avx512.function("TurnBytes", "(lanes, deep int, src *uint8, ss int, dst *uint8, ds int)",
		"for l := range 16 * lanes {\n\tfor d := range 16 * deep {\n\t\tdst[l/4*ds+d*4+l%4] = src[d/4*ss+l*4+d%4]\n\t}\n}")
	bytes := GLOBL("bytes4x4", attr.RODATA|attr.NOPTR)
	for c := range 4 {
		for r := range 4 {
			DATA(4*c+r, U8(4*r+c))
		}
	}
	lanes, deep, src, ss, dst, ds := integer("lanes"), integer("deep"), integer("src"), integer("ss"), integer("dst"), integer("ds")
	ss3, ds3 := GP64(), GP64()
	LEAQ(Mem{Base: ss, Index: ss, Scale: 2}, ss3)
	LEAQ(Mem{Base: ds, Index: ds, Scale: 2}, ds3)
	order := ZMM()
	VBROADCASTI32X4(bytes, order)
	at := func(base, s, s3 reg.Register, i int) Mem {
		return []Mem{{Base: base}, {Base: base, Index: s, Scale: 1}, {Base: base, Index: s, Scale: 2}, {Base: base, Index: s3, Scale: 1}}[i]
	}
	from, to, i := GP64(), GP64(), GP64()
	times(lanes, func() {
		MOVQ(src, from)
		MOVQ(dst, to)
		MOVQ(deep, i)
		times(i, func() {
			// 4 × 4 bytes within the quarters of a register, then the quarters.
			var t, u, o [4]reg.VecVirtual
			for g := range t {
				t[g], u[g], o[g] = ZMM(), ZMM(), ZMM()
				VMOVDQU32(at(from, ss, ss3, g), t[g])
				VPSHUFB(order, t[g], t[g])
			}
			VSHUFI32X4(U8(0x44), t[1], t[0], u[0])
			VSHUFI32X4(U8(0xee), t[1], t[0], u[1])
			VSHUFI32X4(U8(0x44), t[3], t[2], u[2])
			VSHUFI32X4(U8(0xee), t[3], t[2], u[3])
			VSHUFI32X4(U8(0x88), u[2], u[0], o[0])
			VSHUFI32X4(U8(0xdd), u[2], u[0], o[1])
			VSHUFI32X4(U8(0x88), u[3], u[1], o[2])
			VSHUFI32X4(U8(0xdd), u[3], u[1], o[3])
			for l := range o {
				VMOVDQU32(o[l], at(to, ds, ds3, l))
			}
			LEAQ(Mem{Base: from, Index: ss, Scale: 4}, from)
			ADDQ(U8(64), to)
		})
		ADDQ(U8(64), src)
		LEAQ(Mem{Base: dst, Index: ds, Scale: 4}, dst)
	})
	VZEROUPPER()
	RET()
}

// quantizeStep is how many elements the quantising kernels take at a time.
const quantizeStep = 32

// peakOf emits the largest magnitude of scaled elements. As integers, the bits of positive floats compare like the floats,
// with NaN above all: it is not lost.
func peakOf(v isa) {
	v.function("Peak", "(x, s []float32) float32",
		"var m uint32 // len(x) is a multiple of 32\nfor i := range x {\n\tm = max(m, math.Float32bits(x[i]*s[i])&^(1<<31))\n}\nreturn math.Float32frombits(m)")
	n, x, s := length("x"), slice("x"), slice("s")
	magnitude := v.vector()
	bits := GP32()
	MOVL(U32(0x7fffffff), bits)
	if v.lanes == 16 {
		VPBROADCASTD(bits, magnitude)
	} else {
		VMOVD(bits, magnitude.AsX())
		VPBROADCASTD(magnitude.AsX(), magnitude)
	}
	m := v.zeros(2)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	for u := range quantizeStep / v.lanes {
		t := v.vector()
		VMOVUPS(Mem{Base: x, Disp: u * v.bytes()}, t)
		VMULPS(Mem{Base: s, Disp: u * v.bytes()}, t, t)
		if v.lanes == 16 {
			VPANDD(magnitude, t, t)
		} else {
			VPAND(magnitude, t, t)
		}
		VPMAXSD(t, m[u%2], m[u%2])
	}
	ADDQ(U32(4*quantizeStep), x)
	ADDQ(U32(4*quantizeStep), s)
	SUBQ(U8(quantizeStep), n)
	JG(LabelRef("loop"))
	Label("done")
	v.reduce(m, func(a, b reg.VecVirtual) { VPMAXSD(b, a, a) })
}

// quantize emits the rounding of scaled elements to bytes, and their sum.
func quantize(v isa) {
	v.function("Quantize", "(x, s []float32, inverse float32, q *int8) int32",
		"var sum int32 // len(x) is a multiple of 32\nfor i := range x {\n\tn := int32(math.RoundToEven(float64(x[i] * s[i] * inverse)))\n\tq[i] = int8(n)\n\tsum += n\n}\nreturn sum")
	n, x, s, q := length("x"), slice("x"), slice("s"), integer("q")
	inverse := v.scalar("inverse")
	sum := v.zeros(2)
	var order reg.VecVirtual
	if v.lanes == 8 {
		order = YMM()
		table := GLOBL("packed8", attr.RODATA|attr.NOPTR)
		for i, from := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
			DATA(4*i, U32(from))
		}
		VMOVDQU(table, order)
	}
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	t := make([]reg.VecVirtual, quantizeStep/v.lanes)
	for u := range t {
		t[u] = v.vector()
		VMOVUPS(Mem{Base: x, Disp: u * v.bytes()}, t[u])
		VMULPS(Mem{Base: s, Disp: u * v.bytes()}, t[u], t[u])
		VMULPS(inverse, t[u], t[u])
		VCVTPS2DQ(t[u], t[u])
		VPADDD(t[u], sum[u%2], sum[u%2])
	}
	if v.lanes == 16 {
		for u := range t {
			VPMOVDB(t[u], Mem{Base: q, Disp: 16 * u})
		}
	} else {
		VPACKSSDW(t[1], t[0], t[0])
		VPACKSSDW(t[3], t[2], t[2])
		VPACKSSWB(t[2], t[0], t[0])
		VPERMD(t[0], order, t[0]) // packing works in halves
		VMOVDQU(t[0], Mem{Base: q})
	}
	ADDQ(U32(4*quantizeStep), x)
	ADDQ(U32(4*quantizeStep), s)
	ADDQ(U8(quantizeStep), q)
	SUBQ(U8(quantizeStep), n)
	JG(LabelRef("loop"))
	Label("done")
	VPADDD(sum[1], sum[0], sum[0])
	low := v.quarter(sum[0], func(a, b reg.VecVirtual) { VPADDD(b, a, a) })
	high := XMM()
	VPSHUFD(U8(0b1110), low, high)
	VPADDD(high, low, low)
	VPSHUFD(U8(0b01), low, high)
	VPADDD(high, low, low)
	total := GP32()
	VMOVD(low, total)
	Store(total, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func bytes() {
	for vectors := 1; vectors <= vnni.columns; vectors++ {
		tileBytes(vnni, vectors)
	}
	for vectors := 1; vectors <= pairs.columns; vectors++ {
		tileBytes(pairs, vectors)
	}
	turn()
	for _, v := range []isa{avx512, avx2} {
		peakOf(v)
		quantize(v)
	}
}
