package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A place is one vector of elements that a walk has reached in all its arrays: whole, or the masked rest at the end.
type place struct {
	v     isa
	index reg.GPVirtual // of the first element
	disp  int
	part  reg.Register // the mask of the rest; nil for a whole vector
}

func (p place) mem(array reg.Register) Mem {
	return Mem{Base: array, Index: p.index, Scale: 4, Disp: p.disp}
}

// load loads the vector; lanes beyond the end are zero.
func (p place) load(array reg.Register) reg.VecVirtual {
	r := p.v.vector()
	switch {
	case p.part == nil:
		VMOVUPS(p.mem(array), r)
	case p.v.lanes == 16:
		VMOVUPS_Z(p.mem(array), p.part, r)
	default:
		VMASKMOVPS(p.mem(array), p.part, r)
	}
	return r
}

// loadOr is load with lanes beyond the end taken from other.
func (p place) loadOr(array reg.Register, other reg.VecVirtual) reg.VecVirtual {
	r := p.load(array)
	if p.part != nil {
		if p.v.lanes == 16 {
			VBLENDMPS(r, other, p.part, r)
		} else {
			VBLENDVPS(p.part, r, other, r)
		}
	}
	return r
}

func (p place) store(r reg.VecVirtual, array reg.Register) {
	switch {
	case p.part == nil:
		VMOVUPS(r, p.mem(array))
	case p.v.lanes == 16:
		VMOVUPS(r, p.part, p.mem(array))
	default:
		VMASKMOVPS(r, p.part, p.mem(array))
	}
}

// walk emits a loop over n elements, which it counts down: body is emitted for runs of unroll whole vectors, for single
// vectors, and for the masked rest.
func (v isa) walk(n reg.GPVirtual, unroll int, body func(places []place)) {
	i := GP64()
	XORQ(i, i)
	for _, run := range []int{unroll, 1} {
		loop, done := label("vectors"), label("vectorsDone")
		CMPQ(n, U32(run*v.lanes))
		JL(LabelRef(done))
		Label(loop)
		places := make([]place, run)
		for u := range places {
			places[u] = place{v: v, index: i, disp: u * v.bytes()}
		}
		body(places)
		ADDQ(U32(run*v.lanes), i)
		SUBQ(U32(run*v.lanes), n)
		CMPQ(n, U32(run*v.lanes))
		JGE(LabelRef(loop))
		Label(done)
		if unroll == 1 {
			break
		}
	}
	done := label("restDone")
	TESTQ(n, n)
	JZ(LabelRef(done))
	body([]place{{v: v, index: i, part: v.mask(n)}})
	Label(done)
}

// mask has the first n lanes set.
func (v isa) mask(n reg.GPVirtual) reg.Register {
	if v.lanes == 16 {
		ones, k := GP64(), K()
		MOVQ(I32(-1), ones)
		BZHIQ(n, ones, ones)
		KMOVW(ones.As32(), k)
		return k
	}
	// A window into 8 set lanes followed by 8 clear ones.
	table, from, m := GP64(), GP64(), YMM()
	LEAQ(maskTable(), table)
	MOVQ(U32(8), from)
	SUBQ(n, from)
	VMOVUPS(Mem{Base: table, Index: from, Scale: 4}, m)
	return m
}

var masks Mem

func maskTable() Mem {
	if masks.Symbol.Name == "" {
		masks = GLOBL("masks", attr.RODATA|attr.NOPTR)
		for i := range 16 {
			DATA(4*i, U32(math.MaxUint32*uint32((15-i)/8)))
		}
	}
	return masks
}

var labels int

func label(name string) string {
	labels++
	return fmt.Sprintf("%s%d", name, labels)
}

// times emits a loop that runs n > 0 times; n is counted down to zero.
func times(n reg.GPVirtual, body func()) {
	loop := label("loop")
	Label(loop)
	body()
	DECQ(n)
	JNZ(LabelRef(loop))
}
