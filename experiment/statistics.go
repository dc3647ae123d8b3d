package experiment

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// An Estimate is a mean with its standard error and the number of observations behind it. With fewer than two there is no
// standard error; it is NaN, which tables show as "-" and JSON as null.
type Estimate struct {
	Mean          float64
	StandardError float64
	N             int
}

// NewEstimate is the mean of xs with the standard error sd/√n, sd being the sample standard deviation (n-1 in its
// denominator).
func NewEstimate(xs []float64) Estimate {
	e := Estimate{Mean: math.NaN(), StandardError: math.NaN(), N: len(xs)}
	if len(xs) == 0 {
		return e
	}
	n, sum := float64(len(xs)), 0.0
	for _, x := range xs {
		sum += x
	}
	e.Mean = sum / n
	if len(xs) > 1 {
		squares := 0.0
		for _, x := range xs {
			squares += (x - e.Mean) * (x - e.Mean)
		}
		e.StandardError = math.Sqrt(squares / (n - 1) / n)
	}
	return e
}

// LossOf is the mean loss per supervised token of rows with the summed losses L_r over T_r tokens each, Σ L_r / Σ T_r. Tokens
// of a row are not independent, so the standard error is that of a ratio of sums over the R rows:
//
//	sqrt(R/(R-1) Σ_r (L_r - mean T_r)²) / Σ_r T_r
func LossOf(sums []float64, tokens []int) Estimate {
	e := Estimate{Mean: math.NaN(), StandardError: math.NaN(), N: len(sums)}
	total, all := 0.0, 0.0
	for r, sum := range sums {
		total += sum
		all += float64(tokens[r])
	}
	if all == 0 {
		return e
	}
	e.Mean = total / all
	if len(sums) > 1 {
		squares := 0.0
		for r, sum := range sums {
			d := sum - e.Mean*float64(tokens[r])
			squares += d * d
		}
		n := float64(len(sums))
		e.StandardError = math.Sqrt(n/(n-1)*squares) / all
	}
	return e
}

// PairedDifference is the loss of a less that of b per supervised token on the same rows. What makes a row hard is hard for
// both, so the difference is known far better than either loss: its standard error is that of [LossOf] for the rows'
// differences. The two must be losses of the same rows.
func PairedDifference(a, b RowLosses) (Estimate, error) {
	if len(a.Sums) != len(b.Sums) || !slices.Equal(a.Tokens, b.Tokens) {
		return Estimate{}, fmt.Errorf("experiment: a paired difference needs losses of the same rows, got %d rows and %d", len(a.Sums), len(b.Sums))
	}
	d := make([]float64, len(a.Sums))
	for r := range d {
		d[r] = a.Sums[r] - b.Sums[r]
	}
	return LossOf(d, a.Tokens), nil
}

// MeanRows averages the rows' losses over runs that were measured on the same rows, such as the seeds of a method.
func MeanRows(runs []RowLosses) (RowLosses, error) {
	if len(runs) == 0 {
		return RowLosses{}, fmt.Errorf("experiment: no run to average")
	}
	m := RowLosses{Sums: make([]float64, len(runs[0].Sums)), Tokens: runs[0].Tokens}
	for _, run := range runs {
		if !slices.Equal(run.Tokens, m.Tokens) {
			return RowLosses{}, fmt.Errorf("experiment: runs were measured on different rows (%d and %d)", len(run.Sums), len(m.Sums))
		}
		for r, sum := range run.Sums {
			m.Sums[r] += sum / float64(len(runs))
		}
	}
	return m, nil
}

// Jaccard is |A ∩ B| / |A ∪ B|, and 1 for two empty sets.
func Jaccard[K comparable](a, b map[K]bool) float64 {
	both := 0
	for k := range a {
		if b[k] {
			both++
		}
	}
	if union := len(a) + len(b) - both; union > 0 {
		return float64(both) / float64(union)
	}
	return 1
}

// RankCorrelation is Spearman's: the correlation of the ranks of x and y, ties sharing the mean of their ranks. Its standard
// error without correlation is 1/sqrt(n-1). It is NaN for fewer than three pairs or where one side is constant.
func RankCorrelation(x, y []float64) Estimate {
	n := min(len(x), len(y))
	e := Estimate{Mean: math.NaN(), StandardError: math.NaN(), N: n}
	if n < 3 {
		return e
	}
	a, b := ranks(x[:n]), ranks(y[:n])
	middle := float64(n+1) / 2
	var ab, aa, bb float64
	for i := range n {
		ab += (a[i] - middle) * (b[i] - middle)
		aa += (a[i] - middle) * (a[i] - middle)
		bb += (b[i] - middle) * (b[i] - middle)
	}
	if aa > 0 && bb > 0 {
		e.Mean, e.StandardError = ab/math.Sqrt(aa*bb), 1/math.Sqrt(float64(n-1))
	}
	return e
}

// ranks gives every value its place in ascending order, from 1; equal values share the mean of their places.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
	out := make([]float64, len(x))
	for first := 0; first < len(order); {
		end := first + 1
		for end < len(order) && x[order[end]] == x[order[first]] {
			end++
		}
		for _, i := range order[first:end] {
			out[i] = float64(first+1+end) / 2
		}
		first = end
	}
	return out
}

// Median is the middle value, or the mean of the two in the middle; NaN of nothing.
func Median(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(x))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// accuracyError is the standard error of an accuracy p over n rows, sqrt(p(1-p)/(n-1)), and 0 of one.
func accuracyError(p float64, n int) float64 {
	if n < 2 {
		return 0
	}
	return math.Sqrt(p * (1 - p) / float64(n-1))
}
