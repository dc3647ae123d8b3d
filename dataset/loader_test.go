package dataset

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// setOfLengths returns a set whose example i has lengths[i] tokens, all equal to i, of which every second is a target.
func setOfLengths(lengths []int) *Set {
	set := &Set{}
	for i, n := range lengths {
		e := Example{Row: i}
		for t := range n {
			e.IDs = append(e.IDs, int32(i))
			label := int32(Ignore)
			if t%2 == 0 && t+1 < n {
				label = int32(i)
				e.Supervised++
			}
			e.Labels = append(e.Labels, label)
		}
		set.Examples = append(set.Examples, e)
	}
	return set
}

// lengthsOf returns n pseudo-random lengths from 2 to limit.
func lengthsOf(n, limit int) []int {
	c := newCounter(1, keySplit, 0)
	lengths := make([]int, n)
	for i := range lengths {
		lengths[i] = 2 + c.below(limit-1)
	}
	return lengths
}

func TestOrder(t *testing.T) {
	// Checked in once: the order of a seed must never change, or runs could not be resumed by a later version.
	if got, want := Order(10, 42, 0), []int{2, 8, 7, 9, 1, 6, 0, 5, 4, 3}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	for _, n := range []int{0, 1, 2, 1000} {
		order := Order(n, 3, 5)
		slices.Sort(order)
		for i, v := range order {
			if i != v {
				t.Fatalf("%d is missing from the order of %d", i, n)
			}
		}
	}
	if slices.Equal(Order(100, 1, 0), Order(100, 1, 1)) || slices.Equal(Order(100, 1, 0), Order(100, 2, 0)) {
		t.Error("two epochs or seeds share an order")
	}
}

// TestOrderIsUniform counts where example 0 comes out: a bias in the generator or in Fisher and Yates would show.
func TestOrderIsUniform(t *testing.T) {
	const n, trials = 8, 16000
	var counts [n][n]int
	for epoch := range trials {
		for place, example := range Order(n, 9, epoch) {
			counts[example][place]++
		}
	}
	chi := 0.0
	for _, row := range counts {
		for _, c := range row {
			d := float64(c) - trials/n
			chi += d * d / (trials / n)
		}
	}
	// 49 degrees of freedom: mean 49, standard deviation 10.
	if chi > 100 {
		t.Errorf("chi squared %.1f, expected about 49", chi)
	}
}

func TestPackingFillsSequences(t *testing.T) {
	lengths := lengthsOf(5000, 300)
	set := setOfLengths(lengths)
	total := 0
	for _, n := range lengths {
		total += n
	}
	packs := pack(set.Examples, Order(len(lengths), 1, 0), 512)
	seen := make([]bool, len(lengths))
	for _, p := range packs {
		n := 0
		for _, example := range p {
			if seen[example] {
				t.Fatalf("example %d is packed twice", example)
			}
			seen[example] = true
			n += lengths[example]
		}
		if n > 512 {
			t.Fatalf("a sequence of %d tokens", n)
		}
	}
	if slices.Contains(seen, false) {
		t.Error("an example is missing")
	}
	if fill := float64(total) / float64(512*len(packs)); fill < 0.98 {
		t.Errorf("sequences are filled to %.3f, want at least 0.98", fill)
	}
	// A row that is longer than a sequence gets one of its own.
	long := pack(setOfLengths([]int{5, 20, 5}).Examples, []int{0, 1, 2}, 10)
	if diff := cmp.Diff([][]int{{1}, {0, 2}}, long); diff != "" {
		t.Error(diff)
	}
}

