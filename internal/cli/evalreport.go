package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"smt/evaluate"
	"smt/progress"
)

// An evalReport shows what an evaluation found: JSON lines at once, or tables at the end. It keeps the first error of
// writing: results that nobody sees are none.
type evalReport struct {
	out      io.Writer
	json     bool
	err      error
	measured []evaluate.Result
	losses   []evaluate.Loss
}

func (r *evalReport) line(v any) {
	r.keep(json.NewEncoder(r.out).Encode(v))
}

func (r *evalReport) keep(err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("cli: output: %w", err)
	}
}

// table writes a table with an empty line around it.
func (r *evalReport) table(title string, header []string, rows [][]string) {
	var text bytes.Buffer
	fmt.Fprintln(&text)
	progress.WriteTable(&text, title, header, rows) // a buffer takes everything
	fmt.Fprintln(&text)
	_, err := r.out.Write(text.Bytes())
	r.keep(err)
}

func (r *evalReport) result(result evaluate.Result) {
	r.measured = append(r.measured, result)
	if r.json {
		r.line(result)
	}
}

func (r *evalReport) loss(loss evaluate.Loss) {
	r.losses = append(r.losses, loss)
	if r.json {
		r.line(struct {
			Task string `json:"task"`
			evaluate.Loss
		}{evaluate.PerplexityTask, loss})
	}
}

// tables shows all that was measured, unless it was shown as JSON.
func (r *evalReport) tables(title string) {
	if r.json {
		return
	}
	var accuracies, translations [][]string
	var judged []evaluate.Result
	balanced := slices.ContainsFunc(r.measured, func(m evaluate.Result) bool { return m.BalancedAccuracy != nil })
	accuracyHeader := []string{"task", "protocol", "correct", "total", "accuracy", "± standard error"}
	if balanced {
		accuracyHeader = append(accuracyHeader, "balanced")
	}
	for _, m := range r.measured {
		if t := m.Translation; t != nil {
			translations = append(translations, []string{m.Task, m.Protocol, fmt.Sprint(m.Total), fmt.Sprintf("%.2f", t.BLEU),
				fmt.Sprintf("%.2f", t.BLEUStandardError), fmt.Sprintf("%.2f", t.ChrF), fmt.Sprintf("%.2f", t.ChrFStandardError)})
			continue
		}
		judged = append(judged, m)
		cells := []string{m.Task, m.Protocol, fmt.Sprint(m.Correct), fmt.Sprint(m.Total), percent(m.Accuracy), points(m.StandardError)}
		if m.BalancedAccuracy != nil {
			cells = append(cells, percent(*m.BalancedAccuracy))
		}
		accuracies = append(accuracies, cells)
	}
	if len(judged) > 1 {
		mean, deviation := evaluate.MeanAccuracy(judged)
		accuracies = append(accuracies, []string{fmt.Sprintf("mean of %d", len(judged)), "", "", "", percent(mean), points(deviation)})
	}
	if len(accuracies) > 0 {
		r.table(title, accuracyHeader, accuracies)
	}
	if len(translations) > 0 {
		r.table(title, []string{"task", "protocol", "sentences", "BLEU", "±", "chrF", "±"}, translations)
	}
	for _, l := range r.losses {
		_, err := fmt.Fprintf(r.out, "loss %.4f ± %.4f per supervised token, perplexity %.3f (%d tokens of %d rows)\n", l.Mean, l.StandardError,
			l.Perplexity, l.Tokens, l.Rows)
		r.keep(err)
	}
}

// differences shows how a second model differs from a first.
func (r *evalReport) differences(pathA, pathB string, all []evaluate.Difference) {
	if r.json {
		for _, d := range all {
			r.line(d)
		}
		return
	}
	var cells [][]string
	for _, d := range all {
		show := func(v float64) string { return fmt.Sprintf("%.4f", v) }
		switch d.Measure {
		case evaluate.MeasureAccuracy:
			show = func(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }
		case evaluate.MeasureBLEU, evaluate.MeasureChrF:
			show = func(v float64) string { return fmt.Sprintf("%.2f", v) }
		}
		cells = append(cells, []string{d.Task, d.Protocol, d.Measure, fmt.Sprint(d.Rows), show(d.A), show(d.B), show(d.Difference),
			show(d.StandardError), fmt.Sprint(d.OnlyA), fmt.Sprint(d.OnlyB)})
	}
	r.table(fmt.Sprintf("A: %s, B: %s", pathA, pathB), []string{"task", "protocol", "measure", "rows", "A", "B", "B - A", "± standard error",
		"rows better in A", "in B"}, cells)
}

// percent writes a share of 1, points its standard error in the same unit.
func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }
func points(v float64) string  { return fmt.Sprintf("%.1f", 100*v) }
