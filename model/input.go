package model

import (
	"fmt"

	"smt/device"
)

// An Input is what one forward pass sees: T tokens, packed rows one after the other.
type Input struct {
	IDs       []int32 // [T]
	Positions []int32 // [T], restarting at 0 in every row
	Segments  []device.Segment
	// Targets are the positions whose next token is supervised (or, for Logits, wanted), and Labels that next token.
	Targets, Labels []int32
}

// SetRows makes in the concatenation of rows of token ids, each attending to itself only. labels, if not nil, holds for
// every token the token that should follow it, or -100 where the loss does not look.
func (in *Input) SetRows(rows [][]int32, labels [][]int32) {
	in.Reset()
	for r, ids := range rows {
		start := len(in.IDs)
		for p := range ids {
			in.Positions = append(in.Positions, int32(p))
			if labels != nil && labels[r][p] >= 0 {
				in.Targets = append(in.Targets, int32(start+p))
				in.Labels = append(in.Labels, labels[r][p])
			}
		}
		in.IDs = append(in.IDs, ids...)
		in.Segments = append(in.Segments, device.Segment{Q: start, QLen: len(ids), K: start, KLen: len(ids)})
	}
}

// Reset empties in, keeping its memory.
func (in *Input) Reset() {
	in.IDs, in.Positions, in.Segments = in.IDs[:0], in.Positions[:0], in.Segments[:0]
	in.Targets, in.Labels = in.Targets[:0], in.Labels[:0]
}

// check refuses what the data could get wrong: ids outside the vocabulary and positions outside the prepared table.
func (d *Decoder) check(in *Input) error {
	if len(in.IDs) == 0 || len(in.IDs) > d.work.limits.Tokens {
		return fmt.Errorf("model: %d tokens in a batch, prepared for 1 to %d", len(in.IDs), d.work.limits.Tokens)
	}
	if len(in.Targets) > d.work.limits.Supervised {
		return fmt.Errorf("model: %d supervised positions in a batch, prepared for %d", len(in.Targets), d.work.limits.Supervised)
	}
	for _, ids := range [][]int32{in.IDs, in.Labels} {
		for i, id := range ids {
			if id < 0 || int(id) >= d.Config.VocabSize {
				return fmt.Errorf("model: token id %d at %d is outside the vocabulary of %d; does the tokenizer belong to this model?", id, i, d.Config.VocabSize)
			}
		}
	}
	for _, p := range in.Positions {
		if p < 0 || int(p) >= d.work.limits.Positions {
			return fmt.Errorf("model: position %d, prepared for 0 to %d", p, d.work.limits.Positions-1)
		}
	}
	return nil
}
