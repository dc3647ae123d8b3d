package recipe

import (
	"fmt"
	"slices"

	"smt/model"
	"smt/report"
	"smt/sparse"
)

// selectBlocks ranks the blocks of the targets. With a budget for the MLP, attention and MLP are ranked apart.
func (s *session) selectBlocks(targets []sparse.Matrix, scores [][]float64, size, steps int) (*sparse.Selection, error) {
	r := s.recipe
	attention, mlp := sparse.Group{Name: "attention"}, sparse.Group{Name: "MLP"}
	apart := r.MLPNumBlocks > 0 || r.MLPTrainableRatio > 0
	var mine, theirs []sparse.Matrix
	for i, m := range targets {
		if apart && !model.InAttention(m.Module) {
			mlp.Matrices, theirs = append(mlp.Matrices, i), append(theirs, m)
		} else {
			attention.Matrices, mine = append(attention.Matrices, i), append(mine, m)
		}
	}
	params := s.base.Config.Params()
	var groups []sparse.Group
	for _, g := range []struct {
		group  sparse.Group
		of     []sparse.Matrix
		budget sparse.Budget
	}{
		{attention, mine, sparse.Budget{NumBlocks: r.NumBlocks, TrainableRatio: r.TrainableRatio, TargetRatio: r.TargetRatio}},
		{mlp, theirs, sparse.Budget{NumBlocks: r.MLPNumBlocks, TrainableRatio: r.MLPTrainableRatio}},
	} {
		if len(g.of) == 0 {
			continue
		}
		n, err := g.budget.Blocks(size, params, g.of)
		if err != nil {
			return nil, err
		}
		g.group.Blocks = n
		groups = append(groups, g.group)
	}
	selection, err := sparse.Select(targets, scores, size, sparse.Strategy(r.Selection), groups)
	if err != nil {
		return nil, err
	}
	selection.Score, selection.Steps = sparse.Score(r.BlockScore), steps
	return selection, nil
}

// reportSelection writes selection.json and selection.png and shows the table.
func (s *session) reportSelection(selection *sparse.Selection) error {
	if err := s.writeJSON("selection.json", newSelectionFile(selection)); err != nil {
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
	s.reporter.Table(fmt.Sprintf("%d blocks of %d × %d by %s over %d steps (layers without blocks left out)", total, selection.BlockSize,
		selection.BlockSize, selection.Score, selection.Steps), header, rows)
	title := fmt.Sprintf("%d selected blocks of %d × %d: %.1f %% in V (%s)", total, selection.BlockSize, selection.BlockSize, v, selection.Score)
	return report.HeatMap(s.path("selection.png"), title, labels, modules, shares)
}
