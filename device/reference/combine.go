package reference

import "smt/device"

// Fill sets every element of t to v.
func (*Device) Fill(t device.Tensor, v float64) {
	m := floats("Fill", "t", t)
	for r := range m.rows {
		row := m.row(r)
		for c := range row {
			row[c] = v
		}
	}
}

// Combine computes dst = alpha·a + beta·dst.
func (*Device) Combine(dst, a device.Tensor, alpha, beta float64) {
	const op = "Combine"
	checkShape(op, "a", a, dst.Rows, dst.Cols)
	to, from := floats(op, "dst", dst), anyFloats(op, "a", a)
	for r := range to.rows {
		dstRow, aRow := to.row(r), from.row(r)
		for c, v := range aRow {
			if beta == 0 {
				// Not 0·dst: what was there may be NaN.
				dstRow[c] = alpha * v
			} else {
				dstRow[c] = alpha*v + beta*dstRow[c]
			}
		}
	}
}
