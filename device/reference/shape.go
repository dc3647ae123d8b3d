package reference

import (
	"fmt"

	"smt/device"
)

// describe names a tensor in a panic.
func describe(t device.Tensor) string {
	if !t.Valid() {
		return "absent"
	}
	return t.String()
}

func checkSize(op string, rows, cols int) {
	if rows < 0 || cols < 0 {
		panic(fmt.Sprintf("reference: %s: size [%d, %d] is negative", op, rows, cols))
	}
}

func checkCount(op string, t device.Tensor, got int) {
	if got != t.Len() {
		panic(fmt.Sprintf("reference: %s: %d values for %s, want %d", op, got, describe(t), t.Len()))
	}
}

// checkShape panics unless t is [rows, cols].
func checkShape(op, name string, t device.Tensor, rows, cols int) {
	if t.Rows != rows || t.Cols != cols {
		panic(fmt.Sprintf("reference: %s: %s is %s, want [%d, %d]", op, name, describe(t), rows, cols))
	}
}

// checkIndex panics unless 0 <= v < n: what an Index tensor names must be there.
func checkIndex(op, name string, i int, v int32, n int) {
	if v < 0 || int(v) >= n {
		panic(fmt.Sprintf("reference: %s: %s[%d] is %d, want 0 or more and less than %d", op, name, i, v, n))
	}
}

// check panics with the message unless ok.
func check(ok bool, op, format string, args ...any) {
	if !ok {
		panic("reference: " + op + ": " + fmt.Sprintf(format, args...))
	}
}
