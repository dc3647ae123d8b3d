package sparse

import (
	"cmp"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"

	"smt/device"
	"smt/internal/finite"
)

// The rules that read no row of data: controls for those that do.

// RandomScores draws a number from [0, 1) for every block, matrix by matrix and row by row: one grid for each target. The
// blocks with the largest numbers are a uniform draw without replacement. The same seed gives the same numbers on every
// machine.
func RandomScores(targets []Matrix, b int, seed uint64) [][]float64 {
	source := rand.New(rand.NewPCG(seed, 0x626c6f636b73))
	all := make([][]float64, len(targets))
	for i, m := range targets {
		rows, cols := m.Grid(b)
		all[i] = make([]float64, rows*cols)
		for k := range all[i] {
			all[i][k] = source.Float64()
		}
	}
	return all
}

// DiagonalScores ranks the blocks of every matrix by their place on its diagonals, as in DiaBlo (arXiv 2506.03230), which
// trains the diagonal blocks of every matrix. The score of a block is minus the number of blocks of its matrix that come
// before it; so a budget over several matrices gives all of them the same number of blocks, or one more to the first by name,
// as long as they have that many.
//
// In a grid of R × C blocks with L = max(R, C), the diagonal is stretched over the longer side: its blocks are
// (⌊kR/L⌋, ⌊kC/L⌋) for k = 0 ... L-1, one in every row and column of a square grid, and one in every column of a wide or row
// of a tall one. (Where the shorter side divides the longer, these are the elements of DiaBlo's min(R, C) rectangular
// blocks.) Places k are taken in the order of their bits reversed (0, then about 1/2, 1/4, 3/4, ... of the power of two that
// holds L), so that a budget below L is spread over the diagonal. A budget beyond it goes on with the diagonals next to it:
// number d = 1, 2, ... is d blocks further along the shorter side (of a square grid, to the right), wrapped around, until all
// blocks are taken.
func DiagonalScores(targets []Matrix, b int) [][]float64 {
	all := make([][]float64, len(targets))
	for i, m := range targets {
		rows, cols := m.Grid(b)
		scores := make([]float64, rows*cols)
		long, short := max(rows, cols), min(rows, cols)
		order := make([]int, long)
		for k := range order {
			order[k] = k
		}
		slices.SortFunc(order, func(x, y int) int { return cmp.Compare(bits.Reverse32(uint32(x)), bits.Reverse32(uint32(y))) })
		for d := range short {
			for place, k := range order {
				row, col := k, (k*short/long+d)%short
				if cols > rows {
					row, col = col, row
				}
				scores[row*cols+col] = float64(-(d*long + place))
			}
		}
		all[i] = scores
	}
	return all
}

// MagnitudeScores are mean |W| of every block, weight giving W [out, in] of any float dtype. Each matrix is widened in
// turn: scratch memory is one matrix of the largest shape (see [Bytes]).
func MagnitudeScores(dev device.Device, targets []Matrix, b int, weight func(Matrix) device.Tensor) ([][]float64, error) {
	scratch, largest := newScratch(dev), 0
	for _, m := range targets {
		largest = max(largest, m.Out*m.In)
	}
	scratch.tensor(0, largest, 1)
	all := make([][]float64, len(targets))
	for i, m := range targets {
		rows, cols := m.Grid(b)
		wide, means := scratch.tensor(0, m.Out, m.In), scratch.tensor(1, rows, cols)
		dev.Combine(wide, weight(m), 1, 0)
		dev.BlockScores(means, wide, b, device.MeanAbs, false)
		scores := make([]float64, rows*cols)
		dev.Read(means, scores)
		for k, s := range scores {
			if !finite.Is(s) {
				return nil, fmt.Errorf("sparse: %s: the mean |weight| of block (%d, %d) is %g: expected finite weights; is the file damaged?", m.Name, k/cols, k%cols, s)
			}
		}
		all[i] = scores
	}
	return all, nil
}
