package optest

import (
	"fmt"
	"math"
)

// A matrix is the host's copy of a tensor, from which the expected results are computed element by element.
type matrix struct {
	rows, cols int
	values     []float64
}

// build makes the matrix whose element (r, c) is element(r, c).
func build(rows, cols int, element func(r, c int) float64) matrix {
	m := matrix{rows, cols, make([]float64, 0, rows*cols)}
	for r := range rows {
		for c := range cols {
			m.values = append(m.values, element(r, c))
		}
	}
	return m
}

func (m matrix) at(r, c int) float64 { return m.values[r*m.cols+c] }

func (m matrix) set(r, c int, v float64) { m.values[r*m.cols+c] = v }

func (m matrix) add(r, c int, v float64) { m.values[r*m.cols+c] += v }

// part is columns c to c+n of row r.
func (m matrix) part(r, c, n int) []float64 { return m.values[r*m.cols+c:][:n] }

func (m matrix) clone() matrix { return build(m.rows, m.cols, m.at) }

func (m matrix) transpose() matrix {
	return build(m.cols, m.rows, func(r, c int) float64 { return m.at(c, r) })
}

// plus is the element-by-element sum.
func (m matrix) plus(o matrix) matrix {
	return build(m.rows, m.cols, func(r, c int) float64 { return m.at(r, c) + o.at(r, c) })
}

// compare returns an error unless got is want within tolerance, by two measures: the relative L2 error of the whole,
// and the error of every element relative to the larger of its own size and the root mean square of all, which a few
// wrong elements among many cannot escape. floor is the least root mean square to reckon with: it is above zero for
// results that are small differences of large numbers. A NaN or an infinity that is expected must be there.
func compare(got, want matrix, tolerance, floor float64) error {
	var errors, squares float64
	finite := 0
	for i, w := range want.values {
		g := got.values[i]
		if math.IsNaN(w) || math.IsInf(w, 0) {
			if !sameNumber(g, w) {
				return fmt.Errorf("[%d, %d] is %v, want %v", i/want.cols, i%want.cols, g, w)
			}
			continue
		}
		if math.IsNaN(g) || math.IsInf(g, 0) {
			return fmt.Errorf("[%d, %d] is %v, want %.9g", i/want.cols, i%want.cols, g, w)
		}
		finite++
		errors += (g - w) * (g - w)
		squares += w * w
	}
	if finite == 0 {
		return nil
	}
	size := math.Max(math.Sqrt(squares/float64(finite)), floor)
	for i, w := range want.values {
		// An element alone may be a little worse than the mean.
		if allowed := 8 * tolerance * math.Max(math.Abs(w), size); math.Abs(got.values[i]-w) > allowed {
			return fmt.Errorf("[%d, %d] is %.9g, want %.9g within %.2g", i/want.cols, i%want.cols, got.values[i], w, allowed)
		}
	}
	if l2 := math.Sqrt(errors / float64(finite)); l2 > tolerance*size {
		return fmt.Errorf("relative L2 error %.3g, want at most %.3g", l2/size, tolerance)
	}
	return nil
}

// dot is Σ_i a[i]·b[i].
func dot(a, b []float64) float64 {
	var sum float64
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// sameNumber reports whether a and b are the same value, NaN being the same as NaN.
func sameNumber(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
