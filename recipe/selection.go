package recipe

import (
	"fmt"
	"math"
	"slices"

	"smt/config"
	"smt/model"
	"smt/report"
	"smt/sparse"
)

// candidates are the targets whose blocks the recipe's rule chooses among.
func candidates(r config.Recipe, targets []sparse.Matrix) []sparse.Matrix {
	return sparse.Candidates(sparse.Score(r.BlockScore), targets, mlpApart(r))
}

// mlpApart reports whether attention and MLP are ranked apart.
func mlpApart(r config.Recipe) bool { return r.MLPNumBlocks > 0 || r.MLPTrainableRatio > 0 }

// blockGroups resolves the budgets of a recipe for a model of params parameters: one group, or with a budget for the MLP one
// for attention and one for the MLP. Budgets are reckoned from all targets, and so the same for every rule; the groups hold
// the numbers of the candidates.
func blockGroups(r config.Recipe, size, params int, targets []sparse.Matrix) ([]sparse.Group, error) {
	apart := mlpApart(r)
	groups := []sparse.Group{{Name: "attention"}}
	budgets := []sparse.Budget{{NumBlocks: r.NumBlocks, TrainableRatio: r.TrainableRatio, TargetRatio: r.TargetRatio}}
	if apart {
		groups = append(groups, sparse.Group{Name: "MLP"})
		budgets = append(budgets, sparse.Budget{NumBlocks: r.MLPNumBlocks, TrainableRatio: r.MLPTrainableRatio})
	}
	of := func(m sparse.Matrix) int {
		if apart && !model.InAttention(m.Module) {
			return 1
		}
		return 0
	}
	all := make([][]sparse.Matrix, len(groups))
	for _, m := range targets {
		all[of(m)] = append(all[of(m)], m)
	}
	for i, m := range candidates(r, targets) {
		groups[of(m)].Matrices = append(groups[of(m)].Matrices, i)
	}
	var some []sparse.Group
	for i, g := range groups {
		if len(g.Matrices) == 0 || budgets[i] == (sparse.Budget{}) {
			continue
		}
		n, err := budgets[i].Blocks(size, params, all[i])
		if err != nil {
			return nil, err
		}
		g.Blocks = n
		some = append(some, g)
	}
	return some, nil
}

// A Budget is what a recipe of SMT trains in a model.
type Budget struct {
	Blocks int // as many as the recipe's budgets allow or, if that is less, as its rule chooses among
	Size   int // side of a block
	Params int // what the blocks hold: Blocks · Size², or where edges are ragged as many blocks of mean size
}

// BudgetOf resolves the budgets of a recipe.
func BudgetOf(c *model.Config, r config.Recipe) (Budget, error) {
	targets := sparse.MatricesOf(c, r.TargetModules)
	size, _ := sparse.ChooseBlockSize(r.BlockSize, targets, c.HiddenSize)
	groups, err := blockGroups(r, size, c.Params(), targets)
	if err != nil {
		return Budget{}, err
	}
	b, some := Budget{Size: size}, candidates(r, targets)
	for _, g := range groups {
		var of []sparse.Matrix
		for _, i := range g.Matrices {
			of = append(of, some[i])
		}
		available, elements := sparse.Extent(size, of)
		n := min(g.Blocks, available)
		b.Blocks += n
		b.Params += int(math.Round(float64(n) * float64(elements) / float64(available)))
	}
	return b, nil
}

// LearningRate is the usual learning rate of SMT for a recipe and a model (see [config.SMTLearningRate]).
func LearningRate(c *model.Config, r config.Recipe) (float64, error) {
	b, err := BudgetOf(c, r)
	if err != nil {
		return 0, err
	}
	return config.SMTLearningRate(c.HiddenSize, float64(b.Params)/float64(c.Params()), r.Selection, r.BlockScore), nil
}

// selectBlocks ranks the blocks of the candidates within the groups' budgets.
func (s *session) selectBlocks(candidates []sparse.Matrix, scores [][]float64, size, steps int, groups []sparse.Group) (*sparse.Selection, error) {
	selection, err := sparse.Select(candidates, scores, size, sparse.Strategy(s.recipe.Selection), groups)
	if err != nil {
		return nil, err
	}
	selection.Score, selection.Steps = sparse.Score(s.recipe.BlockScore), steps
	budget := 0
	for _, g := range groups {
		budget += g.Blocks
	}
	if n := selection.Blocks(); n < budget {
		s.reporter.Note("block_score %s, selection %s: the budget is %d blocks, but only %d are there to choose from", selection.Score, selection.Strategy, budget, n)
	}
	return selection, nil
}

// selectionName is the file of the chosen blocks in the output directory.
const selectionName = "selection.json"

// reportSelection writes selection.json and selection.png and shows the table.
func (s *session) reportSelection(selection *sparse.Selection) error {
	if err := s.writeJSON(selectionName, newSelectionFile(selection)); err != nil {
		return err
	}
	layers := s.base.Config.Layers
	var modules []string
	for _, m := range selection.Matrices {
		if !slices.Contains(modules, m.Module) {
			modules = append(modules, m.Module)
		}
	}
	total := selection.Blocks()
	counts, shares := make([][]int, layers), make([][]float64, layers)
	for l := range layers {
		counts[l], shares[l] = make([]int, len(modules)), make([]float64, len(modules))
	}
	sums := make([]int, len(modules))
	for _, m := range selection.Matrices {
		at := slices.Index(modules, m.Module)
		counts[m.Layer][at] = len(m.Blocks)
		shares[m.Layer][at] = float64(len(m.Blocks)) / float64(total)
		sums[at] += len(m.Blocks)
	}
	header := append([]string{"layer"}, modules...)
	var rows [][]string
	var labels []string
	for l := range layers {
		labels = append(labels, fmt.Sprint(l))
		row := []string{fmt.Sprint(l)}
		any := false
		for _, n := range counts[l] {
			any = any || n > 0
			row = append(row, fmt.Sprint(n))
		}
		if any {
			rows = append(rows, row)
		}
	}
	share := []string{"share"}
	for _, n := range sums {
		share = append(share, fmt.Sprintf("%.1f %%", 100*float64(n)/float64(total)))
	}
	rows = append(rows, share)
	v := 100 * selection.Share("v_proj")
	source := fmt.Sprintf("over %d steps", selection.Steps)
	if selection.Score.DataFree() {
		source = "without a warm-up"
	}
	s.reporter.Table(fmt.Sprintf("%d blocks of %d × %d by %s %s (layers without blocks left out)", total, selection.BlockSize,
		selection.BlockSize, selection.Score, source), header, rows)
	title := fmt.Sprintf("%d selected blocks of %d × %d: %.1f %% in V (%s)", total, selection.BlockSize, selection.BlockSize, v, selection.Score)
	return report.HeatMap(s.path("selection.png"), title, labels, modules, shares)
}
