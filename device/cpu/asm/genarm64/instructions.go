package main

import (
	"fmt"
	"math"
)

// The methods below emit one instruction each. The result is the first operand, as in the manuals of the architecture; Go's
// assembler has it last.

// word emits an instruction that Go's assembler lacks, with its text for GNU as.
func (k *kernel) word(code uint32, format string, args ...any) {
	k.emit("WORD $0x%08x // %s", code, fmt.Sprintf(format, args...))
}

// Encodings of instructions on four floats (or on four integers of 32 bits), with registers 0 for all operands, from
// the Arm Architecture Reference Manual, "Advanced SIMD three same" and "two-register miscellaneous".
const (
	codeFADD   = 0x4e20d400
	codeFSUB   = 0x4ea0d400
	codeFMUL   = 0x6e20dc00
	codeFDIV   = 0x6e20fc00
	codeFMAX   = 0x4e20f400
	codeFMIN   = 0x4ea0f400
	codeFADDP  = 0x6e20d400
	codeFMAXP  = 0x6e20f400
	codeFCMGT  = 0x6ea0e400
	codeBIC    = 0x4e601c00
	codeFMLA   = 0x4f801000 // by a lane
	codeSSHR   = 0x4f000400
	codeFABS   = 0x4ea0f800
	codeFNEG   = 0x6ea0f800
	codeFSQRT  = 0x6ea1f800
	codeFRINTN = 0x4e218800
	codeFCVTNS = 0x4e21a800
	codeFCVTL  = 0x0e217800
	codeSHLL   = 0x2e613800 // from 16 bits to 32
	upperHalf  = 0x40000000 // of the source of FCVTL and SHLL: these are FCVTL2 and SHLL2
)

func (k *kernel) three(code uint32, name string, d, n, m vector) {
	k.word(code|uint32(m)<<16|uint32(n)<<5|uint32(d), "%s v%d.4s, v%d.4s, v%d.4s", name, d, n, m)
}

func (k *kernel) two(code uint32, name string, d, n vector) {
	k.word(code|uint32(n)<<5|uint32(d), "%s v%d.4s, v%d.4s", name, d, n)
}

func (k *kernel) fadd(d, n, m vector)  { k.three(codeFADD, "fadd", d, n, m) }
func (k *kernel) fsub(d, n, m vector)  { k.three(codeFSUB, "fsub", d, n, m) }
func (k *kernel) fmul(d, n, m vector)  { k.three(codeFMUL, "fmul", d, n, m) }
func (k *kernel) fdiv(d, n, m vector)  { k.three(codeFDIV, "fdiv", d, n, m) }
func (k *kernel) fmax(d, n, m vector)  { k.three(codeFMAX, "fmax", d, n, m) }   // NaN if either is
func (k *kernel) fmin(d, n, m vector)  { k.three(codeFMIN, "fmin", d, n, m) }   // NaN if either is
func (k *kernel) faddp(d, n, m vector) { k.three(codeFADDP, "faddp", d, n, m) } // of neighbours, first n's and then m's
func (k *kernel) fmaxp(d, n, m vector) { k.three(codeFMAXP, "fmaxp", d, n, m) } // of neighbours, first n's and then m's
func (k *kernel) fcmgt(d, n, m vector) { k.three(codeFCMGT, "fcmgt", d, n, m) } // all bits of a lane where n > m
func (k *kernel) fabs(d, n vector)     { k.two(codeFABS, "fabs", d, n) }
func (k *kernel) fneg(d, n vector)     { k.two(codeFNEG, "fneg", d, n) }
func (k *kernel) fsqrt(d, n vector)    { k.two(codeFSQRT, "fsqrt", d, n) }
func (k *kernel) frintn(d, n vector)   { k.two(codeFRINTN, "frintn", d, n) } // to the nearest whole number, ties to even
func (k *kernel) fcvtns(d, n vector)   { k.two(codeFCVTNS, "fcvtns", d, n) } // the same, as integers

// bic is n with the bits of m cleared.
func (k *kernel) bic(d, n, m vector) {
	k.word(codeBIC|uint32(m)<<16|uint32(n)<<5|uint32(d), "bic v%d.16b, v%d.16b, v%d.16b", d, n, m)
}

