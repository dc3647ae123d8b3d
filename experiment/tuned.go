package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"

	"smt/config"
	"smt/internal/finite"
)

// A Contender is a method at a budget, with everything but its learning rate decided.
type Contender struct {
	Name   string // in names of cells, such as "lora 0.84 %"
	Method string
	Recipe config.Recipe
	Labels []Label
	Rates  []float64
}

// A Tuned is a contender with its learning rate chosen by the validation rows, and its runs at this rate.
type Tuned struct {
	Contender
	Grid []Result // one for each rate, in ascending order, with the first seed
	Best *Result  // of the grid; nil if no run came to an end
	Runs []Result // with the best rate, one for each seed

	extended, refined int // rates added to the grid: beyond its edge, and between two of it
}

// Tune chooses each contender's learning rate and runs it with every seed.
func (l *Lab) Tune(ctx context.Context, contenders []Contender) ([]Tuned, error) {
	tuned := make([]Tuned, len(contenders))
	for i, c := range contenders {
		c.Rates = slices.Clone(c.Rates)
		tuned[i].Contender = c
	}
	if err := l.chooseRates(ctx, tuned); err != nil {
		return nil, err
	}
	var cells []Cell
	for i := range tuned {
		t := &tuned[i]
		if t.Best == nil {
			continue
		}
		if _, ok := beyond(t); ok && !l.DryRun {
			l.note(Signature{Kind: EdgeOfGrid, Cell: t.Name, Text: fmt.Sprintf("the lowest validation loss is that of the rate %g, at the edge of the grid %v: another rate may do better", t.Best.Recipe.LearningRate, t.Rates)})
		}
		for _, seed := range l.Seeds {
			cells = append(cells, l.tuneCell(t.Contender, t.Best.Recipe.LearningRate, seed))
		}
	}
	results, err := l.Run(ctx, "seeds", cells)
	if err != nil {
		return nil, err
	}
	for i := range tuned {
		t := &tuned[i]
		if t.Best == nil {
			continue
		}
		t.Runs, results = results[:len(l.Seeds):len(l.Seeds)], results[len(l.Seeds):]
		t.Runs = slices.DeleteFunc(slices.Clone(t.Runs), func(r Result) bool { return !r.Usable() && !r.Planned() })
	}
	return tuned, nil
}

// chooseRates runs the grids and finds the best rate of each. A grid is run with the first seed and measured on the validation rows
// alone: test rows and tasks, which may take longer than the training, are for the chosen rates. A grid whose best rate lies at its
// edge grows beyond it, up to Extend times, since a baseline that would do better with a rate that was not tried is no baseline. For
// the same reason Refine rates are tried between the best one and the better of its neighbours: on a coarse grid, who wins may be
// who has the luck that a rate of the grid is the best one. All contenders get the same number of tries.
func (l *Lab) chooseRates(ctx context.Context, tuned []Tuned) error {
	phase := "learning rates"
	for round, grown := 1, true; grown; round++ {
		var cells []Cell
		for i := range tuned {
			for _, rate := range tuned[i].Rates {
				c := l.tuneCell(tuned[i].Contender, rate, l.Seeds[0])
				c.Measures.Test, c.Measures.Tasks = "", nil
				cells = append(cells, c)
			}
		}
		results, err := l.Run(ctx, phase, cells)
		if err != nil {
			return err
		}
		phase, grown = fmt.Sprintf("more learning rates (%d)", round), false
		for i := range tuned {
			t := &tuned[i]
			t.Grid, results = results[:len(t.Rates):len(t.Rates)], results[len(t.Rates):]
			t.Best = Best(t.Grid)
			if l.DryRun && slices.ContainsFunc(t.Grid, Result.Planned) {
				t.Best = &t.Grid[len(t.Grid)/2]
				continue
			}
			if !l.DryRun {
				if err := l.keepBest(t.Grid[0]); err != nil {
					return err
				}
			}
			if next, ok := l.nextRate(t); ok {
				t.Rates, grown = slices.Sorted(slices.Values(append(t.Rates, next))), true
			}
		}
	}
	return nil
}

// tuneCell is the cell of a contender with a rate and a seed.
func (l *Lab) tuneCell(c Contender, rate float64, seed int64) Cell {
	return l.Cell(fmt.Sprintf("%s lr=%g seed=%d", c.Name, rate, seed), c.Method, WithSeed(WithRate(c.Recipe, rate), seed), c.Labels...)
}

// nextRate is the rate that a contender's grid should have as well, if any.
func (l *Lab) nextRate(t *Tuned) (float64, bool) {
	if rate, ok := beyond(t); ok {
		if t.extended == l.Extend {
			return 0, false
		}
		t.extended++
		return rate, true
	}
	if t.refined == l.Refine {
		return 0, false
	}
	t.refined++
	return between(t)
}

