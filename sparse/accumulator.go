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
	"slices"

	"smt/device"
	"smt/internal/finite"
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
	// Strategy and Groups are the budget that Frequency ranks the blocks of every step within; the other rules do not read it.
	Strategy Strategy
	Groups   []Group

	steps   int
	several bool // whether a step may have several backward passes
	sums    []device.Tensor
	blocks  []device.Tensor // sums over steps, one float for each block
	latest  []device.Tensor // Frequency: mean |G| of each block in the step at hand
	counts  []device.Tensor // Frequency: steps in which each block was among the first
	inputs  []device.Tensor // Activation: Σ_t Σ_j X_tj² [1, cols]; ActivationChannels: Σ_t mean_j |X_tj| / b [1, cols]
	outputs []device.Tensor // Activation: Σ_t Σ_i dY_ti² [1, rows]
	tokens  []device.Tensor // ActivationChannels: number of tokens [1, 1]
	scratch scratch
}

// NewAccumulator takes the memory that the score needs: a dense sum [out, in] for each matrix if Score.Dense, else one float
// for each block, row and column of blocks, and at most one gradient of the largest shape. several says that steps have more
// than one backward pass.
func NewAccumulator(dev device.Device, score Score, b int, matrices []Matrix, several bool) *Accumulator {
	a := &Accumulator{Device: dev, Score: score, Size: b, Matrices: matrices, several: several, scratch: newScratch(dev)}
	for _, m := range matrices {
		rows, cols := m.Grid(b)
		switch score {
		case Activation:
			a.inputs, a.outputs = append(a.inputs, dev.New(1, cols)), append(a.outputs, dev.New(1, rows))
			continue
		case ActivationChannels:
			a.inputs, a.tokens = append(a.inputs, dev.New(1, cols)), append(a.tokens, dev.New(1, 1))
			continue
		case Frequency:
			a.latest, a.counts = append(a.latest, dev.New(rows, cols)), append(a.counts, dev.New(rows, cols))
		}
		if score.Dense() || score.stepwise() && several {
			a.sums = append(a.sums, dev.New(m.Out, m.In))
		}
		a.blocks = append(a.blocks, dev.New(rows, cols))
	}
	return a
}

// A scratch holds temporary tensors by number, each as large as the largest that was asked for.
type scratch struct {
	device device.Device
	whole  map[int]device.Tensor // [elements, 1]
}

func newScratch(dev device.Device) scratch { return scratch{dev, map[int]device.Tensor{}} }

