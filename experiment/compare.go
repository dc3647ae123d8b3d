package experiment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"smt/config"
	"smt/report"
)

// Compare asks whether SMT earns its keep: beside full fine-tuning, LoRA and DoRA, and beside blocks that other rules choose.
var Compare = Study{
	Name:     "compare",
	Question: "At equal trainable parameters, how does SMT do beside full fine-tuning, LoRA, DoRA and blocks chosen by other rules?",
	Methods:  append([]string{config.SMT, config.Full, config.LoRA, config.DoRA}, Controls...),
	Seeds:    3,
	Summary:  "SMT beside full fine-tuning, LoRA, DoRA and blocks chosen by other rules, at equal trainable parameters",
	Method: []string{
		"SMT, LoRA and DoRA train as many parameters as each other, as nearly as whole ranks allow, on the same modules; the block controls train as many blocks as SMT, chosen at random, along the diagonal, by the weights' magnitude, in V only, or by the mean |gradient| of the steps of a warm-up, but for the rule that is SMT's own in the recipe. Each method's learning rate is chosen by the validation rows from a grid that grows where its best is at the edge. The best rate is run with several seeds, and only these runs' losses on the test rows, which nothing was chosen by, are compared.",
	},
	Run: compare,
}

func compare(ctx context.Context, l *Lab) (*Outcome, error) {
	base, err := l.Run(ctx, "the model as it is", []Cell{l.Cell("base", Base, l.Recipe)})
	if err != nil {
		return nil, err
	}
	var contenders []Contender
	for _, m := range l.unlikeSMT(l.usable(l.Methods)) {
		r, err := l.RecipeOf(m, 0)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, Contender{Name: m, Method: m, Recipe: r, Rates: l.rates(m, r)})
	}
	tuned, err := l.Tune(ctx, contenders)
	if err != nil || l.DryRun {
		return nil, err
	}
	o := &Outcome{}
	losses, differences := l.lossSection(base[0], tuned, config.SMT)
	o.Sections = append(o.Sections, losses, l.rateSection(tuned), l.costSection(tuned))
	o.Answers = append(answersOf(differences, config.SMT), l.costAnswer(tuned)...)
	return o, nil
}

// A named difference to the reference.
type compared struct {
	name string
	Difference
}

// lossSection is the table and charts of losses: each method's mean over seeds and its paired difference to the reference.
func (l *Lab) lossSection(base Result, tuned []Tuned, reference string) (report.Section, []compared) {
	s := report.Section{Title: "Loss on the test rows"}
	var ref *Tuned
	for i := range tuned {
		if tuned[i].Name == reference && tuned[i].Best != nil && len(tuned[i].Runs) > 0 {
			ref = &tuned[i]
		}
	}
	header := []string{"method", "trained", "learning rate", "test loss", "less that of " + reference, "in standard errors"}
	var taskNames []string
	for _, t := range l.Tasks {
		taskNames = append(taskNames, t.Name)
		header = append(header, t.Name+" "+t.unit())
	}
	t := report.Table{Title: fmt.Sprintf("%d test rows, %s; nats per response token ± standard error", l.Split.TestRows, count(len(l.Seeds), "seed")), Header: append(header, "seeds")}
	row := []string{"base (untuned)", "0", "-", plusMinus(base.Test.Loss(), 4), "-", "-"}
	for _, name := range taskNames {
		row = append(row, plusMinus(base.Score(name), 1))
	}
	t.Rows = append(t.Rows, append(row, "-"))
	var intervals, gaps []report.Interval
	var differences []compared
	for i := range tuned {
		m := &tuned[i]
		if m.Best == nil || len(m.Runs) == 0 {
			t.Rows = append(t.Rows, []string{m.Name, "-", "-", "no run came to an end"})
			continue
		}
		loss, gap, sure := m.TestLoss(), "-", "-"
		if ref != nil && m != ref {
			if d, err := m.Minus(*ref); err == nil {
				differences = append(differences, compared{m.Name, d})
				gaps = append(gaps, report.Interval{Name: m.Name, Value: d.Mean, Error: 2 * d.Error()})
				gap, sure = fmt.Sprintf("%+.4f ± %.4f", d.Mean, d.Error()), show(d.Mean/d.Error(), 1)
			}
		}
		if m == ref {
			t.Strong = len(t.Rows) + 1
		}
		row := []string{m.Name, fmt.Sprint(m.Best.Trainable), fmt.Sprintf("%g", m.Best.Recipe.LearningRate), plusMinus(loss, 4), gap, sure}
		for _, name := range taskNames {
			row = append(row, plusMinus(m.Score(name), 1))
		}
		t.Rows = append(t.Rows, append(row, fmt.Sprint(len(m.Runs))))
		intervals = append(intervals, report.Interval{Name: m.Name, Value: loss.Mean, Error: 2 * loss.StandardError})
	}
	t.Note = "The difference is paired row by row and seed by seed, and so known better than the losses are. The methods' rates were chosen on other rows."
	s.Tables = append(s.Tables, t)
	slices.SortStableFunc(intervals, func(a, b report.Interval) int {
		switch {
		case a.Value < b.Value:
			return -1
		case a.Value > b.Value:
			return 1
		}
		return 0
	})
	l.figure(&s, "loss.png", "Test loss by method, ± 2 standard errors; further to the left is better.", func(path string) error {
		return report.Intervals(path, "loss on the test rows", "nats per response token", intervals, false)
	})
	if len(gaps) > 0 {
		l.figure(&s, "difference.png", "Paired difference to "+reference+", ± 2 standard errors: right of the line, "+reference+" is better.", func(path string) error {
			return report.Intervals(path, "test loss less that of "+reference, "nats per response token, paired by rows", gaps, true)
		})
	}
	return s, differences
}