// beyond is the rate outside of the grid that should be tried, if the best one lies at its edge. Where runs at the upper edge
// diverged, the grid does not end at the best rate.
func beyond(t *Tuned) (float64, bool) {
	n := len(t.Rates)
	if t.Best == nil || n < 2 {
		return 0, false
	}
	switch t.Best.Recipe.LearningRate {
	case t.Rates[n-1]:
		return roundRate(t.Rates[n-1] * t.Rates[n-1] / t.Rates[n-2]), true
	case t.Rates[0]:
		return roundRate(t.Rates[0] * t.Rates[0] / t.Rates[1]), true
	}
	return 0, false
}

// between is the rate halfway, on a logarithmic scale, between the best one and that of its neighbours in the grid whose
// validation loss is lower.
func between(t *Tuned) (float64, bool) {
	if t.Best == nil {
		return 0, false
	}
	at := slices.Index(t.Rates, t.Best.Recipe.LearningRate)
	if at <= 0 || at == len(t.Rates)-1 {
		return 0, false
	}
	neighbour := at + 1
	if better := Best([]Result{t.Grid[at-1], t.Grid[at+1]}); better != nil && better.Recipe.LearningRate == t.Rates[at-1] {
		neighbour = at - 1
	}
	rate := roundRate(math.Sqrt(t.Rates[at] * t.Rates[neighbour]))
	return rate, !slices.Contains(t.Rates, rate)
}

// Rows are the test losses of the runs, row by row, averaged over the seeds.
func (t Tuned) Rows() (RowLosses, error) {
	var all []RowLosses
	for _, r := range t.Runs {
		all = append(all, r.Test)
	}
	return MeanRows(all)
}

// OverSeeds is the mean of a measure over the runs, with the standard error over seeds.
func (t Tuned) OverSeeds(of func(Result) float64) Estimate {
	var xs []float64
	for _, r := range t.Runs {
		if x := of(r); finite.Is(x) {
			xs = append(xs, x)
		}
	}
	return NewEstimate(xs)
}

// Score is the mean score on a task over the runs, from 0 to 100. As with [Tuned.TestLoss], its standard error is the larger one of
// that over seeds and that over rows; the latter is the mean of the runs' own, since what of it the seeds share is not known.
func (t Tuned) Score(task string) Estimate {
	e := t.OverSeeds(func(r Result) float64 { return r.Score(task).Mean })
	rows := t.OverSeeds(func(r Result) float64 { return r.Score(task).StandardError }).Mean
	if !finite.Is(e.StandardError) || rows > e.StandardError {
		e.StandardError = rows
	}
	return e
}

// TestLoss is the mean test loss over the runs. Its standard error is the larger one of that over seeds and that over rows: the
// first says how much the training varies, the second how much the choice of rows does.
func (t Tuned) TestLoss() Estimate {
	e := t.OverSeeds(func(r Result) float64 { return r.Test.Loss().Mean })
	if rows, err := t.Rows(); err == nil {
		if by := rows.Loss(); !finite.Is(e.StandardError) || by.StandardError > e.StandardError {
			e.StandardError = by.StandardError
		}
	}
	return e
}

// A Difference compares two tuned methods on the same test rows.
type Difference struct {
	Mean  float64  // nats per token, the first less the second
	Rows  Estimate // paired over rows, seeds averaged first
	Seeds Estimate // over seeds, paired by seed
}

// Error is the larger one of the two standard errors.
func (d Difference) Error() float64 {
	if finite.Is(d.Seeds.StandardError) {
		return max(d.Rows.StandardError, d.Seeds.StandardError)
	}
	return d.Rows.StandardError
}

// Minus compares two methods.
func (t Tuned) Minus(other Tuned) (Difference, error) {
	a, err := t.Rows()
	if err != nil {
		return Difference{}, err
	}
	b, err := other.Rows()
	if err != nil {
		return Difference{}, err
	}
	d := Difference{}
	if d.Rows, err = PairedDifference(a, b); err != nil {
		return d, err
	}
	d.Mean = d.Rows.Mean
	var by []float64
	for _, x := range t.Runs {
		for _, y := range other.Runs {
			if x.Recipe.Seed == y.Recipe.Seed {
				by = append(by, x.Test.Loss().Mean-y.Test.Loss().Mean)
			}
		}
	}
	d.Seeds = NewEstimate(by)
	return d, nil
}

// tuneBesideBase runs the model as it is, which everything is compared with, and then Tune.
func (l *Lab) tuneBesideBase(ctx context.Context, contenders []Contender) (base Result, tuned []Tuned, err error) {
	runs, err := l.Run(ctx, "the model as it is", []Cell{l.Cell("base", Base, l.Recipe)})
	if err != nil {
		return base, nil, err
	}
	tuned, err = l.Tune(ctx, contenders)
	return runs[0], tuned, err
}
