package sparse

import (
	"cmp"
	"fmt"
	"slices"

	"smt/device"
)

// A Budget says how many blocks are selected; exactly one of its fields is set.
type Budget struct {
	// NumBlocks is the number itself.
	NumBlocks int
	// TrainableRatio is the share of all parameters of the model that the selected blocks hold (the reference code's
	// meaning): blocks = floor(ratio · parameters / b²).
	TrainableRatio float64
	// TargetRatio is the share of the target matrices' parameters.
	TargetRatio float64
}

// Blocks resolves the budget for targets with blocks of size b in a model of params parameters. At least one block is
// selected, at most all there are.
func (b Budget) Blocks(size, params int, targets []Matrix) (int, error) {
	available, elements := 0, 0
	for _, m := range targets {
		rows, cols := m.Grid(size)
		available += rows * cols
		elements += m.Out * m.In
	}
	n := b.NumBlocks
	switch {
	case b.TrainableRatio > 0:
		n = int(b.TrainableRatio * float64(params) / float64(size*size))
	case b.TargetRatio > 0:
		n = int(b.TargetRatio * float64(elements) / float64(size*size))
	}
	if n < 0 {
		return 0, fmt.Errorf("sparse: a budget of %d blocks", n)
	}
	if available == 0 {
		return 0, fmt.Errorf("sparse: no target matrix to select blocks from")
	}
	return min(max(n, 1), available), nil
}

// Strategy is where the budget applies.
type Strategy string

const (
	// Global ranks the blocks of all target matrices together.
	Global Strategy = "global"
	// PerMatrix gives every target matrix the same number of blocks.
	PerMatrix Strategy = "per_matrix"
)

// A Group is a set of target matrices that share one budget, such as attention or MLP.
type Group struct {
	Name     string
	Matrices []int // indices into the targets
	// Blocks is the number of blocks of the whole group, with PerMatrix as with Global.
	Blocks int
}

// ScoredBlock is a selected block with its score.
type ScoredBlock struct {
	device.Block
	Score float64
}

// MatrixSelection is what was selected of one target matrix, in descending order of score.
type MatrixSelection struct {
	Matrix
	Blocks []ScoredBlock
}

// A Selection is the result of the third part of SMT.
type Selection struct {
	BlockSize int
	Score     Score
	Strategy  Strategy
	Steps     int               // warm-up steps that the scores come from
	Matrices  []MatrixSelection // all targets, in their order, with or without blocks
}

// Select is the sub-matrix selector: it ranks blocks by score and keeps each group's budget. scores[i] is the grid of
// target i, row by row. Ties go by matrix name, then row, then column. With PerMatrix the group's blocks are shared out
// evenly over its matrices: all get ⌊blocks/matrices⌋, and the first few in order of name one more.
func Select(targets []Matrix, scores [][]float64, b int, strategy Strategy, groups []Group) (*Selection, error) {
	if strategy != Global && strategy != PerMatrix {
		return nil, fmt.Errorf("sparse: selection %q: expected global or per_matrix", strategy)
	}
	return &Selection{BlockSize: b, Strategy: strategy, Matrices: rank(targets, scores, b, strategy, groups)}, nil
}

// rank is Select for a strategy that is known to be one.
func rank(targets []Matrix, scores [][]float64, b int, strategy Strategy, groups []Group) []MatrixSelection {
	var selected []MatrixSelection
	for _, m := range targets {
		selected = append(selected, MatrixSelection{Matrix: m})
	}
	type candidate struct {
		matrix int
		ScoredBlock
	}
	take := func(matrices []int, n int) {
		var all []candidate
		for _, i := range matrices {
			_, cols := targets[i].Grid(b)
			for k, score := range scores[i] {
				all = append(all, candidate{i, ScoredBlock{device.Block{Row: int32(k / cols), Col: int32(k % cols)}, score}})
			}
		}
		slices.SortFunc(all, func(x, y candidate) int {
			return cmp.Or(cmp.Compare(y.Score, x.Score), cmp.Compare(targets[x.matrix].Name, targets[y.matrix].Name),
				cmp.Compare(x.Row, y.Row), cmp.Compare(x.Col, y.Col))
		})
		for _, c := range all[:min(n, len(all))] {
			selected[c.matrix].Blocks = append(selected[c.matrix].Blocks, c.ScoredBlock)
		}
	}
	for _, g := range groups {
		if strategy == Global {
			take(g.Matrices, g.Blocks)
			continue
		}
		order := slices.Clone(g.Matrices)
		slices.SortFunc(order, func(x, y int) int { return cmp.Compare(targets[x].Name, targets[y].Name) })
		for at, i := range order {
			n := g.Blocks / len(order)
			if at < g.Blocks%len(order) {
				n++
			}
			take([]int{i}, n)
		}
	}
	return selected
}

// Blocks counts the selected blocks.
func (s *Selection) Blocks() int {
	n := 0
	for _, m := range s.Matrices {
		n += len(m.Blocks)
	}
	return n
}

// Share is the part of the selected blocks that lie in a module, such as "v_proj": the paper reports 95 % for V.
func (s *Selection) Share(module string) float64 {
	n := 0
	for _, m := range s.Matrices {
		if m.Module == module {
			n += len(m.Blocks)
		}
	}
	return float64(n) / float64(max(s.Blocks(), 1))
}

// byColumn returns blocks sorted by column, then row: blocks that read the same input columns lie together, so that the
// grouped products pack these columns once.
func byColumn(blocks []ScoredBlock) []device.Block {
	out := make([]device.Block, len(blocks))
	for i, k := range blocks {
		out[i] = k.Block
	}
	slices.SortFunc(out, func(x, y device.Block) int { return cmp.Or(cmp.Compare(x.Col, y.Col), cmp.Compare(x.Row, y.Row)) })
	return out
}