// rateSection shows how the learning rates were chosen.
func (l *Lab) rateSection(tuned []Tuned) report.Section {
	s := report.Section{Title: "Learning rates", Text: []string{"Each method's own grid, one seed, on the validation rows."}}
	var curves []report.Curve
	t := report.Table{Header: []string{"method", "validation loss at each rate", "chosen"}}
	for _, m := range tuned {
		c := report.Curve{Series: report.Series{Name: m.Name}}
		var tried []string
		for _, r := range m.Grid {
			text := r.Status
			if r.Usable() {
				e := r.Validation.Loss()
				c.X, c.Y, c.Error = append(c.X, r.Recipe.LearningRate), append(c.Y, e.Mean), append(c.Error, e.StandardError)
				text = show(e.Mean, 4)
			}
			tried = append(tried, fmt.Sprintf("%g: %s", r.Recipe.LearningRate, text))
		}
		chosen := "-"
		if m.Best != nil {
			chosen = fmt.Sprintf("%g", m.Best.Recipe.LearningRate)
		}
		curves = append(curves, c)
		t.Rows = append(t.Rows, []string{m.Name, strings.Join(tried, ",  "), chosen})
	}
	s.Tables = append(s.Tables, t)
	l.figure(&s, "rates.png", "Validation loss by learning rate, ± one standard error over rows.", func(path string) error {
		return report.Lines(path, report.Axes{Title: "choosing the learning rate", X: "learning rate", Y: "validation loss (nats per token)", LogX: true}, curves)
	})
	return s
}