// tensor returns tensor number i as [rows, cols]; the same memory each time.
func (s scratch) tensor(i, rows, cols int) device.Tensor {
	if s.whole[i].Rows < rows*cols {
		s.whole[i] = s.device.New(rows*cols, 1)
	}
	return s.whole[i].Slice(0, rows*cols).Reshape(rows, cols)
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

// observe adds one backward pass of matrix i: dy [T, out], x [T, in].
func (a *Accumulator) observe(i int, dy, x device.Tensor) {
	m, dev := a.Matrices[i], a.Device
	rows, cols := m.Grid(a.Size)
	switch a.Score {
	case MeanAbsSum, L2Sum, VOnly:
		dev.MatMul(a.sums[i], dy, true, x, false, true)
	case MeanAbsStep, Frequency:
		if a.several {
			dev.MatMul(a.sums[i], dy, true, x, false, true)
			return
		}
		g := a.scratch.tensor(0, m.Out, m.In)
		dev.MatMul(g, dy, true, x, false, false)
		a.addStep(i, g)
	case GradientSNR:
		dev.MatMul(a.sums[i], dy, true, x, false, true)
		a.addProduct(i, dy, x)
	case AbsMeanSum, TokenFisher:
		a.addProduct(i, dy, x)
	case Activation:
		u, v := a.scratch.tensor(1, dy.Rows, rows), a.scratch.tensor(2, x.Rows, cols)
		dev.BlockSums(u, dy, a.Size, true)
		dev.BlockSums(v, x, a.Size, true)
		dev.ColumnDot(a.outputs[i], u, device.Tensor{})
		dev.ColumnDot(a.inputs[i], v, device.Tensor{})
	case ActivationChannels:
		a.addChannels(i, x)
	}
}

// addProduct adds to the blocks of matrix i the product of the block sums of dy and x, or of their squares.
func (a *Accumulator) addProduct(i int, dy, x device.Tensor) {
	rows, cols := a.Matrices[i].Grid(a.Size)
	u, v := a.scratch.tensor(1, dy.Rows, rows), a.scratch.tensor(2, x.Rows, cols)
	a.Device.BlockSums(u, dy, a.Size, a.Score != AbsMeanSum)
	a.Device.BlockSums(v, x, a.Size, a.Score != AbsMeanSum)
	a.Device.MatMul(a.blocks[i], u, true, v, false, true)
}

// addStep takes the scores of a step from its gradient g [out, in] of matrix i.
func (a *Accumulator) addStep(i int, g device.Tensor) {
	if a.Score == MeanAbsStep {
		a.Device.BlockScores(a.blocks[i], g, a.Size, device.MeanAbs, true)
		return
	}
	a.Device.BlockScores(a.latest[i], g, a.Size, device.MeanAbs, false)
	a.Device.Combine(a.blocks[i], a.latest[i], 1, 1)
}

// addChannels adds Σ_t mean_j |x_tj| / b over the columns j of each block of columns, and the number of tokens. The means
// come from tiles of b tokens, the last of which may have fewer and weighs accordingly.
func (a *Accumulator) addChannels(i int, x device.Tensor) {
	dev, b := a.Device, a.Size
	_, cols := a.Matrices[i].Grid(b)
	full, rest := x.Rows/b, x.Rows%b
	tiles := a.scratch.tensor(1, (x.Rows+b-1)/b, cols)
	dev.BlockScores(tiles, x, b, device.MeanAbs, false)
	if full > 0 {
		dev.ColumnDot(a.inputs[i], tiles.Slice(0, full), device.Tensor{})
	}
	if rest > 0 {
		dev.Combine(a.inputs[i], tiles.Slice(full, full+1), float64(rest)/float64(b), 1)
	}
	rows := a.scratch.tensor(2, 1, 1)
	dev.Fill(rows, float64(x.Rows))
	dev.Combine(a.tokens[i], rows, 1, 1)
}

// EndStep closes a step after its last backward pass.
func (a *Accumulator) EndStep() {
	a.steps++
	if a.Score.stepwise() && a.several {
		for i, sum := range a.sums {
			a.addStep(i, sum)
			a.Device.Fill(sum, 0)
		}
	}
	if a.Score == Frequency {
		a.count()
	}
}

// count ranks the blocks by the step's scores alone and counts those within the budget.
func (a *Accumulator) count() {
	scores := make([][]float64, len(a.Matrices))
	for i, t := range a.latest {
		scores[i] = make([]float64, t.Len())
		a.Device.Read(t, scores[i])
	}
	for i, m := range rank(a.Matrices, scores, a.Size, a.Strategy, a.Groups) {
		counts := make([]float64, a.counts[i].Len())
		a.Device.Read(a.counts[i], counts)
		for _, k := range m.Blocks {
			counts[int(k.Row)*a.counts[i].Cols+int(k.Col)]++
		}
		a.Device.Write(a.counts[i], counts)
	}
}

// Steps is how many steps have been gathered.
func (a *Accumulator) Steps() int { return a.steps }

// Scores returns the score of every block: one [rows, cols] matrix of the grid, row by row, for each target matrix.
func (a *Accumulator) Scores() ([][]float64, error) {
	if a.steps == 0 {
		return nil, fmt.Errorf("sparse: no warm-up step has been gathered, so no block has a score")
	}
	all := make([][]float64, len(a.Matrices))
	for i, m := range a.Matrices {
		rows, cols := m.Grid(a.Size)
		scores := make([]float64, rows*cols)
		if a.Score == Activation || a.Score == ActivationChannels {
			a.outer(scores, i, cols)
		} else {
			a.reduced(scores, i, cols)
		}
		for k, s := range scores {
			if !finite.Is(s) {
				return nil, fmt.Errorf("sparse: %s: the score of block (%d, %d) is %g: a gradient overflowed or was not a number during the warm-up", m.Name, k/cols, k%cols, s)
			}
		}
		all[i] = scores
	}
	if a.Score == Frequency {
		a.frequencies(all)
	}
	return all, nil
}

// reduced sets the scores of matrix i from what was gathered of its gradients.
func (a *Accumulator) reduced(scores []float64, i, cols int) {
	switch a.Score {
	case MeanAbsSum, VOnly:
		a.Device.BlockScores(a.blocks[i], a.sums[i], a.Size, device.MeanAbs, false)
	case L2Sum:
		a.Device.BlockScores(a.blocks[i], a.sums[i], a.Size, device.SumSquares, false)
	}
	a.Device.Read(a.blocks[i], scores)
	if a.Score == GradientSNR {
		a.signalToNoise(scores, i)
		return
	}
	steps := float64(a.steps)
	for k, s := range scores {
		r, c := a.Matrices[i].BlockSize(device.Block{Row: int32(k / cols), Col: int32(k % cols)}, a.Size)
		elements := float64(r * c)
		switch a.Score {
		case MeanAbsSum, VOnly, MeanAbsStep, Frequency:
			s /= steps
		case AbsMeanSum:
			s = math.Abs(s) / elements / steps
		case L2Sum:
			s = math.Sqrt(s) / steps
		case TokenFisher:
			s = s / elements / steps
		}
		scores[k] = s
	}
}

// signalToNoise divides the squared norms of the summed gradients of matrix i by scores, the sums of the tokens'. A block that
// no token reaches has the score 0.
func (a *Accumulator) signalToNoise(scores []float64, i int) {
	rows, cols := a.Matrices[i].Grid(a.Size)
	t, signal := a.scratch.tensor(3, rows, cols), make([]float64, rows*cols)
	a.Device.BlockScores(t, a.sums[i], a.Size, device.SumSquares, false)
	a.Device.Read(t, signal)
	for k, noise := range scores {
		if noise > 0 {
			scores[k] = signal[k] / noise
		}
	}
}

// outer sets the scores of matrix i that are made of one number for each row and column of blocks.
func (a *Accumulator) outer(scores []float64, i, cols int) {
	read := func(t device.Tensor) []float64 {
		values := make([]float64, t.Len())
		a.Device.Read(t, values)
		return values
	}
	inputs := read(a.inputs[i])
	if a.Score == ActivationChannels {
		tokens := read(a.tokens[i])[0]
		for k := range scores {
			scores[k] = inputs[k%cols] * float64(a.Size) / tokens
		}
		return
	}
	outputs := read(a.outputs[i])
	for k := range scores {
		scores[k] = math.Sqrt(inputs[k%cols]) * math.Sqrt(outputs[k/cols])
	}
}

// frequencies replaces the mean scores by the number of steps plus the mean as a fraction of at most 1/2.
func (a *Accumulator) frequencies(means [][]float64) {
	top := 0.0
	for _, scores := range means {
		top = max(top, slices.Max(scores))
	}
	for i, scores := range means {
		counts := make([]float64, len(scores))
		a.Device.Read(a.counts[i], counts)
		for k, s := range scores {
			if scores[k] = counts[k]; top > 0 {
				scores[k] += s / top / 2
			}
		}
	}
}

// State lists the tensors that a checkpoint must hold to go on gathering, and Restore sets the number of steps after
// they have been read back.
func (a *Accumulator) State() []device.Tensor {
	return slices.Concat(a.sums, a.blocks, a.counts, a.inputs, a.outputs, a.tokens)
}

// Restore continues a warm-up of which steps have been gathered.
func (a *Accumulator) Restore(steps int) { a.steps = steps }

// Bytes is the memory that a score takes for the given targets, elements being bytes wide: dense sums, block sums, and the
// temporary gradient of mean_abs_step or the block sums of tokens rows of activations. Of the rules without a warm-up,
// magnitude widens one weight at a time.
func Bytes(score Score, b int, matrices []Matrix, tokens int, several bool, width int) int {
	elements, largest, tall, wide := 0, 0, 0, 0
	for _, m := range matrices {
		rows, cols := m.Grid(b)
		switch score {
		case Random, Diagonal, Magnitude:
		case Activation:
			elements += rows + cols
		case ActivationChannels:
			elements += 1 + cols
		case Frequency:
			elements += 3 * rows * cols
		default:
			elements += rows * cols
		}
		if score.Dense() || score.stepwise() && several {
			elements += m.Out * m.In
		}
		largest, tall, wide = max(largest, m.Out*m.In), max(tall, rows), max(wide, cols)
	}
	switch {
	case score == Magnitude || score.stepwise() && !several:
		elements += largest
	case score == AbsMeanSum || score == TokenFisher || score == GradientSNR || score == Activation:
		elements += tokens * (tall + wide)
	case score == ActivationChannels:
		elements += (tokens + b - 1) / b * wide
	}
	return elements * width
}