func TestLoader(t *testing.T) {
	set := setOfLengths(lengthsOf(997, 60))
	for _, opt := range []LoaderOptions{
		{BatchSize: 4, MaxLength: 128, Packing: true, Seed: 5, Shuffle: true},
		{BatchSize: 4, MaxLength: 128, Packing: true},
		{BatchSize: 8, Seed: 5, Shuffle: true},
		{BatchSize: 8},
		{BatchSize: 5000, MaxLength: 64, Packing: true},
		{BatchSize: 5000},
	} {
		l := NewLoader(set, opt)
		var order [2][]int
		var batch Batch
		for epoch := range 2 {
			seen := make([]bool, len(set.Examples))
			for i := range l.BatchesPerEpoch(epoch) {
				l.Batch(epoch, i, &batch)
				checkBatch(t, set, &batch, seen)
				if len(batch.IDs) > l.MaxTokens() || batch.Supervised > l.MaxSupervised() || len(batch.Spans) > l.MaxSpans() {
					t.Fatalf("%+v: a batch of %d tokens, %d supervised, %d rows; bounds %d, %d, %d", opt, len(batch.IDs),
						batch.Supervised, len(batch.Spans), l.MaxTokens(), l.MaxSupervised(), l.MaxSpans())
				}
				for _, s := range batch.Spans {
					order[epoch] = append(order[epoch], s.Row)
				}
			}
			if slices.Contains(seen, false) {
				t.Fatalf("%+v: a row is missing from epoch %d", opt, epoch)
			}
		}
		if slices.Equal(order[0], order[1]) == opt.Shuffle {
			t.Errorf("%+v: epochs have the same order: %v", opt, !opt.Shuffle)
		}
		// Any batch can be had alone: a new loader, the epochs in another order.
		var alone Batch
		fresh := NewLoader(set, opt)
		fresh.Batch(1, 0, &alone)
		last := l.BatchesPerEpoch(0) - 1
		l.Batch(0, last, &batch)
		fresh.Batch(0, last, &alone)
		if diff := cmp.Diff(batch, alone); diff != "" {
			t.Errorf("%+v: a resumed loader gives another batch: %s", opt, diff)
		}
	}
}

// checkBatch checks a batch's layout and marks its rows.
func checkBatch(t *testing.T, set *Set, b *Batch, seen []bool) {
	t.Helper()
	if len(b.Positions) != len(b.IDs) || len(b.Labels) != len(b.IDs) {
		t.Fatalf("%d ids, %d positions, %d labels", len(b.IDs), len(b.Positions), len(b.Labels))
	}
	at, supervised := 0, 0
	for _, s := range b.Spans {
		e := &set.Examples[s.Row]
		if s.Start != at || s.Len != len(e.IDs) || seen[s.Row] {
			t.Fatalf("span %+v at %d, row of %d tokens, seen before %v", s, at, len(e.IDs), seen[s.Row])
		}
		seen[s.Row] = true
		for i := range s.Len {
			if b.Positions[at+i] != int32(i) {
				t.Fatalf("position %d at token %d of a row", b.Positions[at+i], i)
			}
		}
		if !slices.Equal(b.IDs[at:at+s.Len], e.IDs) || !slices.Equal(b.Labels[at:at+s.Len], e.Labels) {
			t.Fatalf("row %d is changed", s.Row)
		}
		at += s.Len
		supervised += e.Supervised
	}
	if at != len(b.IDs) || supervised != b.Supervised {
		t.Fatalf("spans cover %d of %d tokens, %d supervised of %d", at, len(b.IDs), b.Supervised, supervised)
	}
}

// TestBatchAllocatesNothing: a training step reuses its batch.
func TestBatchAllocatesNothing(t *testing.T) {
	l := NewLoader(setOfLengths(lengthsOf(200, 50)), LoaderOptions{BatchSize: 4, MaxLength: 100, Packing: true, Shuffle: true})
	var b Batch
	n := l.BatchesPerEpoch(0)
	for i := range n {
		l.Batch(0, i, &b)
	}
	if allocations := testing.AllocsPerRun(10, func() {
		for i := range n {
			l.Batch(0, i, &b)
		}
	}); allocations != 0 {
		t.Errorf("%v allocations for an epoch of batches", allocations)
	}
}
