package experiment

import (
	"context"
	"fmt"

	"smt/config"
	"smt/report"
	"smt/sparse"
)

// PaperMemorySaving is the part of full fine-tuning's GPU memory that the paper says SMT saves.
const PaperMemorySaving = 0.67

// Memory asks what a run needs, and whether the plan knows.
var Memory = Study{
	Name:     "memory",
	Question: "How much memory does each method need, does smt plan know it beforehand, and how much does SMT save?",
	Summary:  "measured peak memory beside smt plan, and the saving beside full fine-tuning",
	Methods:  []string{config.SMT, string(sparse.MeanAbsStep), config.LoRA, config.DoRA, config.Full},
	Method: []string{
		"Each method runs a few steps in a process of its own. Measured is the peak of the process's resident memory; beyond the start is that less what it held before anything was loaded. The plan counts mapped weights as if all of them were resident, and the largest batch that the recipe allows. The paper's claim is about GPUs and 16-bit weights: what is saved depends on how much of the memory is activations, which all methods need.",
	},
	Run: memoryUse,
}

// memorySteps is enough for the peak: everything is allocated when the first step ends.
const memorySteps = 4

func memoryUse(ctx context.Context, l *Lab) (*Outcome, error) {
	methods := l.unlikeSMT(l.usable(l.Methods))
	var cells []Cell
	for _, m := range methods {
		r, err := l.RecipeOf(m, 0)
		if err != nil {
			return nil, err
		}
		r.MaxSteps = memorySteps
		if r.WarmupFullSteps == 0 || r.WarmupFullSteps > memorySteps {
			r.WarmupFullSteps = memorySteps
		}
		r.LearningRate = l.rates(m, r)[0]
		cells = append(cells, l.Cell(m, m, WithSeed(r, l.Seeds[0])))
	}
	results, err := l.Run(ctx, "memory", cells)
	if err != nil || l.DryRun {
		return nil, err
	}
	t := report.Table{Header: []string{"method", "trained", "peak MiB", "beyond the start MiB", "plan MiB", "measured / plan", "of full %", "of full beyond the start %"}}
	var full *Result
	for i := range results {
		if results[i].Method == config.Full && results[i].Usable() {
			full = &results[i]
		}
	}
	var peaks []report.Interval
	o := &Outcome{}
	for _, r := range results {
		if !r.Usable() {
			t.Rows = append(t.Rows, []string{r.Name, "-", "no run came to an end"})
			continue
		}
		row := []string{r.Name, fmt.Sprint(r.Trainable), show(r.PeakRSS, 0), show(r.Overhead(), 0), show(r.PlanMiB, 0), show(r.Overhead()/r.PlanMiB, 2)}
		if full != nil {
			row = append(row, show(100*r.PeakRSS/full.PeakRSS, 0), show(100*r.Overhead()/full.Overhead(), 0))
			if r.Method == config.SMT {
				o.Answers = append(o.Answers, fmt.Sprintf("SMT takes %.0f MiB and full fine-tuning %.0f MiB: %.0f %% less (%.0f %% less beyond what the process holds at its start). The paper reports %.0f %%.",
					r.PeakRSS, full.PeakRSS, 100*(1-r.PeakRSS/full.PeakRSS), 100*(1-r.Overhead()/full.Overhead()), 100*PaperMemorySaving))
			}
		}
		t.Rows = append(t.Rows, row)
		peaks = append(peaks, report.Interval{Name: r.Name, Value: r.PeakRSS}, report.Interval{Name: r.Name + ", plan", Value: r.PlanMiB + r.StartRSS})
		o.Answers = append(o.Answers, fmt.Sprintf("%s: measured %.0f MiB beyond the start, planned %.0f MiB (%+.0f %%).", r.Name, r.Overhead(), r.PlanMiB, 100*(r.Overhead()/r.PlanMiB-1)))
	}
	s := report.Section{Title: "Measured and planned", Tables: []report.Table{t}}
	l.figure(&s, "memory.png", "Peak resident memory, and what smt plan says with the start of the process added.", func(path string) error {
		return report.Intervals(path, "peak memory", "MiB", peaks, false)
	})
	o.Sections = append(o.Sections, s)
	return o, nil
}
