package reference

import "smt/device"

// MatMul computes c = op(a)·op(b), or adds it to c. Operands that are to be transposed are copied first, so that one
// loop serves all four cases and runs along rows.
func (*Device) MatMul(c, a device.Tensor, transA bool, b device.Tensor, transB bool, add bool) {
	const op = "MatMul"
	out := floats(op, "c", c)
	b, round := unrounded(b)
	left, right := anyFloats(op, "a", a), anyFloats(op, "b", b)
	if round {
		left, right = left.rounded(), right.rounded()
	}
	if transA {
		left = left.transpose()
	}
	if transB {
		right = right.transpose()
	}
	check(left.rows == out.rows && right.cols == out.cols && left.cols == right.rows, op,
		"c %s, a %s (transposed: %t) and b %s (transposed: %t) do not fit",
		describe(c), describe(a), transA, describe(b), transB)
	for i := range out.rows {
		row := out.row(i)
		if !add {
			clear(row)
		}
		for k, v := range left.row(i) {
			for j, w := range right.row(k) {
				row[j] += v * w
			}
		}
	}
}
