package reference

import (
	"math"

	"smt/device"
)

// RMSNorm computes y = x·r·w row by row, r = 1/sqrt(mean x² + eps).
func (*Device) RMSNorm(y, rstd, x, w device.Tensor, eps float64) {
	const op = "RMSNorm"
	checkShape(op, "y", y, x.Rows, x.Cols)
	checkShape(op, "w", w, 1, x.Cols)
	out, in, weight := floats(op, "y", y), floats(op, "x", x), anyFloats(op, "w", w).row(0)
	kept, keep := optionalFloats(op, "rstd", rstd)
	if keep {
		checkShape(op, "rstd", rstd, x.Rows, 1)
	}
	for t := range in.rows {
		xRow, yRow := in.row(t), out.row(t)
		r := 1 / math.Sqrt(dot(xRow, xRow)/float64(in.cols)+eps)
		for j, v := range xRow {
			yRow[j] = v * r * weight[j]
		}
		if keep {
			kept.row(t)[0] = r
		}
	}
}

// RMSNormBackward computes dx = r·(dy·w) - x·r³/D·Σ_j(dy·w·x)_j and adds Σ_t dy·x·r to dw.
func (*Device) RMSNormBackward(dx, dw, dy, x, w, rstd device.Tensor, add bool) {
	const op = "RMSNormBackward"
	checkShape(op, "dx", dx, x.Rows, x.Cols)
	checkShape(op, "dy", dy, x.Rows, x.Cols)
	checkShape(op, "w", w, 1, x.Cols)
	checkShape(op, "rstd", rstd, x.Rows, 1)
	gradX, gradY := floats(op, "dx", dx), floats(op, "dy", dy)
	in, weight, kept := floats(op, "x", x), anyFloats(op, "w", w).row(0), floats(op, "rstd", rstd)
	gradW, wanted := optionalFloats(op, "dw", dw)
	if wanted {
		checkShape(op, "dw", dw, 1, x.Cols)
	}
	for t := range in.rows {
		xRow, dyRow, dxRow, r := in.row(t), gradY.row(t), gradX.row(t), kept.row(t)[0]
		var sum float64
		for j, v := range xRow {
			sum += dyRow[j] * weight[j] * v
		}
		slope := r * r * r / float64(in.cols) * sum
		for j, v := range xRow {
			// dw first: dx may lie on dy.
			if wanted {
				gradW.row(0)[j] += dyRow[j] * v * r
			}
			d := r*dyRow[j]*weight[j] - v*slope
			if add {
				d += dxRow[j]
			}
			dxRow[j] = d
		}
	}
}
