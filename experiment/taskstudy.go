package experiment

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"smt/config"
	"smt/internal/finite"
	"smt/report"
	"smt/sparse"
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
	if len(l.Recipe.EvalDataset) > 0 {
		return nil, fmt.Errorf("experiment: eval_dataset: got %v, expected none: each task has test rows of its own; set val_size, or leave both out", l.Recipe.EvalDataset)
	}
	l.paperRule("target_modules", "selection", "block_score")
	all, err := l.runTasks(ctx)
	if err != nil || l.DryRun {
		return nil, err
	}
	s := report.Section{Title: "Selections by task"}
	t := report.Table{Header: []string{"task", "training rows", "test loss before", "after", "taken off", "blocks in V %", "by chance %"}}
	var ran, low, missing []string
	for i, x := range all {
		row := []string{x.name, fmt.Sprint(x.split.TrainRows), plusMinus(x.base.Test.Loss(), 4)}
		if len(x.runs) == 0 {
			t.Rows = append(t.Rows, append(row, "no run came to an end"))
			missing = append(missing, x.name)
			continue
		}
		ran = append(ran, x.name)
		first, off := x.runs[0], "-"
		if x.base.Usable() {
			d, err := PairedDifference(x.base.Test, first.Test)
			if err != nil {
				return nil, err
			}
			off = plusMinus(d, 4)
		}
		t.Rows = append(t.Rows, append(row, plusMinus(first.Test.Loss(), 4), off, show(100*first.ShareV, 1), show(100*first.ChanceV, 1)))
		if first.ShareV < usualShareV {
			low = append(low, fmt.Sprintf("%s (%.1f %%)", x.name, 100*first.ShareV))
		}
		l.sharesFigure(&s, fmt.Sprintf("shares-%d.png", i+1), x.name, x.selections[0])
	}
	s.Tables = append(s.Tables, t)
	within, between := l.taskOverlaps(&s, all)
	o := &Outcome{Sections: []report.Section{s}, Answers: shareAnswers(ran, low, missing)}
	if within.N > 0 && between.N > 0 {
		o.Answers = append(o.Answers, fmt.Sprintf("Two tasks share %s of their blocks on average (Jaccard), two seeds of one task %s.", show(between.Mean, 2), show(within.Mean, 2)))
	}
	return o, nil
}

// shareAnswers says of which tasks V holds most blocks: low are those of ran for which it does not, and missing have no run to tell.
func shareAnswers(ran, low, missing []string) []string {
	var answers []string
	switch {
	case len(ran) == 0:
		return []string{"Whether V holds most blocks is not known: no run came to an end."}
	case len(low) > 0:
		answers = append(answers, fmt.Sprintf("V holds less than %.0f %% of the selected blocks for %s.", 100*usualShareV, strings.Join(low, ", ")))
	case len(missing) > 0:
		answers = append(answers, fmt.Sprintf("V holds at least %.0f %% of the selected blocks for %s.", 100*usualShareV, strings.Join(ran, ", ")))
	default:
		answers = append(answers, fmt.Sprintf("V holds at least %.0f %% of the selected blocks for every task.", 100*usualShareV))
	}
	if len(missing) > 0 {
		answers = append(answers, fmt.Sprintf("Nothing is known of %s: no run came to an end.", strings.Join(missing, ", ")))
	}
	return answers
}

// A taskRun is what was run on one of the tasks.
type taskRun struct {
	name       string
	split      Split
	base       Result
	runs       []Result // those that came to their end, by seed
	selections []*sparse.Selection
}

// runTasks runs the model as it is and SMT with every seed on each of the recipe's files.
func (l *Lab) runTasks(ctx context.Context) ([]taskRun, error) {
	r, err := l.RecipeOf(config.SMT, 0)
	if err != nil {
		return nil, err
	}
	if r.LearningRate == 0 {
		rates := l.rates(config.SMT, r)
		r.LearningRate = rates[len(rates)/2]
	}
	var all []taskRun
	var cells []Cell
	for i, file := range l.Recipe.Dataset {
		x := taskRun{name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))}
		own := l.Recipe
		own.Dataset = []string{file}
		if x.split, err = l.split(filepath.Join(l.Dir, "data", fmt.Sprintf("%d-%s", i+1, x.name)), own); err != nil {
			return nil, err
		}
		all = append(all, x)
		cells = append(cells, l.Cell("base on "+x.name, Base, r, Label{"task", x.name}).On(x.split))
		for _, seed := range l.Seeds {
			cells = append(cells, l.Cell(fmt.Sprintf("%s lr=%g seed=%d", x.name, r.LearningRate, seed), config.SMT, WithSeed(r, seed), Label{"task", x.name}).On(x.split))
		}
	}
	results, err := l.Run(ctx, "tasks", cells)
	if err != nil || l.DryRun {
		return nil, err
	}
	for i := range all {
		x := &all[i]
		of := results[i*(1+len(l.Seeds)):][:1+len(l.Seeds)]
		x.base = of[0]
		for _, run := range of[1:] {
			if !run.Usable() {
				continue
			}
			selected, err := run.selection()
			if err != nil {
				return nil, err
			}
			x.runs, x.selections = append(x.runs, run), append(x.selections, selected)
		}
	}
	return all, nil
}

// taskOverlaps draws how much the tasks' selections overlap, and returns the mean overlap within tasks and between them.
func (l *Lab) taskOverlaps(s *report.Section, all []taskRun) (within, between Estimate) {
	names, sets, values := make([]string, len(all)), make([][]map[place]bool, len(all)), make([][]float64, len(all))
	for i, x := range all {
		names[i] = x.name
		for _, selected := range x.selections {
			sets[i] = append(sets[i], places(selected))
		}
	}
	var same, other []float64
	for i := range all {
		for j := range all {
			v := overlapOf(sets[i], sets[j], i == j)
			values[i] = append(values[i], v)
			switch {
			case !finite.Is(v):
			case i == j:
				same = append(same, v)
			case i < j:
				other = append(other, v)
			}
		}
	}
	l.figure(s, "overlap.png", "Overlap (Jaccard) of the selections; the diagonal is between two seeds of the same task.", func(path string) error {
		return report.Matrix(path, report.Axes{Title: "overlap of the selections"}, names, names, values)
	})
	return NewEstimate(same), NewEstimate(other)
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
