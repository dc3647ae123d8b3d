package experiment

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"smt/config"
	"smt/report"
)

// TaskStudy asks whether V dominates the selection whatever the data.
var TaskStudy = Study{
	Name:     "tasks",
	Question: "Does V dominate the selection for every task, and do tasks select the same blocks?",
	Summary:  "selections on several datasets, each a task of its own: share of V, overlap between tasks",
	Seeds:    2,
	OwnRows:  true,
	Method: []string{
		"Each file of --dataset is a task of its own, with its own training and test rows. SMT selects and tunes blocks on each with the recipe's settings, ranked as in the paper unless the recipe says otherwise: the blocks of q_proj, k_proj and v_proj together, by mean_abs_sum. The diagonal of the overlaps is between two seeds of the same task, which see its rows in another order: what lies below it is a difference between tasks.",
	},
	Run: tasks,
}

func tasks(ctx context.Context, l *Lab) (*Outcome, error) {
	if len(l.Recipe.Dataset) < 2 {
		return nil, fmt.Errorf("dataset: got %d file, expected two or more, each the rows of a task", len(l.Recipe.Dataset))
	}
	l.paperRule("target_modules", "selection", "block_score")
	r, err := l.RecipeOf(config.SMT, 0)
	if err != nil {
		return nil, err
	}
	if rates := l.rates(config.SMT); r.LearningRate == 0 || len(l.Rates[config.SMT]) > 0 && !l.Recipe.IsSet("learning_rate") {
		r.LearningRate = rates[0]
	}
	var names []string
	var cells []Cell
	var splits []Split
	for i, file := range l.Recipe.Dataset {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		own := l.Recipe
		own.Dataset = []string{file}
		split, err := SplitRows(filepath.Join(l.Dir, "data", fmt.Sprintf("%d-%s", i+1, name)), own)
		if err != nil {
			return nil, err
		}
		names, splits = append(names, name), append(splits, split)
		cells = append(cells, l.Cell("base on "+name, Base, r, Label{"task", name}).On(split))
		for _, seed := range l.Seeds {
			cells = append(cells, l.Cell(fmt.Sprintf("%s lr=%g seed=%d", name, r.LearningRate, seed), config.SMT, WithSeed(r, seed), Label{"task", name}).On(split))
		}
	}
	results, err := l.Run(ctx, "tasks", cells)
	if err != nil || l.DryRun {
		return nil, err
	}
	t := report.Table{Header: []string{"task", "training rows", "test loss before", "after", "taken off", "blocks in V %", "by chance %"}}
	sets := make([][]map[place]bool, len(names))
	s := report.Section{Title: "Selections by task"}
	var low []string
	for i, name := range names {
		of := results[i*(1+len(l.Seeds)):][:1+len(l.Seeds)]
		row := []string{name, fmt.Sprint(splits[i].TrainRows), plusMinus(of[0].Test.Loss(), 4)}
		first := true
		for _, x := range of[1:] {
			if !x.Usable() {
				continue
			}
			sel, err := x.selection()
			if err != nil {
				return nil, err
			}
			sets[i] = append(sets[i], places(sel))
			if !first {
				continue
			}
			first = false
			d, err := PairedDifference(of[0].Test, x.Test)
			if err != nil {
				return nil, err
			}
			row = append(row, plusMinus(x.Test.Loss(), 4), plusMinus(d, 4), show(100*x.ShareV, 1), show(100*x.ChanceV, 1))
			if x.ShareV < usualShareV {
				low = append(low, fmt.Sprintf("%s (%.1f %%)", name, 100*x.ShareV))
			}
			modules, _, byLayer := moduleShares(sel, l.Config.Layers)
			var layers []string
			for layer := range l.Config.Layers {
				layers = append(layers, fmt.Sprint(layer))
			}
			l.figure(&s, fmt.Sprintf("shares-%d.png", i+1), "Share of the selected elements by layer and module: "+name+".", func(path string) error {
				return report.HeatMap(path, name, layers, modules, byLayer)
			})
		}
		if first {
			row = append(row, "no run came to an end")
		}
		t.Rows = append(t.Rows, row)
	}
	values := make([][]float64, len(names))
	var within, between []float64
	for i := range names {
		for j := range names {
			v := overlapOf(sets[i], sets[j], i == j)
			values[i] = append(values[i], v)
			switch {
			case !finite(v):
			case i == j:
				within = append(within, v)
			case i < j:
				between = append(between, v)
			}
		}
	}
	s.Tables = append(s.Tables, t)
	l.figure(&s, "overlap.png", "Overlap (Jaccard) of the selections; the diagonal is between two seeds of the same task.", func(path string) error {
		return report.Matrix(path, report.Axes{Title: "overlap of the selections"}, names, names, values)
	})
	o := &Outcome{Sections: []report.Section{s}}
	if len(low) == 0 {
		o.Answers = append(o.Answers, fmt.Sprintf("V holds more than %.0f %% of the selected blocks for every task.", 100*usualShareV))
	} else {
		o.Answers = append(o.Answers, fmt.Sprintf("V holds less than %.0f %% of the selected blocks for %s.", 100*usualShareV, strings.Join(low, ", ")))
	}
	if len(within) > 0 && len(between) > 0 {
		o.Answers = append(o.Answers, fmt.Sprintf("Two tasks share %s of their blocks on average (Jaccard), two seeds of one task %s.", show(NewEstimate(between).Mean, 2), show(NewEstimate(within).Mean, 2)))
	}
	return o, nil
}

// overlapOf is the mean overlap of the selections of two tasks, or of different seeds of one.
func overlapOf(a, b []map[place]bool, same bool) float64 {
	var all []float64
	for i := range a {
		for j := range b {
			if !same || i < j {
				all = append(all, Jaccard(a[i], b[j]))
			}
		}
	}
	return NewEstimate(all).Mean
}
