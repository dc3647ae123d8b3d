package model_test

import (
	"testing"

	"smt/device/cpu"
	"smt/model"
	"smt/model/modeltest"
)

// TestStepAllocatesNothing runs steps on a prepared decoder: in the steady state no memory is taken.
func TestStepAllocatesNothing(t *testing.T) {
	for name, config := range families() {
		t.Run(name, func(t *testing.T) {
			dev := cpu.New()
			d, err := model.New(dev, modeltest.Open(t, config, 6))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range d.Parameters {
				p.WantGradient(dev)
			}
			d.Prepare(model.Limits{Tokens: 64, Supervised: 64, Positions: 64, Backward: true})
			ids, labels := rows(3)
			var in model.Input
			in.SetRows(ids, labels)
			step := func() {
				if _, err := d.Step(&in, 0.1); err != nil {
					t.Fatal(err)
				}
			}
			step()
			if n := testing.AllocsPerRun(20, step); n > 0 {
				t.Errorf("%g allocations per step", n)
			}
		})
	}
}
