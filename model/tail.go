package model

import "smt/device"

// A tail is the part of a batch that the last layer computes in full: in every row, the tokens from its first target on.
// Of the others nobody reads more than the last layer's keys and values, so queries, attention, MLP and residual stream
// are left out there, forward and backward. With supervised responses behind long prompts that is nearly a whole layer.
type tail struct {
	on        bool
	rows      []int32          // R places in the batch, ascending
	positions []int32          // [R]
	segments  []device.Segment // queries are numbers of rows, keys places in the batch
	targets   []int32          // the input's targets as numbers of rows

	index, positionIndex     device.Tensor // rows and positions on the device
	hidden, normed, gradient device.Tensor // [R, D]
}

// tailCapacity is how many rows a tail may have in batches up to the limits; 0 leaves it off. Where more than half of
// the tokens may be supervised there is too little to gain.
func tailCapacity(l Limits) int {
	if 2*l.Supervised > l.Tokens {
		return 0
	}
	return l.Tokens / 2
}

// find sets the tail of a batch and reports whether it is worth using. Targets must ascend, as they do in any batch made
// of rows; others are computed without a tail.
func (t *tail) find(in *Input) bool {
	t.on = false
	t.rows, t.positions, t.segments, t.targets = t.rows[:0], t.positions[:0], t.segments[:0], t.targets[:0]
	capacity, at := t.hidden.Rows, 0
	for _, s := range in.Segments {
		end := s.Q + s.QLen
		if at == len(in.Targets) || int(in.Targets[at]) >= end {
			continue
		}
		first := int(in.Targets[at])
		if first < s.Q || len(t.rows)+end-first > capacity {
			return false
		}
		for ; at < len(in.Targets) && int(in.Targets[at]) < end; at++ {
			if int(in.Targets[at]) < first {
				return false
			}
			t.targets = append(t.targets, int32(len(t.rows)+int(in.Targets[at])-first))
		}
		t.segments = append(t.segments, device.Segment{Q: len(t.rows), QLen: end - first, K: s.K, KLen: s.KLen})
		for p := first; p < end; p++ {
			t.rows, t.positions = append(t.rows, int32(p)), append(t.positions, in.Positions[p])
		}
	}
	t.on = at == len(in.Targets) && len(t.rows) > 0
	return t.on
}

// load brings the numbers of the rows to the device.
func (t *tail) load(dev device.Device) {
	dev.WriteIndex(t.index.Slice(0, len(t.rows)), t.rows)
	dev.WriteIndex(t.positionIndex.Slice(0, len(t.rows)), t.positions)
}

// gather sets dst [R, D] to the tail's rows of src [T, D] and returns it.
func (t *tail) gather(dev device.Device, dst, src device.Tensor) device.Tensor {
	dst = dst.Slice(0, len(t.rows))
	dev.GatherRows(dst, src, t.index.Slice(0, len(t.rows)))
	return dst
}

// scatter adds src [R, D] to the tail's rows of dst [T, D].
func (t *tail) scatter(dev device.Device, dst, src device.Tensor) {
	dev.ScatterAddRows(dst, src, t.index.Slice(0, len(t.rows)))
}
