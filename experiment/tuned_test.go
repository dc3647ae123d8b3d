package experiment

import (
	"math"
	"slices"
	"testing"

	"smt/config"
	"smt/evaluate"
	"smt/internal/finite"
)

// TestNextRate grows grids of runs whose validation loss is a parabola over the logarithm of the rate, with the lowest loss at
// best; rates from diverges on diverge.
func TestNextRate(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name           string
		rates          []float64
		best, diverges float64
		extend, refine int
		want           []float64
	}{
		{"below the middle", []float64{5e-4, 1.5e-3, 4.5e-3}, 1.2e-3, inf, 2, 1, []float64{5e-4, 8.7e-4, 1.5e-3, 4.5e-3}},
		{"above the middle", []float64{5e-4, 1.5e-3, 4.5e-3}, 2e-3, inf, 2, 1, []float64{5e-4, 1.5e-3, 2.6e-3, 4.5e-3}},
		{"twice", []float64{5e-4, 1.5e-3, 4.5e-3}, 2e-3, inf, 2, 2, []float64{5e-4, 1.5e-3, 2e-3, 2.6e-3, 4.5e-3}},
		{"not asked for", []float64{5e-4, 1.5e-3, 4.5e-3}, 2e-3, inf, 2, 0, []float64{5e-4, 1.5e-3, 4.5e-3}},
		{"the neighbour above diverged", []float64{5e-4, 1.5e-3, 4.5e-3}, 2e-3, 4e-3, 2, 1, []float64{5e-4, 8.7e-4, 1.5e-3, 4.5e-3}},
		{"beyond the upper edge, then between", []float64{5e-4, 1.5e-3, 4.5e-3}, 4.2e-3, inf, 2, 1, []float64{5e-4, 1.5e-3, 2.6e-3, 4.5e-3, 1.3e-2}},
		{"at the edge still", []float64{5e-4, 1.5e-3}, 1, inf, 2, 1, []float64{5e-4, 1.5e-3, 4.5e-3, 1.3e-2}},
		{"beyond the lower edge", []float64{1e-3, 2e-3}, 8e-4, inf, 1, 1, []float64{5e-4, 7.1e-4, 1e-3, 2e-3}},
		{"one rate", []float64{1e-3}, 1e-2, inf, 2, 1, []float64{1e-3}},
	} {
		l := &Lab{Options: Options{Extend: c.extend, Refine: c.refine}}
		u := &Tuned{Contender: Contender{Rates: slices.Clone(c.rates)}}
		for {
			u.Grid = nil
			for _, rate := range u.Rates {
				distance := math.Log(rate / c.best)
				r := Result{Status: Done, Validation: RowLosses{Sums: []float64{1 + distance*distance, 1 + distance*distance}, Tokens: []int{1, 1}}}
				if rate >= c.diverges {
					r = Result{Status: Diverged}
				}
				r.Recipe.Recipe = WithRate(config.Recipe{}, rate)
				u.Grid = append(u.Grid, r)
			}
			u.Best = Best(u.Grid)
			next, ok := l.nextRate(u)
			if !ok {
				break
			}
			u.Rates = slices.Sorted(slices.Values(append(u.Rates, next)))
		}
		if !slices.Equal(u.Rates, c.want) {
			t.Errorf("%s: rates %v, expected %v", c.name, u.Rates, c.want)
		}
	}
}

// TestScoreError scores two seeds: where they agree by chance, the rows still say how little is known.
func TestScoreError(t *testing.T) {
	run := func(accuracy, standardError float64) Result {
		return Result{Status: Done, Tasks: []evaluate.Result{{Task: "boolq", Accuracy: accuracy, StandardError: standardError, Total: 100}}}
	}
	for name, c := range map[string]struct {
		runs []Result
		want float64
	}{
		"seeds that agree":  {[]Result{run(0.5, 0.04), run(0.5, 0.06)}, 5},
		"seeds that do not": {[]Result{run(0.4, 0.04), run(0.6, 0.06)}, 10}, // √(2·10²/1/2)
		"one seed":          {[]Result{run(0.5, 0.04)}, 4},
		"one that has none": {[]Result{{Status: Done}, run(0.5, 0.04)}, 4},
	} {
		e := Tuned{Runs: c.runs}.Score("boolq")
		near(t, name+": the score", e.Mean, 50)
		near(t, name+": its standard error", e.StandardError, c.want)
	}
	if e := (Tuned{Runs: []Result{{}}}).Score("boolq"); finite.Is(e.Mean) || finite.Is(e.StandardError) {
		t.Errorf("without a score: %+v", e)
	}
}
