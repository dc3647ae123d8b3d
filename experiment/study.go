package experiment

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"smt/internal/finite"
	"smt/report"
)

// A Study is an experiment with a name: it answers one question.
type Study struct {
	Name     string
	Question string
	Summary  string   // one line of help
	Method   []string // paragraphs: what is run and measured
	Methods  []string // compared where the options name none
	Seeds    int      // run where the options name none
	OwnRows  bool     // the study splits the rows itself
	// Run runs the cells and says what came of them; after a dry run it returns nil.
	Run func(ctx context.Context, l *Lab) (*Outcome, error)
}

// An Outcome is what an experiment has found.
type Outcome struct {
	Answers  []string
	Sections []report.Section
}

// Perform runs a study to its end and writes results.csv, results.json, the figures and report.html. In a dry run it only finds
// out which cells there would be.
func Perform(ctx context.Context, s Study, o Options) (*Lab, *Outcome, error) {
	o.Name = s.Name
	if len(o.Methods) == 0 {
		o.Methods = s.Methods
	}
	for i := 0; len(o.Seeds) == i && i < max(1, s.Seeds); i++ {
		o.Seeds = append(o.Seeds[:i:i], o.Recipe.Seed+int64(i))
	}
	o.Fill()
	l, err := NewLab(ctx, o, !s.OwnRows)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if len(o.Seeds) == 1 && s.Seeds > 0 {
		l.note(Signature{Kind: OneSeed, Text: "how much the results vary with the seed is not known: give several, as in --seeds 1,2,3"})
	}
	outcome, err := s.Run(ctx, l)
	if err != nil || o.DryRun {
		return l, nil, err
	}
	if err := l.writeResults(s, outcome); err != nil {
		return nil, nil, err
	}
	if err := l.page(s, outcome).Write(filepath.Join(l.Dir, "report.html"), l.Dir); err != nil {
		return nil, nil, err
	}
	return l, outcome, nil
}

// page is the report.
func (l *Lab) page(s Study, o *Outcome) report.Page {
	title := "smt " + s.Name
	if s.Name != "compare" {
		title = "smt study " + s.Name
	}
	p := report.Page{Title: title, Question: s.Question, Answers: o.Answers, Method: append(append([]string{}, s.Method...), l.methodText()...),
		Sections: append(append([]report.Section{}, o.Sections...), l.cellSection())}
	for _, g := range Grouped(l.Signatures()) {
		p.Warnings = append(p.Warnings, report.Warning{Kind: g.Kind, Place: g.Cell, Text: g.Text})
	}
	for _, text := range l.Skipped {
		p.Warnings = append(p.Warnings, report.Warning{Kind: "left out", Text: text})
	}
	p.Commands = append(p.Commands, l.Command)
	if r := l.firstRun(); r != nil {
		p.Commands = append(p.Commands, "# one cell again, by its recipe: every cell's is in cells/*/run/recipe.yaml (not that of cells whose blocks were given to them)\nsmt train "+filepath.Join(r.Dir, runDir, "recipe.yaml")+" --output_dir again")
	}
	p.Facts = l.facts()
	return p
}

// firstRun is the first cell that trained.
func (l *Lab) firstRun() *Result {
	for i := range l.Results {
		if l.Results[i].Status == Done && l.Results[i].Method != Base {
			return &l.Results[i]
		}
	}
	return nil
}

