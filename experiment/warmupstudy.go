package experiment

import (
	"context"
	"fmt"
	"slices"

	"smt/config"
	"smt/report"
	"smt/sparse"
)

// Warmup asks how long the warm-up must be, and whether it should train.
var Warmup = Study{
	Name:     "warmup",
	Question: "How long must the warm-up be, and does it matter whether it changes the weights?",
	Summary:  "loss and selection by the length of the warm-up, with warmup_update none, rollback and keep",
	Seeds:    1,
	Method: []string{
		"SMT with warm-ups of each length; length 0 are blocks chosen at random. warmup_update none leaves the weights frozen while gradients are gathered (and ends with the first epoch at the latest), rollback trains all weights and undoes it after the selection, keep goes on from there: its runs have seen more training than the others' by the length of the warm-up. The learning rate is that of the lowest validation loss with the middle length and frozen weights, for all. Overlaps (Jaccard) are with the blocks that the longest frozen warm-up selects.",
	},
	Run: warmupLengths,
}

func warmupLengths(ctx context.Context, l *Lab) (*Outcome, error) {
	if err := l.rankByGradients(); err != nil {
		return nil, err
	}
	lengths := slices.Compact(slices.Sorted(slices.Values(l.WarmupGrid)))
	if lengths[0] < 0 || lengths[len(lengths)-1] == 0 {
		return nil, fmt.Errorf("experiment: --warmups %v: expected lengths from 0 on, and one above 0", lengths)
	}
	smt, tuned, err := l.warmupRate(ctx, lengths[len(lengths)/2])
	if err != nil {
		return nil, err
	}
	warmups := warmupVariants(lengths)
	var cells []Cell
	for _, w := range warmups {
		cells = append(cells, l.warmupCells(w, smt)...)
	}
	results, err := l.Run(ctx, "warm-ups", cells)
	if err != nil || l.DryRun {
		return nil, err
	}
	for i := range warmups {
		for _, r := range results[i*len(l.Seeds):][:len(l.Seeds)] {
			if r.Usable() {
				warmups[i].Runs = append(warmups[i].Runs, r)
			}
		}
	}
	if err := compareWarmups(warmups); err != nil {
		return nil, err
	}
	return &Outcome{Answers: warmupAnswers(warmups), Sections: []report.Section{l.warmupSection(warmups), l.rateSection([]Tuned{tuned})}}, nil
}

// warmupUpdates are the values of warmup_update that the study runs.
var warmupUpdates = []sparse.Update{sparse.UpdateNone, sparse.UpdateRollback, sparse.UpdateKeep}

// A warmup is a way to warm up, its runs, and how they compare with the longest warm-up that leaves the weights frozen.
type warmup struct {
	Tuned   // runs for each seed
	length  int
	update  sparse.Update
	less    Difference // test loss less that of the longest
	overlap float64    // Jaccard, of the first seeds' blocks
}

// warmupRate chooses the learning rate with a warm-up of the given length, and returns the recipe that has it.
func (l *Lab) warmupRate(ctx context.Context, length int) (config.Recipe, Tuned, error) {
	smt, err := l.RecipeOf(config.SMT, 0)
	if err != nil {
		return smt, Tuned{}, err
	}
	if smt.Precision != "float32" {
		l.skip("precision %s: warm-ups that train need float32, so all runs use it", smt.Precision)
		smt.Precision = "float32"
	}
	r := smt
	r.WarmupFullSteps = max(1, length)
	seeds := l.Seeds
	l.Seeds = seeds[:1]
	tuned, err := l.Tune(ctx, []Contender{{Name: "smt for its rate", Method: config.SMT, Recipe: r, Rates: l.rates(config.SMT, r)}})
	l.Seeds = seeds
	if err != nil {
		return smt, Tuned{}, err
	}
	if tuned[0].Best == nil {
		return smt, Tuned{}, fmt.Errorf("experiment: no learning rate of %v came to an end; give lower ones with --learning_rates", tuned[0].Rates)
	}
	return WithRate(smt, tuned[0].Best.Recipe.LearningRate), tuned[0], nil
}

// warmupVariants are all lengths with all updates; without a warm-up there is nothing to update. The lengths ascend.
func warmupVariants(lengths []int) []warmup {
	var all []warmup
	for _, update := range warmupUpdates {
		for _, n := range lengths {
			if n > 0 || update == sparse.UpdateNone {
				all = append(all, warmup{Tuned: Tuned{Contender: Contender{Name: fmt.Sprintf("%d %s", n, update)}}, length: n, update: update})
			}
		}
	}
	return all
}

// warmupCells are the runs of a warm-up, one for each seed; blocks that no gradient has ranked are drawn at random.
func (l *Lab) warmupCells(w warmup, r config.Recipe) []Cell {
	method := config.SMT
	r.WarmupUpdate, r.WarmupFullSteps = string(w.update), w.length
	if w.length == 0 {
		r.BlockScore, method = "random", "random"
	}
	var cells []Cell
	for _, seed := range l.Seeds {
		cells = append(cells, l.Cell(fmt.Sprintf("warm-up %s lr=%g seed=%d", w.Name, r.LearningRate, seed), method, WithSeed(r, seed),
			Label{"warmup", fmt.Sprint(w.length)}, Label{"update", string(w.update)}))
	}
	return cells
}

