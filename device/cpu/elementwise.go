package cpu

import (
	"fmt"

	"smt/device"
)

type fill struct {
	t view
	v float32
}

// Fill sets every element of t to v.
func (d *Device) Fill(t device.Tensor, v float64) {
	o := fill{t: open("Fill", t), v: float32(v)}
	flatten(&o.t)
	eachRow(d, &d.ops.fill, o, o.t.rows, o.t.cols)
}

func (o *fill) row(_ *worker, r int) {
	row := o.t.row(r)
	if o.v == 0 {
		clear(row)
		return
	}
	for i := range row {
		row[i] = o.v
	}
}

type combine struct {
	dst         view
	a           source
	alpha, beta float32
}

// Combine computes dst = alpha·a + beta·dst; with beta 0, dst is not read.
func (d *Device) Combine(dst, a device.Tensor, alpha, beta float64) {
	o := combine{openAs("Combine", dst, a.Rows, a.Cols), openSource("Combine", a), float32(alpha), float32(beta)}
	if o.a.dtype == device.Float {
		flatten(&o.dst, &o.a.view)
	}
	eachRow(d, &d.ops.combine, o, o.dst.rows, o.dst.cols)
}

func (o *combine) row(w *worker, r int) {
	dst := o.dst.row(r)
	switch {
	case o.beta != 0:
		w.kernels.combine(dst, o.a.row(w, r), o.alpha, o.beta)
	case o.alpha != 1:
		w.kernels.scale(dst, o.a.row(w, r), o.alpha)
	default:
		o.a.widen(w.kernels, dst, r, 0)
	}
}

type addRow struct {
	x      view
	vector []float32
}

// AddRow adds the vector row to every row of x.
func (d *Device) AddRow(x, row device.Tensor) {
	shape("AddRow", row, 1, x.Cols)
	o := addRow{open("AddRow", x), d.vector("AddRow", row)}
	eachRow(d, &d.ops.addRow, o, x.Rows, x.Cols)
}

func (o *addRow) row(w *worker, r int) { w.kernels.combine(o.x.row(r), o.vector, 1, 1) }

// vector opens a tensor of one row; a frozen one is widened into the device's scratch memory, until the next call.
func (d *Device) vector(op string, t device.Tensor) []float32 {
	s := openSource(op, t)
	if s.dtype == device.Float {
		return s.view.row(0)
	}
	dst := d.rows.take(s.cols)
	s.widen(d.kernels, dst, 0, 0)
	return dst
}

type scaleColumns struct {
	dst, x view
	s      []float32
	add    bool
}

// ScaleColumns computes dst[t, j] = x[t, j]·s[0, j], or adds it.
func (d *Device) ScaleColumns(dst, x, s device.Tensor, add bool) {
	shape("ScaleColumns", s, 1, x.Cols)
	o := scaleColumns{openAs("ScaleColumns", dst, x.Rows, x.Cols), open("ScaleColumns", x), d.vector("ScaleColumns", s), add}
	eachRow(d, &d.ops.scaleColumns, o, x.Rows, x.Cols)
}

func (o *scaleColumns) row(w *worker, r int) {
	if o.add {
		w.kernels.multiplyAdd(o.dst.row(r), o.x.row(r), o.s, 1)
	} else {
		w.kernels.multiply(o.dst.row(r), o.x.row(r), o.s)
	}
}

type gatherRows struct {
	dst  view
	src  source
	rows []int32
}

// GatherRows sets dst[i, :] = src[rows[i], :], widening src.
func (d *Device) GatherRows(dst, src, rows device.Tensor) {
	o := gatherRows{openAs("GatherRows", dst, rows.Rows, src.Cols), openSource("GatherRows", src), indices("GatherRows", rows)}
	within("GatherRows", o.rows, src.Rows)
	eachRow(d, &d.ops.gatherRows, o, dst.Rows, dst.Cols)
}

func (o *gatherRows) row(w *worker, r int) { o.src.widen(w.kernels, o.dst.row(r), int(o.rows[r]), 0) }

// within panics unless all numbers are rows of a tensor of n rows.
func within(op string, rows []int32, n int) {
	for i, r := range rows {
		if r < 0 || int(r) >= n {
			panic(fmt.Sprintf("cpu: %s: number %d is row %d of %d", op, i, r, n))
		}
	}
}

type scatterAddRows struct {
	dst, src view
	rows     []int32
}

// strip is how many columns a task takes in operations that go down the columns.
const strip = 128

// ScatterAddRows adds src[i, :] to dst[rows[i], :], in the order of i: the work is cut by columns.
func (d *Device) ScatterAddRows(dst, src, rows device.Tensor) {
	o := scatterAddRows{
		open("ScatterAddRows", dst), openAs("ScatterAddRows", src, rows.Rows, dst.Cols), indices("ScatterAddRows", rows),
	}
	within("ScatterAddRows", o.rows, dst.Rows)
	eachRow(d, &d.ops.scatterAddRows, o, (dst.Cols+strip-1)/strip, len(o.rows)*strip)
}

func (o *scatterAddRows) row(w *worker, s int) {
	c0, c1 := s*strip, min((s+1)*strip, o.dst.cols)
	for i, r := range o.rows {
		w.kernels.combine(o.dst.row(int(r))[c0:c1], o.src.row(i)[c0:c1], 1, 1)
	}
}
