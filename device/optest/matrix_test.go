package optest

import (
	"math"
	"testing"
)

func TestCompare(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	thousand := func(at int, v float64) []float64 {
		values := make([]float64, 1000)
		for i := range values {
			values[i] = 1
		}
		values[at] = v
		return values
	}
	all := func(v float64) []float64 {
		values := make([]float64, 1000)
		for i := range values {
			values[i] = v
		}
		return values
	}
	for _, c := range []struct {
		name      string
		got, want []float64
		floor     float64
		equal     bool
	}{
		{"the same", []float64{1, 2}, []float64{1, 2}, 0, true},
		{"one wrong among many", thousand(7, 1.02), thousand(7, 1), 0, false},
		{"one a little worse than the mean", thousand(7, 1.005), thousand(7, 1), 0, true},
		{"all a little worse", all(1.005), all(1), 0, false},
		{"all within", all(1.0005), all(1), 0, true},
		{"small among large", []float64{1000, 0.5}, []float64{1000, 0}, 0, true},
		{"zeros", []float64{0, 0}, []float64{0, 0}, 0, true},
		{"not zeros", []float64{0, 1e-9}, []float64{0, 0}, 0, false},
		{"not zeros, but below the floor", []float64{0, 1e-9}, []float64{0, 0}, 1, true},
		{"NaN where it belongs", []float64{nan, 1}, []float64{nan, 1}, 0, true},
		{"NaN where it does not", []float64{nan, 1}, []float64{1, 1}, 0, false},
		{"no NaN", []float64{1, 1}, []float64{nan, 1}, 0, false},
		{"infinite", []float64{inf, 1}, []float64{1, 1}, 0, false},
		{"the other infinity", []float64{-inf, 1}, []float64{inf, 1}, 0, false},
		{"nothing", nil, nil, 0, true},
	} {
		cols := len(c.got)
		err := compare(matrix{1, cols, c.got}, matrix{1, cols, c.want}, 1e-3, c.floor)
		if (err == nil) != c.equal {
			t.Errorf("%s: got %v, want equal: %t", c.name, err, c.equal)
		}
	}
}
