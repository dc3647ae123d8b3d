package recipe

import (
	"smt/model"
	"smt/sparse"
)

// Operations are the floating-point operations per token of a method on an architecture, a multiply and an add being two: the
// counts of a [Plan], for models whose weights are not at hand. Warmup is a step of SMT's warm-up with frozen weights, which
// goes through all layers and computes the gradients of the target matrices where the score needs them.
type Operations struct{ Forward, Backward, Warmup float64 }

// OperationsOf counts them; of m it needs the method's name, its targets, rank or blocks, and the length of a row.
func OperationsOf(c *model.Config, m Method) Operations {
	p := &Plan{}
	targets := sparse.MatricesOf(c, m.Targets)
	elements := 0
	for _, t := range targets {
		elements += t.In * t.Out
		switch m.Name {
		case "lora", "dora":
			p.Trainable += m.Rank * (t.In + t.Out)
			if m.Name == "dora" {
				p.Trainable += t.Out
			}
		}
	}
	if m.Name == "smt" {
		p.Trainable = m.Blocks * m.Block * m.Block
	}
	p.work(c, m, targets)
	o := Operations{Forward: p.Forward, Backward: p.Backward}
	if m.Name == "smt" {
		o.Warmup = p.Forward + p.Backward - 6*float64(p.Trainable)
		if m.Score.Dense() || m.Score == sparse.MeanAbsStep {
			o.Warmup += 2 * float64(elements)
		}
	}
	return o
}