// fmlaLane is d += n·m[lane].
func (k *kernel) fmlaLane(d, n, m vector, lane int) {
	code := codeFMLA | uint32(lane&1)<<21 | uint32(lane>>1)<<11
	k.word(code|uint32(m)<<16|uint32(n)<<5|uint32(d), "fmla v%d.4s, v%d.4s, v%d.s[%d]", d, n, m, lane)
}

// sshr shifts integers right and keeps their signs.
func (k *kernel) sshr(d, n vector, by int) {
	k.word(codeSSHR|uint32(64-by)<<16|uint32(n)<<5|uint32(d), "sshr v%d.4s, v%d.4s, #%d", d, n, by)
}

// fcvtl widens four F16 numbers to floats, fcvtl2 those of the upper half of n.
func (k *kernel) fcvtl(d, n vector) {
	k.word(codeFCVTL|uint32(n)<<5|uint32(d), "fcvtl v%d.4s, v%d.4h", d, n)
}

func (k *kernel) fcvtl2(d, n vector) {
	k.word(codeFCVTL|upperHalf|uint32(n)<<5|uint32(d), "fcvtl2 v%d.4s, v%d.8h", d, n)
}

// shll puts four numbers of 16 bits into the upper halves of 32 bits, shll2 those of the upper half of n.
func (k *kernel) shll(d, n vector) {
	k.word(codeSHLL|uint32(n)<<5|uint32(d), "shll v%d.4s, v%d.4h, #16", d, n)
}

func (k *kernel) shll2(d, n vector) {
	k.word(codeSHLL|upperHalf|uint32(n)<<5|uint32(d), "shll2 v%d.4s, v%d.8h, #16", d, n)
}

// What follows Go's assembler knows.

func (k *kernel) fmla(d, n, m vector)        { k.emit("VFMLA %v.S4, %v.S4, %v.S4", m, n, d) } // d += n·m
func (k *kernel) fmls(d, n, m vector)        { k.emit("VFMLS %v.S4, %v.S4, %v.S4", m, n, d) } // d -= n·m
func (k *kernel) copy(d, n vector)           { k.emit("VMOV %v.B16, %v.B16", n, d) }
func (k *kernel) addIntegers(d, n, m vector) { k.emit("VADD %v.S4, %v.S4, %v.S4", m, n, d) }
func (k *kernel) subIntegers(d, n, m vector) { k.emit("VSUB %v.S4, %v.S4, %v.S4", m, n, d) }
func (k *kernel) shl(d, n vector, by int)    { k.emit("VSHL $%d, %v.S4, %v.S4", by, n, d) }
func (k *kernel) zero(d vector)              { k.emit("VEOR %v.B16, %v.B16, %v.B16", d, d, d) }

// zeros takes registers that are zero.
func (k *kernel) zeros(n int) []vector {
	v := k.vectors(n)
	for _, x := range v {
		k.zero(x)
	}
	return v
}

// spread is a constant in a register.
func (k *kernel) spread(x float32) vector {
	v := k.vector()
	k.scope(func() {
		bits := k.integer()
		k.emit("MOVD $0x%08x, %v", math.Float32bits(x), bits)
		k.emit("VDUP %v, %v.S4", bits, v)
	})
	return v
}

// loadVector and storeVector move a vector; the address may be any.
func (k *kernel) loadVector(d vector, base integer, offset int) {
	k.emit("FMOVQ %d(%v), F%d", offset, base, d)
}

func (k *kernel) storeVector(n vector, base integer, offset int) {
	k.emit("FMOVQ F%d, %d(%v)", n, offset, base)
}

func (k *kernel) move(d, n integer)          { k.emit("MOVD %v, %v", n, d) }
func (k *kernel) add(d, n integer)           { k.emit("ADD %v, %v", n, d) }
func (k *kernel) advance(d integer, by int)  { k.emit("ADD $%d, %v", by, d) }
func (k *kernel) scale(d integer, shift int) { k.emit("LSL $%d, %v", shift, d) }