// longestWarmup is the longest warm-up with the given update that has runs, or nil.
func longestWarmup(warmups []warmup, update sparse.Update) *warmup {
	for i := len(warmups) - 1; i >= 0; i-- {
		if w := &warmups[i]; w.update == update && w.length > 0 && len(w.Runs) > 0 {
			return w
		}
	}
	return nil
}

// compareWarmups fills in how warm-ups compare with the longest that leaves the weights frozen.
func compareWarmups(warmups []warmup) error {
	longest := longestWarmup(warmups, sparse.UpdateNone)
	if longest == nil {
		return fmt.Errorf("experiment: no warm-up with frozen weights came to an end, so there is nothing to compare with")
	}
	reference, err := longest.Runs[0].selection()
	if err != nil {
		return err
	}
	for i := range warmups {
		w := &warmups[i]
		if len(w.Runs) == 0 {
			continue
		}
		chosen, err := w.Runs[0].selection()
		if err != nil {
			return err
		}
		if w.less, err = w.Minus(longest.Tuned); err != nil {
			return err
		}
		w.overlap = Jaccard(places(chosen), places(reference))
	}
	return nil
}

// warmupAnswers says how long a warm-up is long enough, and what it brings to train during the longest.
func warmupAnswers(warmups []warmup) []string {
	var answers []string
	for _, w := range warmups {
		if w.update == sparse.UpdateNone && w.length > 0 && len(w.Runs) > 0 && w.less.Mean <= 2*w.less.Error() {
			answers = append(answers, fmt.Sprintf("With frozen weights, %d steps are enough: the loss is then within two standard errors of that after the longest warm-up, or lower.", w.length))
			break
		}
	}
	frozen := longestWarmup(warmups, sparse.UpdateNone)
	for _, u := range warmupUpdates[1:] {
		if w := longestWarmup(warmups, u); w != nil {
			answers = append(answers, fmt.Sprintf("With %d steps, %s differs from %d with frozen weights by %+.4f ± %.4f nats per token, and its peak memory is %.0f MiB beside %.0f MiB.",
				w.length, u, frozen.length, w.less.Mean, w.less.Error(), w.Runs[0].PeakRSS, frozen.Runs[0].PeakRSS))
		}
	}
	return answers
}

// warmupSection is the table of all warm-ups, and loss and overlap by their lengths.
func (l *Lab) warmupSection(warmups []warmup) report.Section {
	t := report.Table{Header: []string{"warm-up", "really", "warmup_update", "test loss", "less that of the longest", "overlap", "in V %", "warm-up s", "tuning s", "peak MiB"}}
	losses, overlaps := make([]report.Curve, len(warmupUpdates)), make([]report.Curve, len(warmupUpdates))
	for i, u := range warmupUpdates {
		losses[i].Name, overlaps[i].Name = string(u), string(u)
	}
	for _, w := range warmups {
		if len(w.Runs) == 0 {
			t.Rows = append(t.Rows, []string{fmt.Sprint(w.length), "-", string(w.update), "no run came to an end"})
			continue
		}
		first, loss := w.Runs[0], w.TestLoss()
		t.Rows = append(t.Rows, []string{fmt.Sprint(w.length), fmt.Sprint(first.WarmupSteps), string(w.update), plusMinus(loss, 4), fmt.Sprintf("%+.4f ± %.4f", w.less.Mean, w.less.Error()),
			show(w.overlap, 3), show(100*first.ShareV, 1), show(first.WarmupSeconds, 1), show(first.TrainSeconds-first.WarmupSeconds, 1), show(first.PeakRSS, 0)})
		i := slices.Index(warmupUpdates, w.update)
		for _, curve := range []*report.Curve{&losses[i], &overlaps[i]} {
			curve.X = append(curve.X, float64(w.length))
		}
		losses[i].Y, losses[i].Error = append(losses[i].Y, loss.Mean), append(losses[i].Error, loss.StandardError)
		overlaps[i].Y = append(overlaps[i].Y, w.overlap)
	}
	s := report.Section{Title: "Warm-ups", Tables: []report.Table{t}}
	l.figure(&s, "loss.png", "Test loss by length of the warm-up, ± one standard error.", func(path string) error {
		return report.Lines(path, report.Axes{Title: "test loss by length of the warm-up", X: "warm-up steps", Y: "nats per response token"}, losses)
	})
	l.figure(&s, "overlap.png", "Overlap of the selected blocks with those of the longest warm-up with frozen weights.", func(path string) error {
		return report.Lines(path, report.Axes{Title: "overlap with the longest warm-up's selection", X: "warm-up steps", Y: "Jaccard"}, overlaps)
	})
	return s
}
