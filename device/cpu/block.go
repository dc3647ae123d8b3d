package cpu

import (
	"smt/device"
)

type blockSums struct {
	dst, x  view
	b       int
	squares bool
}

// BlockSums sets dst[t, c] = Σ_{j in column block c} x[t, j], or of x² if squares; dst is [T, ceil(D/b)].
func (d *Device) BlockSums(dst, x device.Tensor, b int, squares bool) {
	checkBlockSize("BlockSums", b)
	o := blockSums{openAs("BlockSums", dst, x.Rows, cells(x.Cols, b)), open("BlockSums", x), b, squares}
	eachRow(d, &d.ops.blockSums, o, x.Rows, x.Cols)
}

func (o *blockSums) row(w *worker, t int) {
	x := o.x.row(t)
	for c := range o.dst.row(t) {
		part := x[c*o.b : min((c+1)*o.b, len(x))]
		if o.squares {
			o.dst.row(t)[c] = w.kernels.dot(part, part)
		} else {
			o.dst.row(t)[c] = w.kernels.sum(part)
		}
	}
}

type blockScores struct {
	dst, g view
	b      int
	how    device.Reduction
	add    bool
}

// BlockScores sets (or adds to) dst[r, c], [ceil(out/b), ceil(in/b)], by reducing every block of g [out, in].
func (d *Device) BlockScores(dst, g device.Tensor, b int, how device.Reduction, add bool) {
	checkBlockSize("BlockScores", b)
	o := blockScores{openAs("BlockScores", dst, cells(g.Rows, b), cells(g.Cols, b)), open("BlockScores", g), b, how, add}
	eachRow(d, &d.ops.blockScores, o, dst.Rows, b*g.Cols)
}

func (o *blockScores) row(w *worker, r int) {
	r0, r1 := r*o.b, min((r+1)*o.b, o.g.rows)
	dst := o.dst.row(r)
	for c := range dst {
		c0, c1 := c*o.b, min((c+1)*o.b, o.g.cols)
		var s float64
		for i := r0; i < r1; i++ {
			if part := o.g.row(i)[c0:c1]; o.how == device.MeanAbs {
				s += float64(w.kernels.sumAbs(part))
			} else {
				s += float64(w.kernels.dot(part, part))
			}
		}
		if o.how == device.MeanAbs {
			s /= float64((r1 - r0) * (c1 - c0))
		}
		if o.add {
			s += float64(dst[c])
		}
		dst[c] = float32(s)
	}
}

// cells is how many blocks of b cover n elements.
func cells(n, b int) int { return (n + b - 1) / b }
