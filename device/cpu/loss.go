package cpu

import (
	"math"

	"smt/device"
)

type crossEntropy struct {
	loss, logits view
	targets      []int32
	scale        float64
}

// CrossEntropy sets loss[i, 0] = log Σ_j exp(logits[i, j]) - logits[i, targets[i]] and, if scale is not 0, overwrites
// logits with scale·(softmax(logits) - onehot(target)).
func (d *Device) CrossEntropy(loss, logits, targets device.Tensor, scale float64) {
	const op = "CrossEntropy"
	shape(op, targets, logits.Rows, 1)
	o := crossEntropy{openAs(op, loss, logits.Rows, 1), open(op, logits), indices(op, targets), scale}
	within(op, o.targets, logits.Cols)
	eachRow(d, &d.ops.crossEntropy, o, logits.Rows, 4*logits.Cols)
}

func (o *crossEntropy) row(w *worker, i int) {
	kn := w.kernels
	x, target := o.logits.row(i), o.targets[i]
	peak := kn.max(x)
	var s float64
	for c := 0; c < len(x); c += chunk {
		s += float64(kn.expSum(x[c:min(c+chunk, len(x))], peak))
	}
	// The difference is taken in float64: for a sure prediction both terms are large and nearly the same.
	log := math.Log(s)
	o.loss.row(i)[0] = float32(float64(peak) - float64(x[target]) + log)
	if o.scale != 0 {
		kn.expScale(x, x, peak, float32(o.scale/s))
		x[target] -= float32(o.scale)
	}
}
