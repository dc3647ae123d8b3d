package cpu

import "smt/device"

type columnDot struct {
	dst  []float32
	a, b view
	// factors, if there are any, multiply the rows.
	factors view
}

// ColumnDot adds Σ_t a[t, j]·b[t, j] to dst[0, j]; without b, Σ_t a[t, j]. The work is cut by columns.
func (d *Device) ColumnDot(dst, a, b device.Tensor) {
	o := columnDot{dst: openAs("ColumnDot", dst, 1, a.Cols).row(0), a: open("ColumnDot", a)}
	if b.Valid() {
		o.b = openAs("ColumnDot", b, a.Rows, a.Cols)
	}
	eachRow(d, &d.ops.columnDot, o, (a.Cols+strip-1)/strip, a.Rows*strip)
}

// columnRun is how many rows are summed before the sum is added to the total: rounding errors then grow with the square
// root of the rows' number at most.
const columnRun = 64

func (o *columnDot) row(w *worker, s int) {
	c0, c1 := s*strip, min((s+1)*strip, o.a.cols)
	run := w.edge()[:c1-c0]
	for t0 := 0; t0 < o.a.rows; t0 += columnRun {
		clear(run)
		for t := t0; t < min(t0+columnRun, o.a.rows); t++ {
			factor := float32(1)
			if o.factors.data != nil {
				factor = o.factors.data[t*o.factors.stride]
			}
			if o.b.data == nil {
				w.kernels.combine(run, o.a.row(t)[c0:c1], factor, 1)
			} else {
				w.kernels.multiplyAdd(run, o.a.row(t)[c0:c1], o.b.row(t)[c0:c1], factor)
			}
		}
		w.kernels.combine(o.dst[c0:c1], run, 1, 1)
	}
}

type rowSquares struct {
	dst view
	a   source
}

// RowSquares sets dst[r, 0] = Σ_j a[r, j]².
func (d *Device) RowSquares(dst, a device.Tensor) {
	o := rowSquares{openAs("RowSquares", dst, a.Rows, 1), openSource("RowSquares", a)}
	eachRow(d, &d.ops.rowSquares, o, a.Rows, a.Cols)
}

func (o *rowSquares) row(w *worker, r int) {
	o.dst.row(r)[0] = float32(w.kernels.totalSquares(o.a.row(w, r)))
}

type squaredNorm struct {
	x        view
	partials []float64
}

// SquaredNorm adds Σ x² to dst[0, 0]. Rows are summed in float32 by chunks, and everything above in float64.
func (d *Device) SquaredNorm(dst, x device.Tensor) {
	out := openAs("SquaredNorm", dst, 1, 1)
	o := squaredNorm{x: open("SquaredNorm", x)}
	flatten(&o.x)
	if len(d.plan.partials) < o.x.rows {
		d.plan.partials = make([]float64, o.x.rows)
	}
	o.partials = d.plan.partials[:o.x.rows]
	eachRow(d, &d.ops.squaredNorm, o, o.x.rows, o.x.cols)
	var s float64
	for _, p := range d.plan.partials[:o.x.rows] {
		s += p
	}
	out.data[0] = float32(float64(out.data[0]) + s)
}

func (o *squaredNorm) row(w *worker, r int) { o.partials[r] = w.kernels.totalSquares(o.x.row(r)) }
