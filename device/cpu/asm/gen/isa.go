package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// An isa is an instruction set: a vector width, and the shapes of the kernels that fit its registers.
type isa struct {
	name    string
	lanes   int
	height  int // rows of the tile of matrix products, and of a transposed group
	dotRows int // rows of x in the dot products of few rows
	vector  func() reg.VecVirtual
}

var (
	avx512 = isa{"AVX512", 16, 8, 4, ZMM}
	avx2   = isa{"AVX2", 8, 4, 2, YMM}
)

// bytes is the size of a vector.
func (v isa) bytes() int { return 4 * v.lanes }

// function starts a kernel and documents it with the Go statements that it equals.
func (v isa) function(name, signature string, doc ...string) {
	name += v.name
	TEXT(name, NOSPLIT, "func"+signature)
	lines := []string{name + " equals"}
	for _, l := range doc {
		lines = append(lines, "")
		lines = append(lines, strings.Split("\t"+strings.ReplaceAll(l, "\n", "\n\t"), "\n")...)
	}
	Doc(lines...)
	Pragma("noescape")
}

// integer and slice load parameters; length is that of the first slice, which all have.
func integer(name string) reg.GPVirtual { return Load(Param(name), GP64()).(reg.GPVirtual) }
func slice(name string) reg.GPVirtual   { return Load(Param(name).Base(), GP64()).(reg.GPVirtual) }
func length(name string) reg.GPVirtual  { return Load(Param(name).Len(), GP64()).(reg.GPVirtual) }

// scalar spreads a float32 parameter over a vector.
func (v isa) scalar(name string) reg.VecVirtual {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	x := v.vector()
	VBROADCASTSS(p.Addr, x)
	return x
}

// spread is a constant in a register.
func (v isa) spread(x float32) reg.VecVirtual {
	r := v.vector()
	VBROADCASTSS(constant(x), r)
	return r
}

// constants are 32 bytes each, the operand of a YMM instruction.
var constants = map[uint32]Mem{}

func constant(x float32) Mem {
	bits := math.Float32bits(x)
	m, ok := constants[bits]
	if !ok {
		m = GLOBL(fmt.Sprintf("float%08x", bits), attr.RODATA|attr.NOPTR)
		for i := range 8 {
			DATA(4*i, U32(bits))
		}
		constants[bits] = m
	}
	return m
}

// fixed is a constant as an operand: AVX-512 has registers to spare, AVX2 reads memory.
func (v isa) fixed(x float32) Op {
	if v.lanes == 16 {
		return v.spread(x)
	}
	return constant(x)
}

func (v isa) zero() reg.VecVirtual {
	r := v.vector()
	if v.lanes == 16 {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
	return r
}

func (v isa) zeros(n int) []reg.VecVirtual {
	r := make([]reg.VecVirtual, n)
	for i := range r {
		r[i] = v.zero()
	}
	return r
}

// A stored is the dtype of a frozen operand.
type stored struct {
	name string
	size int
}

var f32, f16, bf16 = stored{"F32", 4}, stored{"F16", 2}, stored{"BF16", 2}

// load loads as many elements as fit r, as float32.
func (t stored) load(m Mem, r reg.Register) {
	switch t {
	case f32:
		VMOVUPS(m, r)
	case f16:
		VCVTPH2PS(m, r)
	case bf16:
		VPMOVZXWD(m, r)
		VPSLLD(U8(16), r, r)
	}
}
