package sparse

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"smt/device"
)

// A Budget says how many blocks are selected; one of its fields is set.
type Budget struct {
	// NumBlocks is the number itself.
	NumBlocks int
	// TrainableRatio is the share of all parameters of the model that the selected blocks hold (the reference code's
	// meaning): blocks = floor(ratio · parameters / e), e being the elements of a block: b², or where edges are ragged the mean
	// of all blocks of the targets.
	TrainableRatio float64
	// TargetRatio is the share of the target matrices' parameters: blocks = floor(ratio · all blocks).
	TargetRatio float64
}

// Blocks resolves the budget for targets with blocks of size b in a model of params parameters. At least one block is selected; the
// budget may be more than there are.
func (b Budget) Blocks(size, params int, targets []Matrix) (int, error) {
	available, elements := Extent(size, targets)
	if available == 0 {
		return 0, fmt.Errorf("sparse: no target matrix to select blocks from")
	}
	n, each := b.NumBlocks, float64(elements)/float64(available)
	switch {
	case b.TrainableRatio > 0:
		n = int(b.TrainableRatio * float64(params) / each)
	case b.TargetRatio > 0:
		n = int(b.TargetRatio * float64(available))
	}
	if n < 0 {
		return 0, fmt.Errorf("sparse: a budget of %d blocks", n)
	}
	return max(n, 1), nil
}

// Extent counts the blocks of size b that matrices have, ragged ones included, and the elements.
func Extent(size int, matrices []Matrix) (blocks, elements int) {
	for _, m := range matrices {
		rows, cols := m.Grid(size)
		blocks += rows * cols
		elements += m.Out * m.In
	}
	return blocks, elements
}

// Strategy is where the budget applies.
type Strategy string

const (
	// Global ranks the blocks of all target matrices together.
	Global Strategy = "global"
	// PerMatrix gives every target matrix the same number of blocks, or all of its own where these are fewer.
	PerMatrix Strategy = "per_matrix"
	// Spread gives every target matrix a number of blocks in proportion to its own, and spreads them in it: of its rows and
	// columns of blocks none holds more than p blocks before no more can be added to those with less. Blocks with large
	// gradients lie in the same rows and columns, those of the model's outliers, which the other rules therefore fill.
	Spread Strategy = "spread"
)

// Strategies lists them, the default first.
var Strategies = []Strategy{Spread, Global, PerMatrix}

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

// MatrixSelection is what was selected of one target matrix, in the order in which it was taken: by descending score, with Spread pass
// by pass.
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
// evenly over its matrices, the first few in order of name getting one more; what a matrix has no room for goes to the others. With
// Spread a matrix gets its exact share rounded down, and those with the largest remainders one more, of equal ones those with the best block.
func Select(targets []Matrix, scores [][]float64, b int, strategy Strategy, groups []Group) (*Selection, error) {
	if !slices.Contains(Strategies, strategy) {
		return nil, fmt.Errorf("sparse: selection %q: expected one of %s", strategy, strings.Trim(fmt.Sprint(Strategies), "[]"))
	}
	return &Selection{BlockSize: b, Strategy: strategy, Matrices: rank(targets, scores, b, strategy, groups)}, nil
}

// A candidate is a block that may be selected.
type candidate struct {
	matrix int // index into the targets
	ScoredBlock
}

// rank is Select for a strategy that is known to be one.
func rank(targets []Matrix, scores [][]float64, b int, strategy Strategy, groups []Group) []MatrixSelection {
	var selected []MatrixSelection
	for _, m := range targets {
		selected = append(selected, MatrixSelection{Matrix: m})
	}
	// There are a hundred thousand blocks and more: one buffer serves all matrices.
	var buffer []candidate
	order := func(matrices []int) []candidate {
		total := 0
		for _, i := range matrices {
			total += len(scores[i])
		}
		all := slices.Grow(buffer[:0], total)
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
		buffer = all
		return all
	}
	take := func(all []candidate) {
		for _, c := range all {
			selected[c.matrix].Blocks = append(selected[c.matrix].Blocks, c.ScoredBlock)
		}
	}
	for _, g := range groups {
		if strategy == Global {
			all := order(g.Matrices)
			take(all[:min(g.Blocks, len(all))])
			continue
		}
		room, best := make([]int, len(g.Matrices)), make([]float64, len(g.Matrices))
		total := 0
		for at, i := range g.Matrices {
			room[at] = len(scores[i])
			total += room[at]
			if strategy == Spread && room[at] > 0 {
				best[at] = slices.Max(scores[i])
			}
		}
		first := func(x, y int) int {
			return cmp.Or(cmp.Compare(best[y], best[x]), cmp.Compare(targets[g.Matrices[x]].Name, targets[g.Matrices[y]].Name))
		}
		divide := share
		if strategy == PerMatrix {
			divide = shareEvenly
		}
		for at, n := range divide(min(g.Blocks, total), room, first) {
			i := g.Matrices[at]
			all := order([]int{i})
			if strategy == Spread {
				rows, cols := targets[i].Grid(b)
				all = spread(all, n, rows, cols)
			}
			take(all[:n])
		}
	}
	return selected
}

// shareEvenly divides n, at most the sum of room, into parts as equal as room allows: places with less room than their part are filled,
// and the others share what is left; the first of them by order get one more.
func shareEvenly(n int, room []int, order func(x, y int) int) []int {
	parts, open := make([]int, len(room)), make([]int, len(room))
	for i := range room {
		open[i] = i
	}
	slices.SortFunc(open, func(x, y int) int { return cmp.Or(cmp.Compare(room[x], room[y]), order(x, y)) })
	for len(open) > 0 && room[open[0]]*len(open) <= n {
		parts[open[0]] = room[open[0]]
		n -= room[open[0]]
		open = open[1:]
	}
	slices.SortFunc(open, order)
	for at, i := range open {
		parts[i] = n / len(open)
		if at < n%len(open) {
			parts[i]++
		}
	}
	return parts
}

// share divides n in proportion to weights: each place gets its exact share rounded down, and those with the largest remainders
// one more; equal remainders go by order.
func share(n int, weights []int, order func(x, y int) int) []int {
	total := 0
	for _, w := range weights {
		total += w
	}
	if total == 0 {
		return nil
	}
	parts, places, left := make([]int, len(weights)), make([]int, len(weights)), n
	for i, w := range weights {
		parts[i], places[i] = n*w/total, i
		left -= parts[i]
	}
	slices.SortFunc(places, func(x, y int) int { return cmp.Or(cmp.Compare(n*weights[y]%total, n*weights[x]%total), order(x, y)) })
	for _, i := range places[:left] {
		parts[i]++
	}
	return parts
}

// spread takes n blocks, the first ones first, in passes: after pass p no row or column of a grid of rows × cols blocks holds more
// than p of them. Those that are left are moved up in all.
func spread(all []candidate, n, rows, cols int) []candidate {
	taken, inRow, inCol := make([]candidate, 0, n), make([]int, rows), make([]int, cols)
	for pass := 1; len(taken) < n; pass++ {
		rest := all[:0]
		for _, c := range all {
			if len(taken) == n || inRow[c.Row] == pass || inCol[c.Col] == pass {
				rest = append(rest, c)
				continue
			}
			taken = append(taken, c)
			inRow[c.Row]++
			inCol[c.Col]++
		}
		all = rest
	}
	return taken
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
