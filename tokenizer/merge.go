package tokenizer

// symbol is a token on the way to its final size: its id, and where it ends in the word.
type symbol struct {
	id  int32
	end int
}

// shortWord is how many symbols a word may have to be merged by repeated search; above it a heap is faster.
const shortWord = 48

// mergeShort merges the pair of lowest rank, of several the leftmost, until none is left. It takes a number of steps
// that grows with the square of the symbols, but each step is a comparison.
func mergeShort(pairs *pairTable, symbols []symbol) []symbol {
	var (
		ranks [shortWord]uint32
		ids   [shortWord]int32
		n     = len(symbols)
	)
	for i := range n - 1 {
		ranks[i], ids[i] = pairs.merge(symbols[i].id, symbols[i+1].id)
	}
	for n > 1 {
		best, rank := -1, uint32(noMerge)
		for i, r := range ranks[:n-1] {
			if r < rank {
				best, rank = i, r
			}
		}
		if best < 0 {
			break
		}
		symbols[best] = symbol{ids[best], symbols[best+1].end}
		n--
		copy(symbols[best+1:n], symbols[best+2:n+1])
		copy(ranks[best:n-1], ranks[best+1:n])
		copy(ids[best:n-1], ids[best+1:n])
		if best > 0 {
			ranks[best-1], ids[best-1] = pairs.merge(symbols[best-1].id, symbols[best].id)
		}
		if best < n-1 {
			ranks[best], ids[best] = pairs.merge(symbols[best].id, symbols[best+1].id)
		}
	}
	return symbols[:n]
}

// mergeQueue merges long words in n log n steps. Symbols stay where they are, linked to the neighbours they still
// have; a heap holds the pairs that could merge, by rank and position. A pair whose symbols have changed since is
// noticed when it comes up, because its rank is another one.
type mergeQueue struct {
	heap       []uint64 // rank << 32 | position of the left symbol
	prev, next []int32  // -1: none; next is gone for a symbol that became part of another
}

const gone = -2

func (q *mergeQueue) merge(pairs *pairTable, symbols []symbol) []symbol {
	n := len(symbols)
	q.heap, q.prev, q.next = q.heap[:0], q.prev[:0], q.next[:0]
	for i := range n {
		q.prev = append(q.prev, int32(i-1))
		q.next = append(q.next, int32(i+1))
	}
	q.next[n-1] = -1
	for i := range n - 1 {
		if rank, _ := pairs.merge(symbols[i].id, symbols[i+1].id); rank != noMerge {
			q.heap = append(q.heap, uint64(rank)<<32|uint64(i))
		}
	}
	for i := len(q.heap)/2 - 1; i >= 0; i-- {
		q.down(i)
	}
	for len(q.heap) > 0 {
		top := q.pop()
		left := int32(uint32(top))
		right := q.next[left]
		if right < 0 {
			continue
		}
		rank, id := pairs.merge(symbols[left].id, symbols[right].id)
		if uint64(rank) != top>>32 {
			continue
		}
		symbols[left] = symbol{id, symbols[right].end}
		after := q.next[right]
		q.next[left], q.next[right] = after, gone
		if after >= 0 {
			q.prev[after] = left
			if rank, _ := pairs.merge(id, symbols[after].id); rank != noMerge {
				q.push(uint64(rank)<<32 | uint64(left))
			}
		}
		if before := q.prev[left]; before >= 0 {
			if rank, _ := pairs.merge(symbols[before].id, id); rank != noMerge {
				q.push(uint64(rank)<<32 | uint64(before))
			}
		}
	}
	out := symbols[:0]
	for i := int32(0); i >= 0; i = q.next[i] {
		out = append(out, symbols[i])
	}
	return out
}

func (q *mergeQueue) push(key uint64) {
	q.heap = append(q.heap, key)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if q.heap[parent] <= key {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = key
}

func (q *mergeQueue) pop() uint64 {
	top, last := q.heap[0], len(q.heap)-1
	q.heap[0] = q.heap[last]
	q.heap = q.heap[:last]
	if last > 1 {
		q.down(0)
	}
	return top
}

func (q *mergeQueue) down(i int) {
	key := q.heap[i]
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			break
		}
		if right := child + 1; right < len(q.heap) && q.heap[right] < q.heap[child] {
			child = right
		}
		if q.heap[child] >= key {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	q.heap[i] = key
}
