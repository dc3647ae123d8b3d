package cpu

import (
	"math"

	"smt/device"
)

type adamw struct {
	p, g, m, v view
	constants  adamwConstants
}

// AdamW updates p, m and v in place from the gradient g; the formula is that of [device.Device.AdamW].
func (d *Device) AdamW(p, g, m, v device.Tensor, a device.AdamW) {
	rows, cols := p.Rows, p.Cols
	step := float64(a.Step)
	o := adamw{
		p: open("AdamW", p), g: openAs("AdamW", g, rows, cols),
		m: openAs("AdamW", m, rows, cols), v: openAs("AdamW", v, rows, cols),
		constants: adamwConstants{
			gradient:   float32(a.GradientScale),
			beta1:      float32(a.Beta1),
			rest1:      float32(1 - a.Beta1),
			beta2:      float32(a.Beta2),
			rest2:      float32(1 - a.Beta2),
			decay:      float32(a.LearningRate * a.WeightDecay),
			rate:       float32(a.LearningRate / (1 - math.Pow(a.Beta1, step))),
			correction: float32(1 / (1 - math.Pow(a.Beta2, step))),
			epsilon:    float32(a.Epsilon),
		},
	}
	flatten(&o.p, &o.g, &o.m, &o.v)
	eachRow(d, &d.ops.adamw, o, o.p.rows, o.p.cols)
}

func (o *adamw) row(w *worker, r int) {
	w.kernels.adamw(o.p.row(r), o.g.row(r), o.m.row(r), o.v.row(r), &o.constants)
}
