package dataset

import (
	"math/bits"
	"slices"
)

// packWindow is how many examples are packed together. It is large enough to fill nearly every sequence, and bounds how
// far packing moves an example from its place in the shuffled order.
const packWindow = 4096

// pack puts the examples, taken in the given order, into sequences of at most capacity tokens: best fit decreasing
// within each window. An example longer than the capacity gets a sequence of its own. Packs come out in the order of
// their first example, their examples in the order in which they were placed.
func pack(examples []Example, order []int, capacity int) [][]int {
	var packs [][]int
	for len(order) > 0 {
		n := min(packWindow, len(order))
		packs = append(packs, packWindowed(examples, order[:n], capacity)...)
		order = order[n:]
	}
	return packs
}

// packWindowed packs one window.
func packWindowed(examples []Example, window []int, capacity int) [][]int {
	sorted := slices.Clone(window)
	// A stable sort: examples of equal length stay in the shuffled order.
	slices.SortStableFunc(sorted, func(a, b int) int { return len(examples[b].IDs) - len(examples[a].IDs) })
	var packs [][]int
	open := newRoom(capacity)
	for _, example := range sorted {
		length := len(examples[example].IDs)
		at, left, ok := open.take(length)
		if !ok {
			at, left = len(packs), capacity-length
			packs = append(packs, nil)
		}
		packs[at] = append(packs[at], example)
		if left > 0 {
			open.put(at, left)
		}
	}
	return packs
}

// room finds the open pack with the least space that still fits an example. It keeps a stack of packs for every amount
// of free space, and a bitmap of the stacks that are not empty.
type room struct {
	stacks   [][]int // by free space
	occupied []uint64
}

func newRoom(capacity int) *room {
	return &room{stacks: make([][]int, capacity+1), occupied: make([]uint64, capacity/64+1)}
}

// put files a pack under its free space.
func (r *room) put(pack, free int) {
	r.stacks[free] = append(r.stacks[free], pack)
	r.occupied[free/64] |= 1 << (free % 64)
}

// take removes the pack with the least free space of at least length and returns what is left of its space.
func (r *room) take(length int) (pack, left int, ok bool) {
	if length >= len(r.stacks) {
		return 0, 0, false
	}
	word := length / 64
	mask := r.occupied[word] &^ (1<<(length%64) - 1)
	for mask == 0 {
		if word++; word == len(r.occupied) {
			return 0, 0, false
		}
		mask = r.occupied[word]
	}
	free := word*64 + bits.TrailingZeros64(mask)
	stack := r.stacks[free]
	pack = stack[len(stack)-1]
	r.stacks[free] = stack[:len(stack)-1]
	if len(stack) == 1 {
		r.occupied[word] &^= 1 << (free % 64)
	}
	return pack, free - length, true
}
