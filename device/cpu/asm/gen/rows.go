package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// What the register tiles of all products share: rows of A that are read where they lie, and rows of C.

// rowsInPlace gives the rows from a on, lda bytes apart, as operands. Every third row has a base of its own; the others are
// reached by an index.
func rowsInPlace(a, lda reg.GPVirtual, height int) (bases []reg.GPVirtual, at func(i, disp int) Mem) {
	bases = make([]reg.GPVirtual, (height+2)/3)
	for i := range bases {
		bases[i] = GP64()
		if i == 0 {
			MOVQ(a, bases[0])
		} else {
			LEAQ(Mem{Base: bases[i-1], Index: lda, Scale: 2}, bases[i])
			ADDQ(lda, bases[i])
		}
	}
	return bases, func(i, disp int) Mem {
		m := Mem{Base: bases[i/3], Disp: disp}
		if i%3 > 0 {
			m.Index, m.Scale = lda, uint8(i%3)
		}
		return m
	}
}

// rowsOf returns a register and a function that emits a body for every row of c, ldc bytes apart, with the row's address in
// the register.
func rowsOf(c, ldc reg.GPVirtual, height int) (row reg.GPVirtual, rows func(body func(i int))) {
	row = GP64()
	return row, func(body func(i int)) {
		MOVQ(c, row)
		for i := range height {
			body(i)
			if i+1 < height {
				ADDQ(ldc, row)
			}
		}
	}
}

// prefetch asks for the rows of C, which are needed at the end.
func prefetch(row reg.GPVirtual, rows func(func(i int)), bytes int) {
	rows(func(int) {
		for d := 0; d < bytes; d += 64 {
			PREFETCHT0(Mem{Base: row, Disp: d})
		}
	})
}

// store ends a tile: its accumulators are added to C or set.
func store(v isa, row reg.GPVirtual, rows func(func(i int)), add reg.Register, vectors int, acc func(i, j int) reg.Register) {
	TESTB(add, add)
	JZ(LabelRef("set"))
	rows(func(i int) {
		for j := range vectors {
			VADDPS(Mem{Base: row, Disp: j * v.bytes()}, acc(i, j), acc(i, j))
		}
	})
	Label("set")
	rows(func(i int) {
		for j := range vectors {
			VMOVUPS(acc(i, j), Mem{Base: row, Disp: j * v.bytes()})
		}
	})
	VZEROUPPER()
	RET()
}
