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
	usual, _ := sparse.ChooseBlockSize(l.Recipe.BlockSize, targets, l.Config.HiddenSize)
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
			l.note(Signature{Kind: BudgetMissed, Cell: name, Text: fmt.Sprintf("%d blocks of %d × %d are %d parameters of a budget of %d", n, size, size, n*size*size, budget)})
		}
		contenders = append(contenders, Contender{Name: name, Method: config.SMT, Recipe: r, Rates: l.rates(config.SMT, r), Labels: []Label{{"block", fmt.Sprint(size)}}})
	}
	if len(contenders) == 0 {
		return nil, fmt.Errorf("experiment: --block_sizes %v: none fits the model (sides up to %d) and the budget of %d parameters", l.BlockSizes, side, budget)
	}
	base, tuned, err := l.tuneBesideBase(ctx, contenders)
	if err != nil || l.DryRun {
		return nil, err
	}
	losses, differences := l.lossSection(base, tuned, reference)
	where, err := whereBlocksLie(tuned, reference)
	if err != nil {
		return nil, err
	}
	losses.Tables = append(losses.Tables, where)
	return &Outcome{Answers: answersOf(differences, reference), Sections: []report.Section{losses, l.costSection(tuned), l.rateSection(tuned)}}, nil
}

// whereBlocksLie compares the selections of the sizes with that of the reference, element by element.
func whereBlocksLie(tuned []Tuned, reference string) (report.Table, error) {
	t := report.Table{Title: "where the blocks lie", Header: []string{"", "blocks", "in V %", "by chance %", "elements shared with " + reference + " (Jaccard)"}}
	var selections []*sparse.Selection
	var ref *sparse.Selection
	for _, m := range tuned {
		var s *sparse.Selection
		if len(m.Runs) > 0 {
			var err error
			if s, err = m.Runs[0].selection(); err != nil {
				return t, err
			}
		}
		if selections = append(selections, s); m.Name == reference {
			ref = s
		}
	}
	for i, m := range tuned {
		s := selections[i]
		if s == nil {
			continue
		}
		shared := "-"
		if ref != nil {
			side := s.BlockSize
			for rest := ref.BlockSize; rest != 0; {
				side, rest = rest, side%rest // the greatest common divisor
			}
			shared = show(Jaccard(elements(s, side), elements(ref, side)), 2)
		}
		t.Rows = append(t.Rows, []string{m.Name, fmt.Sprint(s.Blocks()), show(100*m.Runs[0].ShareV, 1), show(100*m.Runs[0].ChanceV, 1), shared})
	}
	return t, nil
}
