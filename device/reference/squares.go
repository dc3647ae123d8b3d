package reference

import "smt/device"

// RowSquares sets dst[r, 0] to the sum of the squares of row r of a.
func (*Device) RowSquares(dst, a device.Tensor) {
	const op = "RowSquares"
	checkShape(op, "dst", dst, a.Rows, 1)
	sums, m := floats(op, "dst", dst), anyFloats(op, "a", a)
	for r := range m.rows {
		sums.row(r)[0] = dot(m.row(r), m.row(r))
	}
}

// SquaredNorm adds the sum of all squares of x to dst[0, 0].
func (*Device) SquaredNorm(dst, x device.Tensor) {
	const op = "SquaredNorm"
	checkShape(op, "dst", dst, 1, 1)
	sum, m := floats(op, "dst", dst).row(0), floats(op, "x", x)
	for r := range m.rows {
		sum[0] += dot(m.row(r), m.row(r))
	}
}

// dot is Σ_j a[j]·b[j].
func dot(a, b []float64) float64 {
	var sum float64
	for j, v := range a {
		sum += v * b[j]
	}
	return sum
}
