package dataset

import (
	"fmt"
	"math"
	"slices"
)

// Split sets aside validation examples, chosen by the seed alone: size is a share of the set if it is below 1, else a
// number of examples. Both parts keep the order of the files and share the set's memory. A size of 0 gives an empty
// validation set.
func Split(set *Set, size float64, seed uint64) (train, validation *Set, err error) {
	n := len(set.Examples)
	count := int(size)
	switch {
	case size < 0 || math.IsNaN(size):
		return nil, nil, fmt.Errorf("dataset: val_size: expected a share below 1 or a number of rows, got %v", size)
	case size > 0 && size < 1:
		count = max(1, int(math.Round(size*float64(n))))
	case size != math.Trunc(size):
		return nil, nil, fmt.Errorf("dataset: val_size: expected a share below 1 or a whole number of rows, got %v", size)
	}
	if size >= float64(n) || count >= n {
		return nil, nil, fmt.Errorf("dataset: val_size: %v leaves none of %d rows to train on", size, n)
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	c := newCounter(seed, keySplit, 0)
	c.shuffle(order)
	return set.subset(order[count:]), set.subset(order[:count]), nil
}

// subset returns the chosen examples in the set's order, with a report of their own counts.
func (s *Set) subset(chosen []int) *Set {
	slices.Sort(chosen)
	part := &Set{Examples: make([]Example, 0, len(chosen)), Where: make([]Location, 0, len(chosen))}
	for _, i := range chosen {
		example := s.Examples[i]
		part.Examples = append(part.Examples, example)
		part.Where = append(part.Where, s.Where[i])
		part.Report.Tokens += int64(len(example.IDs))
		part.Report.Supervised += int64(example.Supervised)
		part.Report.Longest = max(part.Report.Longest, len(example.IDs))
	}
	part.Report.Rows, part.Report.Kept = len(chosen), len(chosen)
	return part
}
