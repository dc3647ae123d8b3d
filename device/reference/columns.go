package reference

import "smt/device"

// AddRow adds the vector row to every row of x.
func (*Device) AddRow(x, row device.Tensor) {
	const op = "AddRow"
	checkShape(op, "row", row, 1, x.Cols)
	m, vector := floats(op, "x", x), anyFloats(op, "row", row).row(0)
	for t := range m.rows {
		xRow := m.row(t)
		for j, v := range vector {
			xRow[j] += v
		}
	}
}

// ColumnDot adds the dot products of the columns of a and b, or the sums of the columns of a, to dst.
func (*Device) ColumnDot(dst, a, b device.Tensor) {
	const op = "ColumnDot"
	checkShape(op, "dst", dst, 1, a.Cols)
	sums, left := floats(op, "dst", dst).row(0), floats(op, "a", a)
	right, both := optionalFloats(op, "b", b)
	if both {
		checkShape(op, "b", b, a.Rows, a.Cols)
	}
	for t := range left.rows {
		for j, v := range left.row(t) {
			if both {
				v *= right.row(t)[j]
			}
			sums[j] += v
		}
	}
}

// ScaleColumns computes dst = x·s, s repeated over the rows, or adds it to dst.
func (*Device) ScaleColumns(dst, x, s device.Tensor, add bool) {
	const op = "ScaleColumns"
	checkShape(op, "x", x, dst.Rows, dst.Cols)
	checkShape(op, "s", s, 1, dst.Cols)
	to, from, scales := floats(op, "dst", dst), floats(op, "x", x), floats(op, "s", s).row(0)
	for t := range to.rows {
		dstRow, xRow := to.row(t), from.row(t)
		for j, scale := range scales {
			v := xRow[j] * scale
			if add {
				v += dstRow[j]
			}
			dstRow[j] = v
		}
	}
}
