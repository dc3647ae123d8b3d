package model_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"smt/device/reference"
	"smt/model"
	"smt/model/modeltest"
)

// TestSharedGradientsAreTheSame takes every gradient when the backward pass tells of it, clears it and spoils the parameter's
// value: all gradients are the bits of a pass that keeps them, so each was complete, and no value was read again.
func TestSharedGradientsAreTheSame(t *testing.T) {
	for name, config := range families() {
		for _, checkpointing := range []bool{false, true} {
			for _, supervised := range []int{64, 16} { // the last layer in full, and for the tail alone
				t.Run(fmt.Sprint(name, " ", checkpointing, supervised), func(t *testing.T) {
					dev, base := reference.New(), modeltest.Open(t, config, 3)
					ids, labels := tailRows()
					limits := model.Limits{Tokens: 64, Supervised: supervised, Positions: 64, Backward: true, Checkpointing: checkpointing}
					held := prepared(t, dev, base, checkpointing)
					held.Prepare(limits)
					loss := step(t, held, ids, labels, 0.3)

					d, err := model.New(dev, base)
					if err != nil {
						t.Fatal(err)
					}
					for _, p := range d.Parameters {
						p.Thaw(dev)
					}
					d.WantGradients(true)
					d.Prepare(limits)
					got, order := map[string][]float64{}, []string(nil)
					d.OnGradients(func(p *model.Parameter) {
						order = append(order, p.Name)
						got[p.Name] = make([]float64, p.Len())
						dev.Read(p.Grad, got[p.Name])
						dev.Fill(p.Grad, 0)
						dev.Fill(p.Value, math.NaN())
					})
					if again := step(t, d, ids, labels, 0.3); again != loss {
						t.Errorf("loss %g, expected %g", again, loss)
					}
					want := gradients(held)
					if len(order) != len(want) || len(got) != len(want) {
						t.Fatalf("told of %d parameters, expected each of %d once: %v", len(order), len(want), order)
					}
					for name, g := range want {
						if !slices.Equal(got[name], g) {
							t.Errorf("%s: the gradient differs from one that is kept", name)
						}
					}
					if last := order[len(order)-1]; last != "model.embed_tokens.weight" {
						t.Errorf("the last gradient is that of %s", last)
					}
					if !strings.HasPrefix(order[0], "model.norm") || strings.HasPrefix(order[len(order)-2], "model.layers.1.") {
						t.Errorf("order %v: expected the final norm first and the first layer before the embedding", order)
					}
				})
			}
		}
	}
}

// TestOnGradientsTellsOfWhatLearns has two parameters learn.
func TestOnGradientsTellsOfWhatLearns(t *testing.T) {
	dev, base := reference.New(), modeltest.Open(t, modeltest.Llama(), 3)
	d, err := model.New(dev, base)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"model.layers.0.mlp.up_proj.weight", "model.layers.1.self_attn.q_proj.weight"} {
		d.Parameter(name).WantGradient(dev)
	}
	d.Prepare(model.Limits{Tokens: 64, Supervised: 64, Positions: 64, Backward: true})
	var order []string
	d.OnGradients(func(p *model.Parameter) { order = append(order, p.Name) })
	ids, labels := rows(2)
	step(t, d, ids, labels, 1)
	if got := fmt.Sprint(order); got != "[model.layers.1.self_attn.q_proj.weight model.layers.0.mlp.up_proj.weight]" {
		t.Errorf("told of %s", got)
	}
	d.OnGradients(nil)
	if step(t, d, ids, labels, 1); len(order) != 2 {
		t.Errorf("told after the end: %v", order)
	}
}
