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
	lengths := slices.Compact(slices.Sorted(slices.Values(l.WarmupGrid)))
	if lengths[0] < 0 || lengths[len(lengths)-1] == 0 {
		return nil, fmt.Errorf("experiment: --warmups %v: expected lengths from 0 on, and one above 0", lengths)
	}
	smt, err := l.RecipeOf(config.SMT, 0)
	if err != nil {
		return nil, err
	}
	if smt.Precision != "float32" {
		l.skip("precision %s: warm-ups that train need float32, so all runs use it", smt.Precision)
		smt.Precision = "float32"
	}
	middle := smt
	middle.WarmupFullSteps = max(1, lengths[len(lengths)/2])
	seeds := l.Seeds
	l.Seeds = seeds[:1]
	tuned, err := l.Tune(ctx, []Contender{{Name: "smt for its rate", Method: config.SMT, Recipe: middle, Rates: l.rates(config.SMT)}})
	l.Seeds = seeds
	if err != nil {
		return nil, err
	}
	if tuned[0].Best == nil {
		return nil, fmt.Errorf("experiment: no learning rate of %v came to an end; give lower ones with --learning_rates", tuned[0].Rates)
	}
	smt.LearningRate = tuned[0].Best.Recipe.LearningRate
	type variant struct {
		length int
		update sparse.Update
	}
	var variants []variant
	var cells []Cell
	for _, update := range []sparse.Update{sparse.UpdateNone, sparse.UpdateRollback, sparse.UpdateKeep} {
		for _, n := range lengths {
			r, method := smt, config.SMT
			r.WarmupUpdate, r.WarmupFullSteps = string(update), n
			if n == 0 {
				if update != sparse.UpdateNone {
					continue
				}
				if _, err := sparse.ParseScore("random"); err != nil {
					l.skip("length 0: this program has no block_score random")
					continue
				}
				r.BlockScore, method = "random", "random"
			}
			variants = append(variants, variant{n, update})
			for _, seed := range l.Seeds {
				cells = append(cells, l.Cell(fmt.Sprintf("warm-up %d %s lr=%g seed=%d", n, update, r.LearningRate, seed), method, WithSeed(r, seed),
					Label{"warmup", fmt.Sprint(n)}, Label{"update", string(update)}))
			}
		}
	}
	results, err := l.Run(ctx, "warm-ups", cells)
	if err != nil || l.DryRun {
		return nil, err
	}
	byVariant := map[variant]Tuned{}
	for i, v := range variants {
		t := Tuned{Contender: Contender{Name: fmt.Sprintf("%d %s", v.length, v.update)}}
		for _, r := range results[i*len(l.Seeds) : (i+1)*len(l.Seeds)] {
			if r.Usable() {
				t.Runs = append(t.Runs, r)
			}
		}
		byVariant[v] = t
	}
	longest := byVariant[variant{lengths[len(lengths)-1], sparse.UpdateNone}]
	if len(longest.Runs) == 0 {
		return nil, fmt.Errorf("experiment: the longest warm-up came to no end, so there is nothing to compare with")
	}
	best, err := longest.Runs[0].selection()
	if err != nil {
		return nil, err
	}
	want := places(best)
	t := report.Table{Header: []string{"warm-up", "really", "warmup_update", "test loss", "less that of the longest", "overlap", "in V %", "warm-up s", "tuning s", "peak MiB"}}
	losses, overlaps := map[sparse.Update]*report.Curve{}, map[sparse.Update]*report.Curve{}
	updates := []sparse.Update{sparse.UpdateNone, sparse.UpdateRollback, sparse.UpdateKeep}
	for _, u := range updates {
		losses[u], overlaps[u] = &report.Curve{Series: report.Series{Name: string(u)}}, &report.Curve{Series: report.Series{Name: string(u)}}
	}
	enough := -1
	for _, v := range variants {
		m := byVariant[v]
		if len(m.Runs) == 0 {
			t.Rows = append(t.Rows, []string{fmt.Sprint(v.length), "-", string(v.update), "no run came to an end"})
			continue
		}
		first := m.Runs[0]
		chosen, err := first.selection()
		if err != nil {
			return nil, err
		}
		d, err := m.Minus(longest)
		if err != nil {
			return nil, err
		}
		loss, overlap := m.TestLoss(), Jaccard(places(chosen), want)
		t.Rows = append(t.Rows, []string{fmt.Sprint(v.length), fmt.Sprint(first.WarmupSteps), string(v.update), plusMinus(loss, 4), fmt.Sprintf("%+.4f ± %.4f", d.Mean, d.Error()),
			show(overlap, 3), show(100*first.ShareV, 1), show(first.WarmupSeconds, 1), show(first.TrainSeconds-first.WarmupSeconds, 1), show(first.PeakRSS, 0)})
		for c, y := range map[*report.Curve]Estimate{losses[v.update]: loss, overlaps[v.update]: {Mean: overlap}} {
			c.X, c.Y, c.Error = append(c.X, float64(v.length)), append(c.Y, y.Mean), append(c.Error, y.StandardError)
		}
		if v.update == sparse.UpdateNone && v.length > 0 && enough < 0 && d.Mean <= 2*d.Error() {
			enough = v.length
		}
	}
	o := &Outcome{}
	if enough >= 0 {
		o.Answers = append(o.Answers, fmt.Sprintf("With frozen weights, %d steps are enough: the loss is then within two standard errors of that after the longest warm-up, or lower.", enough))
	}
	for _, u := range updates[1:] {
		m := byVariant[variant{lengths[len(lengths)-1], u}]
		if len(m.Runs) == 0 {
			continue
		}
		d, err := m.Minus(longest)
		if err != nil {
			return nil, err
		}
		o.Answers = append(o.Answers, fmt.Sprintf("With the longest warm-up, %s differs from frozen weights by %+.4f ± %.4f nats per token, and its peak memory is %.0f MiB beside %.0f MiB.",
			u, d.Mean, d.Error(), m.Runs[0].PeakRSS, longest.Runs[0].PeakRSS))
	}
	s := report.Section{Title: "Warm-ups", Tables: []report.Table{t}}
	curves := func(by map[sparse.Update]*report.Curve, errors bool) []report.Curve {
		var all []report.Curve
		for _, u := range updates {
			c := *by[u]
			if !errors {
				c.Error = nil
			}
			all = append(all, c)
		}
		return all
	}
	l.figure(&s, "loss.png", "Test loss by length of the warm-up, ± one standard error.", func(path string) error {
		return report.Lines(path, report.Axes{Title: "test loss by length of the warm-up", X: "warm-up steps", Y: "nats per response token"}, curves(losses, true))
	})
	l.figure(&s, "overlap.png", "Overlap of the selected blocks with those of the longest warm-up with frozen weights.", func(path string) error {
		return report.Lines(path, report.Axes{Title: "overlap with the longest warm-up's selection", X: "warm-up steps", Y: "Jaccard"}, curves(overlaps, false))
	})
	o.Sections = append(o.Sections, s, l.rateSection(tuned))
	return o, nil
}
