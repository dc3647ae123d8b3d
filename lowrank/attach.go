package lowrank

import (
	"fmt"

	"smt/device"
	"smt/export"
	"smt/model"
)

// A Layer is an adapter in its place in the decoder.
type Layer struct {
	Name string // "model.layers.0.self_attn.q_proj"
	Slot *model.Slot
	*LoRA
	DoRA          *DoRA         // nil for LoRA
	Magnitude     device.Tensor // DoRA's m and its gradient
	GradMagnitude device.Tensor
}

// Attach puts the layers of a LoRA or DoRA adapter on a decoder, with gradients if train.
func Attach(dev device.Device, dec *model.Decoder, a *export.LowRank, train bool) ([]Layer, error) {
	var layers []Layer
	shared := &Shared{}
	for _, m := range a.Matrices {
		slot := dec.Linear(m.Name)
		if slot == nil {
			return nil, fmt.Errorf("lowrank: adapter matrix %q is not a linear layer of the model: the adapter belongs to another base", m.Name)
		}
		if len(m.A) != a.Rank*slot.In || len(m.B) != slot.Out*a.Rank || a.DoRA && len(m.Magnitude) != slot.Out {
			return nil, fmt.Errorf("lowrank: adapter matrix %q: the sizes of A (%d) and B (%d) do not fit rank %d and a layer of [%d, %d]",
				m.Name, len(m.A), len(m.B), a.Rank, slot.Out, slot.In)
		}
		l := Layer{Name: m.Name, Slot: slot, LoRA: &LoRA{Device: dev, Base: slot.Base, Scale: a.Scale()}}
		l.A, l.B = written(dev, a.Rank, slot.In, m.A), written(dev, slot.Out, a.Rank, m.B)
		if train {
			l.GradA, l.GradB = dev.New(a.Rank, slot.In), dev.New(slot.Out, a.Rank)
		}
		*slot.Linear = l.LoRA
		if a.DoRA {
			l.Magnitude = written(dev, 1, slot.Out, m.Magnitude)
			if train {
				l.GradMagnitude = dev.New(1, slot.Out)
			}
			l.DoRA = NewDoRA(*l.LoRA, l.Magnitude, l.GradMagnitude, shared)
			l.LoRA = &l.DoRA.LoRA
			*slot.Linear = l.DoRA
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// Prepare makes the layers' scratch memory for batches of up to so many tokens. Without it the memory grows from batch to batch.
func Prepare(layers []Layer, tokens int) {
	for _, l := range layers {
		if l.DoRA != nil {
			l.DoRA.reserve(tokens)
		} else {
			l.reserve(tokens)
		}
	}
}

// written makes a tensor with the given values.
func written(dev device.Device, rows, cols int, values []float32) device.Tensor {
	t := dev.New(rows, cols)
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	dev.Write(t, wide)
	return t
}
