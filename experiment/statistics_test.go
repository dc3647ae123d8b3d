package experiment

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(want) != math.IsNaN(got) || math.Abs(got-want) > 1e-12 {
		t.Errorf("%s: got %.15g, expected %.15g", what, got, want)
	}
}

func TestEstimate(t *testing.T) {
	e := NewEstimate([]float64{1, 2, 4})
	near(t, "mean", e.Mean, 7.0/3)
	// Squares of the deviations: 16/9 + 1/9 + 25/9 = 42/9; variance 21/9; divided by 3: 7/9.
	near(t, "standard error", e.StandardError, math.Sqrt(7.0/9))
	near(t, "standard error of one", NewEstimate([]float64{5}).StandardError, math.NaN())
	near(t, "mean of none", NewEstimate(nil).Mean, math.NaN())
}

func TestLossOf(t *testing.T) {
	// Two rows: 3 nats over 1 token, 1 nat over 3 tokens: 1 nat a token; deviations 2 and -2; sqrt(2/1·8)/4 = 1.
	e := LossOf([]float64{3, 1}, []int{1, 3})
	near(t, "mean", e.Mean, 1)
	near(t, "standard error", e.StandardError, 1)
	near(t, "no token", LossOf([]float64{0}, []int{0}).Mean, math.NaN())
}

func TestPairedDifference(t *testing.T) {
	a := RowLosses{Sums: []float64{10, 2, 7}, Tokens: []int{2, 2, 4}}
	b := RowLosses{Sums: []float64{9, 1, 5}, Tokens: []int{2, 2, 4}}
	// Differences 1, 1, 2 over 2, 2, 4 tokens: exactly half a nat per token in every row.
	d, err := PairedDifference(a, b)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "difference", d.Mean, 0.5)
	near(t, "standard error", d.StandardError, 0)
	if d.N != 3 {
		t.Errorf("n = %d", d.N)
	}
	if _, err := PairedDifference(a, RowLosses{Sums: []float64{1, 2, 3}, Tokens: []int{2, 3, 3}}); err == nil {
		t.Error("losses of different rows have been paired")
	}
	m, err := MeanRows([]RowLosses{a, b})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mean of row 0", m.Sums[0], 9.5)
}

func TestJaccard(t *testing.T) {
	a, b := map[int]bool{1: true, 2: true, 3: true}, map[int]bool{2: true, 3: true, 4: true, 5: true}
	near(t, "overlap", Jaccard(a, b), 2.0/5)
	near(t, "overlap of nothing", Jaccard(map[int]bool{}, map[int]bool{}), 1)
}

func TestRankCorrelation(t *testing.T) {
	near(t, "rising", RankCorrelation([]float64{1, 5, 9, 100}, []float64{2, 3, 4, 5}).Mean, 1)
	near(t, "falling", RankCorrelation([]float64{1, 5, 9}, []float64{3, 2, 1}).Mean, -1)
	// Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: products 2.25+0+0+2.25 = 4.5; squares 4.5 and 5.
	near(t, "with a tie", RankCorrelation([]float64{1, 2, 2, 3}, []float64{1, 3, 2, 4}).Mean, 4.5/math.Sqrt(4.5*5))
	near(t, "constant", RankCorrelation([]float64{1, 1, 1}, []float64{1, 2, 3}).Mean, math.NaN())
}

func TestMedian(t *testing.T) {
	near(t, "odd", Median([]float64{9, 1, 4}), 4)
	near(t, "even", Median([]float64{9, 1, 4, 6}), 5)
}
