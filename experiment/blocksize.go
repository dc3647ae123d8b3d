package experiment

import (
	"context"
	"fmt"

	"smt/config"
	"smt/report"
	"smt/sparse"
)

// BlockSize asks what the side of a block costs and brings.
var BlockSize = Study{
	Name:     "block-size",
	Question: "How do loss, step time and memory depend on the block size, at equal trainable parameters?",
	Summary:  "loss, step time and memory by block size, at equal trainable parameters",
	Seeds:    1,
	Method: []string{
		"SMT with blocks of each size that fits into the target matrices and the budget, at the same budget of parameters, each with a learning rate of its own. Differences are to the recipe's block size, or the nearest one that was run.",
	},
	Run: blockSize,
}

func blockSize(ctx context.Context, l *Lab) (*Outcome, error) {
	targets := sparse.MatricesOf(l.Config, l.Recipe.TargetModules)
	budget, err := smtBudget(l.Config, l.Recipe)
	if err != nil {
		return nil, err
	}
	side := 0
	for _, t := range targets {
		if short := min(t.In, t.Out); side == 0 || short < side {
			side = short
		}
	}
	usual := l.Recipe.BlockSize
	if usual == 0 {
		usual, _ = sparse.ChooseBlockSize(targets)
	}
	var contenders []Contender
	reference, nearest := "", 0
	for _, size := range l.BlockSizes {
		if size < sparse.MinBlock || size > side || size*size > budget {
			l.skip("block size %d: expected %d to %d (the shortest side of a target matrix), with at most %d elements (the budget)", size, sparse.MinBlock, side, budget)
			continue
		}
		r, err := l.RecipeOf(config.SMT, float64(budget)/float64(l.Config.Params())*(1+1e-9))
		if err != nil {
			return nil, err
		}
		r.BlockSize = size
		name := fmt.Sprintf("block %d", size)
		if off := max(size, usual) - min(size, usual); reference == "" || off < nearest {
			reference, nearest = name, off
		}
		if n := budget / (size * size); n*size*size < budget*9/10 {
			l.note(Signature{BudgetMissed, name, fmt.Sprintf("%d blocks of %d × %d are %d parameters of a budget of %d", n, size, size, n*size*size, budget)})
		}
		contenders = append(contenders, Contender{Name: name, Method: config.SMT, Recipe: r, Rates: l.rates(config.SMT), Labels: []Label{{"block", fmt.Sprint(size)}}})
	}
	if len(contenders) == 0 {
		return nil, fmt.Errorf("experiment: --block_sizes %v: none fits the model (sides up to %d) and the budget of %d parameters", l.BlockSizes, side, budget)
	}
	base, err := l.Run(ctx, "the model as it is", []Cell{l.Cell("base", Base, l.Recipe)})
	if err != nil {
		return nil, err
	}
	tuned, err := l.Tune(ctx, contenders)
	if err != nil || l.DryRun {
		return nil, err
	}
	losses, differences := l.lossSection(base[0], tuned, reference)
	t := report.Table{Title: "where the blocks lie", Header: []string{"", "blocks", "in V %", "by chance %"}}
	for _, m := range tuned {
		if len(m.Runs) > 0 {
			r := m.Runs[0]
			t.Rows = append(t.Rows, []string{m.Name, fmt.Sprint(r.Selected), show(100*r.ShareV, 1), show(100*r.ChanceV, 1)})
		}
	}
	losses.Tables = append(losses.Tables, t)
	return &Outcome{Answers: answersOf(differences, reference), Sections: []report.Section{losses, l.costSection(tuned), l.rateSection(tuned)}}, nil
}
