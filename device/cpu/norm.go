package cpu

import (
	"math"

	"smt/device"
)

type rmsNorm struct {
	y, rstd, x view
	weight     []float32
	eps        float64
}

// RMSNorm computes y[t, :] = x[t, :]·r_t·w with r_t = 1/sqrt(mean_j x[t, j]² + eps), and keeps r in rstd if wanted.
func (d *Device) RMSNorm(y, rstd, x, w device.Tensor, eps float64) {
	shape("RMSNorm", w, 1, x.Cols)
	o := rmsNorm{y: openAs("RMSNorm", y, x.Rows, x.Cols), x: open("RMSNorm", x), weight: d.vector("RMSNorm", w), eps: eps}
	if rstd.Valid() {
		o.rstd = openAs("RMSNorm", rstd, x.Rows, 1)
	}
	eachRow(d, &d.ops.rmsNorm, o, x.Rows, x.Cols)
}

func (o *rmsNorm) row(w *worker, t int) {
	x := o.x.row(t)
	r := float32(1 / math.Sqrt(w.kernels.totalSquares(x)/float64(len(x))+o.eps))
	w.kernels.normalize(o.y.row(t), x, o.weight, r)
	if o.rstd.data != nil {
		o.rstd.row(t)[0] = r
	}
}

type rmsNormBackward struct {
	dx, dy, x, rstd view
	weight          []float32
	add             bool
}

// RMSNormBackward sets (or, if add, adds to) dx = r·(dy·w) - x·r³/D·Σ_j(dy·w·x)_j, and adds Σ_t dy·x·r to dw if wanted.
func (d *Device) RMSNormBackward(dx, dw, dy, x, w, rstd device.Tensor, add bool) {
	const op = "RMSNormBackward"
	shape(op, w, 1, x.Cols)
	o := rmsNormBackward{
		dx: openAs(op, dx, x.Rows, x.Cols), dy: openAs(op, dy, x.Rows, x.Cols), x: open(op, x),
		rstd: openAs(op, rstd, x.Rows, 1), weight: d.vector(op, w), add: add,
	}
	// dw first: dx may take the place of dy.
	if dw.Valid() {
		g := columnDot{dst: openAs(op, dw, 1, x.Cols).row(0), a: o.dy, b: o.x, factors: o.rstd}
		eachRow(d, &d.ops.columnDot, g, (x.Cols+strip-1)/strip, x.Rows*strip)
	}
	eachRow(d, &d.ops.rmsNormBackward, o, x.Rows, x.Cols)
}

func (o *rmsNormBackward) row(w *worker, t int) {
	kn := w.kernels
	dx, dy, x, r := o.dx.row(t), o.dy.row(t), o.x.row(t), o.rstd.row(t)[0]
	var s float64
	for i := 0; i < len(x); i += chunk {
		j := min(i+chunk, len(x))
		s += float64(kn.dot3(dy[i:j], o.weight[i:j], x[i:j]))
	}
	c := float32(s * float64(r) * float64(r) * float64(r) / float64(len(x)))
	if !o.add {
		kn.normalizeGradient(dx, dy, x, o.weight, r, c)
		return
	}
	own := w.a.take(len(x))
	kn.normalizeGradient(own, dy, x, o.weight, r, c)
	kn.combine(dx, own, 1, 1)
}