// methodText says what all experiments have in common.
func (l *Lab) methodText() []string {
	text := []string{
		"Every cell is a run of smt train in a process of its own, with the same code path, the same batches and the same number of tuning steps for all methods; what SMT's warm-up costs is counted in its time. Adapters and blocks are measured as they were trained, in float32 on top of the base's weights; the model of full fine-tuning is measured as it is written, rounded to the data type of the base.",
		"Losses are nats per supervised (response) token on rows that no run has trained on. Standard errors over rows are those of a ratio of sums, √(R/(R−1) Σ(L_r − mean·T_r)²)/ΣT_r for R rows with loss L_r over T_r tokens; differences are paired row by row. Standard errors over seeds are sd/√n. Where both are known the larger is shown. An interval of ± 2 standard errors covers about 95 %.",
		fmt.Sprintf("Memory is the resident memory of the cell's process at its last training step, weights that are mapped from files included. Watched in every run: losses or gradients that are not finite; a loss or gradient norm more than %d robust deviations (1.4826 × median absolute deviation, at least %g %% of the median) above the running median of the %d steps before; a training loss that does not fall; memory more than %g %% and %d MiB above the plan; a share of V below %g %% where the blocks of Q, K and V are ranked together by a rule that reads rows.",
			SpikeDeviations, 100*spikeFloor, spikeWindow, 100*planTolerance, planSlack, 100*usualShareV),
	}
	return text
}

// facts describe model, rows and machine.
func (l *Lab) facts() []report.Fact {
	c := l.Config
	facts := []report.Fact{{Name: "model", Value: fmt.Sprintf("%s: %d parameters, %d layers, hidden size %d", l.Recipe.ModelNameOrPath, c.Params(), c.Layers, c.HiddenSize)}}
	if l.Split.Train != "" {
		facts = append(facts, report.Fact{Name: "rows", Value: fmt.Sprintf("%s: %d to train on, %d for validation, %d for test", strings.Join(l.Recipe.Dataset, ", "), l.Split.TrainRows, l.Split.ValRows, l.Split.TestRows)})
	}
	for _, r := range l.Results {
		if m := r.Machine; m.Device != "" {
			return append(facts, report.Fact{Name: "machine", Value: fmt.Sprintf("%s, %d cores, %.0f MiB, %s/%s", m.CPU, m.Cores, m.Memory, m.OS, m.Arch)},
				report.Fact{Name: "engine", Value: fmt.Sprintf("%s, %d threads, precision %s", m.Device, m.Threads, l.Recipe.Precision)},
				report.Fact{Name: "program", Value: strings.TrimSpace(fmt.Sprintf("smt %s, %s", m.Revision, m.Go))})
		}
	}
	return facts
}

// cellSection is the table of all cells.
func (l *Lab) cellSection() report.Section {
	t := report.Table{Header: []string{"cell", "status", "trained", "validation loss", "test loss", "steps", "time s", "step s", "peak MiB"},
		Note: "results.csv and results.json have every cell with all its measures, its recipe and the machine it ran on."}
	for _, r := range l.Results {
		if r.Status == "" {
			continue
		}
		t.Rows = append(t.Rows, []string{r.Name, r.Status, fmt.Sprint(r.Trainable), show(r.Validation.Loss().Mean, 4), plusMinus(r.Test.Loss(), 4), fmt.Sprint(r.Steps),
			show(r.TrainSeconds, 1), show(r.StepSeconds, 3), show(r.PeakRSS, 0)})
	}
	return report.Section{Title: "All cells", Tables: []report.Table{t}}
}

// figure draws a chart into the lab's directory. A chart that cannot be drawn, because no cell came to an end, is left out
// with a note.
func (l *Lab) figure(section *report.Section, name, caption string, draw func(path string) error) {
	path := filepath.Join(l.Dir, name)
	if err := draw(path); err != nil {
		os.Remove(path)
		l.skip("figure %s: %v", name, err)
		return
	}
	section.Figures = append(section.Figures, report.Figure{File: name, Caption: caption})
}

// show writes a number with some decimals, or "-".
func show(x float64, digits int) string {
	if !finite.Is(x) {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, x)
}

// plusMinus writes an estimate with its standard error.
func plusMinus(e Estimate, digits int) string {
	if !finite.Is(e.Mean) {
		return "-"
	}
	if !finite.Is(e.StandardError) {
		return show(e.Mean, digits)
	}
	return fmt.Sprintf("%.*f ± %.*f", digits, e.Mean, digits, e.StandardError)
}
