package cpu

import (
	"fmt"

	"smt/device"
)

type rope struct {
	x, table  view
	positions []int32
	sign      float32
}

// Rope rotates, in place, every head of x [T, heads·d] by the angles of its position; table is [P, d], cosines then sines.
func (d *Device) Rope(x, table, positions device.Tensor, inverse bool) {
	shape("Rope", positions, x.Rows, 1)
	if table.Cols == 0 || table.Cols%2 != 0 || x.Cols%table.Cols != 0 {
		panic(fmt.Sprintf("cpu: Rope: %v with a table %v", x, table))
	}
	o := rope{open("Rope", x), open("Rope", table), indices("Rope", positions), 1}
	if inverse {
		o.sign = -1
	}
	within("Rope", o.positions, table.Rows)
	eachRow(d, &d.ops.rope, o, x.Rows, x.Cols)
}

func (o *rope) row(w *worker, t int) {
	size := o.table.cols
	angles, x := o.table.row(int(o.positions[t])), o.x.row(t)
	cos, sin := angles[:size/2], angles[size/2:]
	for ; len(x) > 0; x = x[size:] {
		w.kernels.rotate(x[:size/2], x[size/2:size], cos, sin, o.sign)
	}
}
