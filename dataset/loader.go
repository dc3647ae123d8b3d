package dataset

import (
	"slices"
	"sync"
)

// LoaderOptions say how examples become batches.
type LoaderOptions struct {
	// BatchSize is the number of sequences in a batch: packed ones with Packing, else rows.
	BatchSize int
	// MaxLength is the number of tokens of a packed sequence.
	MaxLength int
	Packing   bool
	Seed      uint64
	// Shuffle gives every epoch an order of its own; without it the examples come in the order of the files.
	Shuffle bool
}

// Segment is one row's place in a batch: tokens Start .. Start+Len attend to each other and to no others.
type Segment struct {
	Start, Len int
	// Row is the index of the example in its Set.
	Row int
}

// Batch is a number of rows laid end to end, without padding: IDs, Positions and Labels are [T].
type Batch struct {
	IDs []int32
	// Positions restart at 0 with each row.
	Positions []int32
	// Labels are the targets of next-token prediction, Ignore where there is no loss. No row predicts the next row.
	Labels []int32
	// Spans are the rows' places, in order and without gaps: the blocks of the block-diagonal attention.
	Spans []Segment
	// Supervised is the number of labels other than Ignore.
	Supervised int
}

// Loader cuts a set into batches. Which rows are in which batch is a pure function of the options, the set, the epoch
// and the batch's index, so a resumed run needs nothing but its step. It may be used by several goroutines at once.
type Loader struct {
	set *Set
	opt LoaderOptions

	mu    sync.Mutex
	epoch int
	plan  [][]int // the sequences of that epoch, nil before the first
}

// NewLoader returns a loader of the set's examples. BatchSize must be positive, and MaxLength too with Packing.
func NewLoader(set *Set, opt LoaderOptions) *Loader {
	if opt.BatchSize <= 0 || opt.Packing && opt.MaxLength <= 0 {
		panic("dataset: NewLoader: BatchSize and MaxLength must be positive")
	}
	return &Loader{set: set, opt: opt}
}

// Plan returns an epoch's sequences in order, as indices of the set's examples: one per row without packing, one or
// more with it. The result is shared and must not be changed.
func (l *Loader) Plan(epoch int) [][]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Without a shuffle every epoch is the same.
	if l.plan == nil || l.epoch != epoch && l.opt.Shuffle {
		l.plan = l.makePlan(epoch)
		l.epoch = epoch
	}
	return l.plan
}

func (l *Loader) makePlan(epoch int) [][]int {
	n := len(l.set.Examples)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if l.opt.Shuffle {
		order = Order(n, l.opt.Seed, epoch)
	}
	if !l.opt.Packing {
		plan := make([][]int, n)
		for i := range plan {
			plan[i] = order[i : i+1 : i+1]
		}
		return plan
	}
	packs := pack(l.set.Examples, order, l.opt.MaxLength)
	if !l.opt.Shuffle {
		return packs
	}
	// Packing sorts by length within a window; a second shuffle keeps batches of long rows from coming first.
	places := make([]int, len(packs))
	for i := range places {
		places[i] = i
	}
	c := newCounter(l.opt.Seed, keyPacks, epoch)
	c.shuffle(places)
	plan := make([][]int, len(packs))
	for i, at := range places {
		plan[i] = packs[at]
	}
	return plan
}

// BatchesPerEpoch returns the number of batches of an epoch. With packing it differs a little between epochs.
func (l *Loader) BatchesPerEpoch(epoch int) int {
	return (len(l.Plan(epoch)) + l.opt.BatchSize - 1) / l.opt.BatchSize
}

// Batch fills into with a batch, reusing its slices. The last batch of an epoch may be smaller than the others.
func (l *Loader) Batch(epoch, index int, into *Batch) {
	plan := l.Plan(epoch)
	first := index * l.opt.BatchSize
	if index < 0 || first >= len(plan) {
		panic("dataset: Loader.Batch: index out of range")
	}
	into.IDs, into.Positions, into.Labels = into.IDs[:0], into.Positions[:0], into.Labels[:0]
	into.Spans, into.Supervised = into.Spans[:0], 0
	for _, sequence := range plan[first:min(first+l.opt.BatchSize, len(plan))] {
		for _, row := range sequence {
			example := &l.set.Examples[row]
			into.Spans = append(into.Spans, Segment{len(into.IDs), len(example.IDs), row})
			into.IDs = append(into.IDs, example.IDs...)
			into.Labels = append(into.Labels, example.Labels...)
			for t := range example.IDs {
				into.Positions = append(into.Positions, int32(t))
			}
			into.Supervised += example.Supervised
		}
	}
}

// MaxTokens returns an upper bound on the tokens of a batch of any epoch, for allocating before the first step.
func (l *Loader) MaxTokens() int {
	lengths := make([]int, len(l.set.Examples))
	total := 0
	for i := range l.set.Examples {
		lengths[i] = len(l.set.Examples[i].IDs)
		total += lengths[i]
	}
	bound := largest(lengths, l.opt.BatchSize)
	if l.opt.Packing {
		// A sequence holds MaxLength tokens, or one row that is longer.
		for i := range lengths {
			lengths[i] = max(lengths[i], l.opt.MaxLength)
		}
		bound = largest(lengths, l.opt.BatchSize)
	}
	return min(bound, total)
}

// MaxSupervised returns an upper bound on the supervised tokens of a batch of any epoch.
func (l *Loader) MaxSupervised() int {
	counts := make([]int, len(l.set.Examples))
	total := 0
	for i := range l.set.Examples {
		counts[i] = l.set.Examples[i].Supervised
		total += counts[i]
	}
	if l.opt.Packing {
		return min(l.MaxTokens(), total)
	}
	return largest(counts, l.opt.BatchSize)
}

// MaxSpans returns an upper bound on the rows of a batch of any epoch.
func (l *Loader) MaxSpans() int {
	n := len(l.set.Examples)
	if !l.opt.Packing {
		return min(l.opt.BatchSize, n)
	}
	shortest := l.opt.MaxLength
	for i := range l.set.Examples {
		shortest = min(shortest, len(l.set.Examples[i].IDs))
	}
	return min(n, l.opt.BatchSize*(l.opt.MaxLength/shortest))
}

// largest returns the sum of the n largest values. It sorts values.
func largest(values []int, n int) (sum int) {
	slices.Sort(values)
	for _, v := range values[max(0, len(values)-n):] {
		sum += v
	}
	return sum
}
