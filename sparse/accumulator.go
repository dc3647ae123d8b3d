// Package sparse is Sparse Matrix Tuning (arXiv 2405.15525): which blocks of which weights are trained, and how.
//
// Its five parts, in the order of a run: the warm-up [Controller] says what each step does; the gradient [Accumulator]
// gathers the gradients of all blocks of the target matrices; [Select] ranks the blocks and keeps the top share; a sparse
// [Linear] takes the place of each matrix that owns selected blocks; and the [Gatherer] holds the selected blocks, their
// gradients and their Adam moments in compact form.
package sparse

import (
	"fmt"
	"math"

	"smt/device"
)

// An Accumulator is the second part of SMT: it gathers, over the warm-up's steps, what a [Score] needs of the gradients of
// the target matrices. Gradients are those of the whole step, unclipped, after gradient accumulation, of the mean loss over
// the step's supervised tokens.
//
// It works through [Observed] layers, which pass dY and X on to it in the backward pass.
type Accumulator struct {
	Device   device.Device
	Score    Score
	Size     int // b
	Matrices []Matrix

	steps   int
	several bool // whether a step may have several backward passes
	sums    []device.Tensor
	blocks  []device.Tensor // sums over steps, one float for each block
	scratch map[[2]int]device.Tensor
}

// NewAccumulator takes the memory that the score needs: a dense sum [out, in] for each matrix if Score.Dense, else one float
// for each block and one gradient of the largest shape. several says that steps have more than one backward pass.
func NewAccumulator(dev device.Device, score Score, b int, matrices []Matrix, several bool) *Accumulator {
	a := &Accumulator{Device: dev, Score: score, Size: b, Matrices: matrices, several: several, scratch: map[[2]int]device.Tensor{}}
	for _, m := range matrices {
		if score.Dense() || score == MeanAbsStep && several {
			a.sums = append(a.sums, dev.New(m.Out, m.In))
		}
		rows, cols := m.Grid(b)
		a.blocks = append(a.blocks, dev.New(rows, cols))
	}
	return a
}

// Observed is a linear layer whose gradients the accumulator gathers while the layer itself stays as it is.
type Observed struct {
	Base
	accumulator *Accumulator
	matrix      int
}

// Observe wraps the layer of matrix i.
func (a *Accumulator) Observe(i int, base Base) *Observed { return &Observed{base, a, i} }

// Learns is true: the backward pass must bring x.
func (o *Observed) Learns() bool { return true }

// Backward hands dy and x to the accumulator and passes the gradient on.
func (o *Observed) Backward(dx, dy, x device.Tensor, add bool) {
	o.accumulator.observe(o.matrix, dy, x)
	o.Base.Backward(dx, dy, x, add)
}

// temporary returns a scratch tensor of a shape; the same memory each time.
func (a *Accumulator) temporary(rows, cols, slot int) device.Tensor {
	key := [2]int{slot, cols}
	t := a.scratch[key]
	if t.Rows < rows {
		t = a.Device.New(rows, cols)
		a.scratch[key] = t
	}
	return t.Slice(0, rows)
}

// observe adds one backward pass of matrix i: dy [T, out], x [T, in].
func (a *Accumulator) observe(i int, dy, x device.Tensor) {
	m, dev := a.Matrices[i], a.Device
	rows, cols := m.Grid(a.Size)
	switch a.Score {
	case MeanAbsSum, L2Sum:
		dev.MatMul(a.sums[i], dy, true, x, false, true)
	case MeanAbsStep:
		if a.several {
			dev.MatMul(a.sums[i], dy, true, x, false, true)
			return
		}
		g := a.temporary(m.Out, m.In, 0)
		dev.MatMul(g, dy, true, x, false, false)
		dev.BlockScores(a.blocks[i], g, a.Size, device.MeanAbs, true)
	case AbsMeanSum, TokenFisher:
		u, v := a.temporary(dy.Rows, rows, 1), a.temporary(x.Rows, cols, 2)
		dev.BlockSums(u, dy, a.Size, a.Score == TokenFisher)
		dev.BlockSums(v, x, a.Size, a.Score == TokenFisher)
		dev.MatMul(a.blocks[i], u, true, v, false, true)
	}
}

// EndStep closes a step after its last backward pass.
func (a *Accumulator) EndStep() {
	a.steps++
	if a.Score != MeanAbsStep || !a.several {
		return
	}
	for i, sum := range a.sums {
		a.Device.BlockScores(a.blocks[i], sum, a.Size, device.MeanAbs, true)
		a.Device.Fill(sum, 0)
	}
}

// Steps is how many steps have been gathered.
func (a *Accumulator) Steps() int { return a.steps }

// Scores returns the score of every block: one [rows, cols] matrix of the grid, row by row, for each target matrix.
func (a *Accumulator) Scores() ([][]float64, error) {
	if a.steps == 0 {
		return nil, fmt.Errorf("sparse: no warm-up step has been gathered, so no block has a score")
	}
	steps := float64(a.steps)
	all := make([][]float64, len(a.Matrices))
	for i, m := range a.Matrices {
		rows, cols := m.Grid(a.Size)
		switch a.Score {
		case MeanAbsSum:
			a.Device.BlockScores(a.blocks[i], a.sums[i], a.Size, device.MeanAbs, false)
		case L2Sum:
			a.Device.BlockScores(a.blocks[i], a.sums[i], a.Size, device.SumSquares, false)
		}
		scores := make([]float64, rows*cols)
		a.Device.Read(a.blocks[i], scores)
		for k, s := range scores {
			r, c := m.BlockSize(device.Block{Row: int32(k / cols), Col: int32(k % cols)}, a.Size)
			elements := float64(r * c)
			switch a.Score {
			case MeanAbsSum, MeanAbsStep:
				s /= steps
			case AbsMeanSum:
				s = math.Abs(s) / elements / steps
			case L2Sum:
				s = math.Sqrt(s) / steps
			case TokenFisher:
				s = s / elements / steps
			}
			if math.IsNaN(s) || math.IsInf(s, 0) {
				return nil, fmt.Errorf("sparse: %s: the score of block (%d, %d) is %g: a gradient overflowed or was not a number during the warm-up", m.Name, k/cols, k%cols, s)
			}
			scores[k] = s
		}
		all[i] = scores
	}
	return all, nil
}

// State lists the tensors that a checkpoint must hold to go on gathering, and Restore sets the number of steps after
// they have been read back.
func (a *Accumulator) State() []device.Tensor {
	return append(append([]device.Tensor{}, a.sums...), a.blocks...)
}

// Restore continues a warm-up of which steps have been gathered.
func (a *Accumulator) Restore(steps int) { a.steps = steps }

// Bytes is the memory that an accumulator takes for the given targets, elements being bytes wide: dense sums, block sums,
// and the temporary gradient of mean_abs_step or the block sums of tokens rows of activations.
func Bytes(score Score, b int, matrices []Matrix, tokens int, several bool, width int) int {
	elements, largest, wide := 0, 0, 0
	for _, m := range matrices {
		rows, cols := m.Grid(b)
		elements += rows * cols
		if score.Dense() || score == MeanAbsStep && several {
			elements += m.Out * m.In
		}
		largest, wide = max(largest, m.Out*m.In), max(wide, rows+cols)
	}
	switch {
	case score == MeanAbsStep && !several:
		elements += largest
	case score == AbsMeanSum || score == TokenFisher:
		elements += tokens * wide
	}
	return elements * width
}
