package model_test

import (
	"math"
	"testing"

	"smt/device/reference"
	"smt/model"
	"smt/model/modeltest"
)

// tailRows are packed rows with few targets: at the end of one, in the middle of one, in two places of one; and one row
// with none.
func tailRows() (ids, labels [][]int32) {
	next := modeltest.Source(8)
	for _, targets := range [][]int{{9, 10}, {}, {4}, {5, 8}} {
		row, label := make([]int32, 12), make([]int32, 12)
		for i := range row {
			row[i], label[i] = int32(math.Abs(next())*13)%40, -100
		}
		for _, t := range targets {
			label[t] = row[t+1]
		}
		ids, labels = append(ids, row), append(labels, label)
	}
	return ids, labels
}

// TestTailChangesNothing compares losses and gradients of the last layer computed for the tail alone with those of the
// whole layer, with everything learning, only the last layer's projections, and only lower ones.
func TestTailChangesNothing(t *testing.T) {
	ids, labels := tailRows()
	for name, config := range families() {
		for _, learns := range []string{"all", "last q", "last v", "first v"} {
			for _, checkpointing := range []bool{false, true} {
				t.Run(name+" "+learns, func(t *testing.T) {
					dev, base := reference.New(), modeltest.Open(t, config, 1)
					run := func(supervised int) (float64, map[string][]float64) {
						d, err := model.New(dev, base)
						if err != nil {
							t.Fatal(err)
						}
						for _, p := range d.Parameters {
							p.Thaw(dev)
							name := map[string]string{"last q": "model.layers.1.self_attn.q_proj.weight", "last v": "model.layers.1.self_attn.v_proj.weight",
								"first v": "model.layers.0.self_attn.v_proj.weight"}[learns]
							if learns == "all" || p.Name == name {
								p.WantGradient(dev)
							}
						}
						d.Prepare(model.Limits{Tokens: 64, Supervised: supervised, Positions: 64, Backward: true, Checkpointing: checkpointing})
						loss := step(t, d, ids, labels, 0.3)
						got := map[string][]float64{}
						for _, p := range d.Parameters {
							if p.Learns() {
								got[p.Name] = make([]float64, p.Len())
								dev.Read(p.Grad, got[p.Name])
							}
						}
						return loss, got
					}
					loss, got := run(16) // few targets: a tail
					wantLoss, want := run(64)
					if !(math.Abs(loss-wantLoss) <= 1e-12) {
						t.Errorf("loss %.15g with a tail, %.15g without", loss, wantLoss)
					}
					if worst, at := maxDifference(got, want); !(worst < 1e-12) || len(got) == 0 {
						t.Errorf("gradient of %s: difference %g of %d parameters", at, worst, len(got))
					}
				})
			}
		}
	}
}

// TestTailFallsBack gives batches that no tail can describe, or that have too many rows for it: they are computed whole.
func TestTailFallsBack(t *testing.T) {
	dev, base := reference.New(), modeltest.Open(t, modeltest.Llama(), 1)
	ids, labels := tailRows()
	losses := func(supervised int, change func(*model.Input)) []float64 {
		d, err := model.New(dev, base)
		if err != nil {
			t.Fatal(err)
		}
		d.Prepare(model.Limits{Tokens: 48, Supervised: supervised, Positions: 64})
		var in model.Input
		in.SetRows(ids, labels)
		change(&in)
		if _, err := d.Loss(&in); err != nil {
			t.Fatal(err)
		}
		return append([]float64(nil), d.Losses(len(in.Targets))...)
	}
	for name, change := range map[string]func(*model.Input){
		"a tail":               func(*model.Input) {},
		"descending targets":   func(in *model.Input) { in.Targets[0], in.Targets[1] = in.Targets[1], in.Targets[0] },
		"targets at the front": func(in *model.Input) { in.Targets[0], in.Targets[2], in.Targets[3] = 0, 24, 36 },
	} {
		got, want := losses(16, change), losses(48, change)
		for i := range want {
			if !(math.Abs(got[i]-want[i]) <= 1e-12) {
				t.Errorf("%s: loss %d: got %.15g, expected %.15g", name, i, got[i], want[i])
			}
		}
	}
}

// TestTailAfterALargerPrepare prepares for scoring long batches, then for training on shorter ones, and trains on one whose tail is
// longer than those of the second: what was prepared first still fits it.
func TestTailAfterALargerPrepare(t *testing.T) {
	dev, base := reference.New(), modeltest.Open(t, modeltest.Llama(), 1)
	d, err := model.New(dev, base)
	if err != nil {
		t.Fatal(err)
	}
	top := d.Parameter("model.layers.1.self_attn.v_proj.weight")
	top.Thaw(dev)
	top.WantGradient(dev)
	limits := model.Limits{Tokens: 96, Supervised: 8, Positions: 64}
	d.Prepare(limits)
	limits.Tokens, limits.Backward = 32, true
	d.Prepare(limits)
	row, label := make([]int32, 32), make([]int32, 32)
	for i := range row {
		row[i], label[i] = int32(i%40), -100
	}
	label[6] = 7 // the tail is 26 rows
	if loss := step(t, d, [][]int32{row}, [][]int32{label}, 1); !(loss > 0) {
		t.Errorf("loss %g", loss)
	}
}
