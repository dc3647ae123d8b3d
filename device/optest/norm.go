package optest

import (
	"math"

	"smt/device"
)

// testRMSNorm normalizes rows by weights of every dtype: with and without rstd kept, in place, and with an eps that
// matters.
func testRMSNorm(s *series) {
	for i, shape := range shapes() {
		for j, dtype := range anyDType {
			eps := []float64{1e-5, 1e-6, 0.3}[(i+j)%3]
			keep, inPlace := (i+j)%4 != 0, (i+j)%5 == 0
			tr := s.trial("x=[%d, %d] w=%s eps=%g rstd=%t in place=%t", shape[0], shape[1], dtype, eps, keep, inPlace)
			x, w := tr.random("x", shape[0], shape[1]), tr.weight("w", dtype, 1, shape[1])
			y := x
			if !inPlace {
				y = tr.result("y", shape[0], shape[1])
			}
			r := rstd(x.host, eps)
			var kept device.Tensor
			var rstd *operand
			if keep {
				rstd = tr.result("rstd", shape[0], 1)
				kept = rstd.Tensor
			}
			tr.dev.RMSNorm(y.Tensor, kept, x.Tensor, w.Tensor, eps)
			tr.equal(y, build(shape[0], shape[1], func(t, j int) float64 {
				return x.host.at(t, j) * r.at(t, 0) * w.host.at(0, j)
			}))
			if keep {
				tr.equal(rstd, r)
			}
			tr.done()
		}
	}
}

// rstd is r_t = 1/sqrt(mean_j x[t, j]² + eps).
func rstd(x matrix, eps float64) matrix {
	return build(x.rows, 1, func(t, _ int) float64 {
		var sum float64
		for j := range x.cols {
			sum += x.at(t, j) * x.at(t, j)
		}
		return 1 / math.Sqrt(sum/float64(x.cols)+eps)
	})
}

// testRMSNormBackward tries dx set, added, and laid over dy; with and without the gradient of the weight, which is
// added.
func testRMSNormBackward(s *series) {
	for i, shape := range append(shapes(), [2]int{300, 24}) {
		for j, dtype := range anyDType {
			add, inPlace, wanted := (i+j)%3 == 0, (i+j)%3 == 1, (i+2*j)%4 != 0
			tr := s.trial("x=[%d, %d] w=%s add=%t dx is dy=%t dw=%t", shape[0], shape[1], dtype, add, inPlace, wanted)
			x, w := tr.random("x", shape[0], shape[1]), tr.weight("w", dtype, 1, shape[1])
			dy := tr.random("dy", shape[0], shape[1])
			r := tr.given("rstd", rstd(x.host, 0.01))
			dx := dy
			if !inPlace {
				dx = tr.target("dx", shape[0], shape[1], add)
			}
			var dw device.Tensor
			var gradient *operand
			if wanted {
				gradient = tr.random("dw", 1, shape[1])
				dw = gradient.Tensor
			}
			tr.dev.RMSNormBackward(dx.Tensor, dw, dy.Tensor, x.Tensor, w.Tensor, r.Tensor, add)
			wantX, wantW := literalRMSNormBackward(dy.host, x.host, w.host, r.host)
			tr.near(dx, dx.plusIf(add, wantX), 0.1)
			if wanted {
				tr.near(gradient, gradient.host.plus(wantW), 1)
			}
			tr.done()
		}
	}
}

func literalRMSNormBackward(dy, x, w, rstd matrix) (dx, dw matrix) {
	sums := build(x.rows, 1, func(t, _ int) float64 {
		var sum float64
		for j := range x.cols {
			sum += dy.at(t, j) * w.at(0, j) * x.at(t, j)
		}
		return sum
	})
	dx = build(x.rows, x.cols, func(t, j int) float64 {
		r := rstd.at(t, 0)
		return r*dy.at(t, j)*w.at(0, j) - x.at(t, j)*r*r*r/float64(x.cols)*sums.at(t, 0)
	})
	dw = build(1, x.cols, func(_, j int) float64 {
		var sum float64
		for t := range x.rows {
			sum += dy.at(t, j) * x.at(t, j) * rstd.at(t, 0)
		}
		return sum
	})
	return dx, dw
}
