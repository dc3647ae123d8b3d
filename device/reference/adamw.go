package reference

import (
	"math"

	"smt/device"
)

// AdamW updates the parameters p and the moments m and v in place.
func (*Device) AdamW(p, g, m, v device.Tensor, a device.AdamW) {
	const op = "AdamW"
	check(a.Step >= 1, op, "step %d, want 1 or more", a.Step)
	checkShape(op, "g", g, p.Rows, p.Cols)
	checkShape(op, "m", m, p.Rows, p.Cols)
	checkShape(op, "v", v, p.Rows, p.Cols)
	parameters, gradients := floats(op, "p", p), floats(op, "g", g)
	firsts, seconds := floats(op, "m", m), floats(op, "v", v)
	// The moments start at zero; dividing by 1-β^step takes that bias out.
	firstBias := 1 - math.Pow(a.Beta1, float64(a.Step))
	secondBias := 1 - math.Pow(a.Beta2, float64(a.Step))
	for r := range parameters.rows {
		pRow, gRow, mRow, vRow := parameters.row(r), gradients.row(r), firsts.row(r), seconds.row(r)
		for c, gradient := range gRow {
			s := a.GradientScale * gradient
			mRow[c] = a.Beta1*mRow[c] + (1-a.Beta1)*s
			vRow[c] = a.Beta2*vRow[c] + (1-a.Beta2)*s*s
			pRow[c] -= a.LearningRate * a.WeightDecay * pRow[c]
			pRow[c] -= a.LearningRate * (mRow[c] / firstBias) / (math.Sqrt(vRow[c]/secondBias) + a.Epsilon)
		}
	}
}
