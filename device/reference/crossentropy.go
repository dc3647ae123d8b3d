package reference

import (
	"math"

	"smt/device"
)

// CrossEntropy sets the loss of every row and, unless scale is 0, turns the logits into their gradient.
func (*Device) CrossEntropy(loss, logits, targets device.Tensor, scale float64) {
	const op = "CrossEntropy"
	checkShape(op, "loss", loss, logits.Rows, 1)
	checkShape(op, "targets", targets, logits.Rows, 1)
	losses, m := floats(op, "loss", loss), floats(op, "logits", logits)
	for i, target := range indices(op, "targets", targets) {
		checkIndex(op, "targets", i, target, logits.Cols)
		row := m.row(i)
		lse := logSumExp(row)
		losses.row(i)[0] = lse - row[target]
		if scale == 0 {
			continue
		}
		for j, v := range row {
			row[j] = scale * math.Exp(v-lse)
		}
		row[target] -= scale
	}
}

// logSumExp is log Σ_j exp(values[j]); the largest value is taken out first, so nothing overflows.
func logSumExp(values []float64) float64 {
	largest := math.Inf(-1)
	for _, v := range values {
		largest = math.Max(largest, v)
	}
	var sum float64
	for _, v := range values {
		sum += math.Exp(v - largest)
	}
	return largest + math.Log(sum)
}