// costSection shows time and memory.
func (l *Lab) costSection(tuned []Tuned) report.Section {
	s := report.Section{Title: "Time and memory"}
	t := report.Table{Header: []string{"method", "training s", "of it warm-up s", "step ms", "tokens/s", "peak MiB", "beyond the start MiB", "plan MiB"},
		Note: "Medians over the seeds. Training includes SMT's warm-up. Times are of a machine that may have had other work."}
	var peaks, steps []report.Interval
	var curves []report.Curve
	for _, m := range tuned {
		if len(m.Runs) == 0 {
			continue
		}
		median := func(of func(Result) float64) float64 {
			var xs []float64
			for _, r := range m.Runs {
				xs = append(xs, of(r))
			}
			return Median(xs)
		}
		step, peak := median(func(r Result) float64 { return 1000 * r.StepSeconds }), median(func(r Result) float64 { return r.PeakRSS })
		t.Rows = append(t.Rows, []string{m.Name, show(median(func(r Result) float64 { return r.TrainSeconds }), 1), show(median(func(r Result) float64 { return r.WarmupSeconds }), 1),
			show(step, 0), show(median(func(r Result) float64 { return r.TokensPerSec }), 0), show(peak, 0), show(median(Result.Overhead), 0), show(median(func(r Result) float64 { return r.PlanMiB }), 0)})
		steps, peaks = append(steps, report.Interval{Name: m.Name, Value: step}), append(peaks, report.Interval{Name: m.Name, Value: peak})
		curves = append(curves, lossOverTime(m.Name, m.Runs[0]))
	}
	s.Tables = append(s.Tables, t)
	l.figure(&s, "time.png", "Training loss (smoothed) against the time since the start of the run; SMT's curves begin after their warm-up.", func(path string) error {
		return report.Lines(path, report.Axes{Title: "training loss over time, best rate, first seed", X: "seconds", Y: "loss (nats per token)"}, curves)
	})
	l.figure(&s, "memory.png", "Peak resident memory of a cell's process.", func(path string) error {
		return report.Intervals(path, "peak memory", "MiB", peaks, false)
	})
	l.figure(&s, "step.png", "Median time of a step that trains.", func(path string) error {
		return report.Intervals(path, "step time", "milliseconds", steps, false)
	})
	return s
}

// lossOverTime is a run's training loss, smoothed over a tenth of its steps, against the time that has passed: the warm-up,
// then steps of the median length.
func lossOverTime(name string, r Result) report.Curve {
	c := report.Curve{Series: report.Series{Name: name}}
	window := max(1, len(r.Losses)/10)
	for i := window; i <= len(r.Losses); i++ {
		c.X = append(c.X, r.WarmupSeconds+float64(i)*r.StepSeconds)
		c.Y = append(c.Y, NewEstimate(r.Losses[i-window:i]).Mean)
	}
	return c
}

// answersOf says in sentences how the others differ from the reference.
func answersOf(differences []compared, reference string) []string {
	var better, worse, same []string
	for _, d := range differences {
		text := fmt.Sprintf("%s (%+.4f ± %.4f)", d.name, d.Mean, d.Error())
		switch e := d.Error(); {
		case d.Mean > 2*e:
			worse = append(worse, text)
		case d.Mean < -2*e:
			better = append(better, text)
		default:
			same = append(same, text)
		}
	}
	var answers []string
	for _, part := range []struct {
		names []string
		text  string
	}{
		{worse, reference + " has a lower test loss than %s."},
		{better, reference + " has a higher test loss than %s."},
		{same, reference + " cannot be told apart from %s: the difference is within two standard errors."},
	} {
		if len(part.names) > 0 {
			answers = append(answers, fmt.Sprintf(part.text, strings.Join(part.names, ", ")))
		}
	}
	return answers
}

// costAnswer compares the costs of SMT and full fine-tuning, if both were run.
func (l *Lab) costAnswer(tuned []Tuned) []string {
	var smt, full *Tuned
	for i := range tuned {
		switch {
		case len(tuned[i].Runs) == 0:
		case tuned[i].Name == config.SMT:
			smt = &tuned[i]
		case tuned[i].Name == config.Full:
			full = &tuned[i]
		}
	}
	if smt == nil || full == nil {
		return nil
	}
	of := func(t *Tuned, f func(Result) float64) float64 { return t.OverSeeds(f).Mean }
	step, memory := func(r Result) float64 { return r.StepSeconds }, func(r Result) float64 { return r.PeakRSS }
	return []string{fmt.Sprintf("A step of smt takes %.0f %% of the time of full fine-tuning's, and a run %.0f %% of the memory (%.0f of %.0f MiB).",
		100*of(smt, step)/of(full, step), 100*of(smt, memory)/of(full, memory), of(smt, memory), of(full, memory))}
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
