package tokenizer

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// pairTable maps a pair of neighbouring tokens to its merge: how early it was learned, and the token it makes. It is a
// hash table with open addressing, two to three times as fast as a Go map for this use, where most of the time of
// encoding new words goes.
type pairTable struct {
	slots []pairSlot // a power of two of them
	count int
	seed  [2]uint64 // at random, so that no file can be made that fills one stretch of the table
}

type pairSlot struct {
	pair uint64
	rank uint32
	id   int32
}

// noPair marks an empty slot: no pair of ids has this value.
const noPair = math.MaxUint64

// noMerge is the rank of pairs that do not merge, after all others.
const noMerge = math.MaxUint32

// newPairTable returns a table with room for n pairs.
func newPairTable(n int) *pairTable {
	size := 1 << max(4, bits.Len(uint(2*n)))
	t := &pairTable{slots: make([]pairSlot, size), seed: [2]uint64{rand.Uint64(), rand.Uint64() | 1}}
	for i := range t.slots {
		t.slots[i].pair = noPair
	}
	return t
}

// slot returns the slot of a pair, or the empty slot where it would go.
func (t *pairTable) slot(pair uint64) *pairSlot {
	high, low := bits.Mul64(pair^t.seed[0], t.seed[1])
	mask := uint64(len(t.slots) - 1)
	for i := (high ^ low) & mask; ; i = (i + 1) & mask {
		if s := &t.slots[i]; s.pair == pair || s.pair == noPair {
			return s
		}
	}
}

// set adds a pair; of equal pairs the last counts.
func (t *pairTable) set(left, right int32, rank uint32, id int32) {
	pair := uint64(uint32(left))<<32 | uint64(uint32(right))
	s := t.slot(pair)
	if s.pair == noPair {
		if t.count++; 2*t.count > len(t.slots) {
			panic("tokenizer: pairTable has more pairs than it was made for")
		}
	}
	*s = pairSlot{pair, rank, id}
}

// merge returns the rank and the token of a pair; the rank is noMerge if there is none.
func (t *pairTable) merge(left, right int32) (rank uint32, id int32) {
	s := t.slot(uint64(uint32(left))<<32 | uint64(uint32(right)))
	if s.pair == noPair {
		return noMerge, 0
	}
	return s.rank, s.id
}
