package export

import (
	"cmp"
	"math"
	"slices"
)

// A Delta turns a matrix of the base into the tuned one, row by row. A vector counts as a matrix of one row.
type Delta interface {
	// Shape is the number of rows and columns of the matrix that the delta belongs to.
	Shape() (rows, cols int)
	// Apply changes one row in place: on entry values holds the base's row in float32, on return the tuned one. Calls for
	// different rows may run at the same time.
	Apply(row int, values []float32)
}

// A Replacement is the Delta of full fine-tuning: the tuned values themselves, row-major.
type Replacement struct {
	Rows, Cols int
	Values     []float32
}

// Shape implements [Delta].
func (r Replacement) Shape() (rows, cols int) { return r.Rows, r.Cols }

// Apply implements [Delta].
func (r Replacement) Apply(row int, values []float32) {
	copy(values, r.Values[row*r.Cols:(row+1)*r.Cols])
}

// A blockDelta adds the blocks of an AdapterMatrix.
type blockDelta struct {
	matrix AdapterMatrix
	b      int
	// order lists the blocks by row, then by column, as indices of matrix.Blocks.
	order []int
}

func newBlockDelta(m AdapterMatrix, b int) *blockDelta {
	d := &blockDelta{matrix: m, b: b, order: make([]int, len(m.Blocks))}
	for i := range d.order {
		d.order[i] = i
	}
	slices.SortFunc(d.order, func(i, j int) int { return compareBlocks(m.Blocks[i], m.Blocks[j]) })
	return d
}

func (d *blockDelta) Shape() (rows, cols int) { return d.matrix.Out, d.matrix.In }

func (d *blockDelta) Apply(row int, values []float32) {
	blockRow := int32(row / d.b)
	first, _ := slices.BinarySearchFunc(d.order, blockRow, func(k int, r int32) int {
		return cmp.Compare(d.matrix.Blocks[k][0], r)
	})
	for _, k := range d.order[first:] {
		block := d.matrix.Blocks[k]
		if block[0] != blockRow {
			return
		}
		left := int(block[1]) * d.b
		part := values[left:min(left+d.b, len(values))]
		start := k*d.b*d.b + row%d.b*d.b
		for j, x := range d.matrix.Deltas[start : start+len(part)] {
			part[j] += x
		}
	}
}

// A lowRankDelta adds scale·B·A, and with a magnitude then gives the row that norm, as DoRA does.
type lowRankDelta struct {
	matrix LowRankMatrix
	rank   int
	scale  float32
}

func (d *lowRankDelta) Shape() (rows, cols int) { return d.matrix.Out, d.matrix.In }

func (d *lowRankDelta) Apply(row int, values []float32) {
	// The row of B·A is summed apart, a piece of columns at a time, so that each value of the base is added to once.
	const piece = 512
	var sums [piece]float32
	for left := 0; left < len(values); left += piece {
		part := values[left:min(left+piece, len(values))]
		sum := sums[:len(part)]
		clear(sum)
		for k, b := range d.matrix.B[row*d.rank : (row+1)*d.rank] {
			for j, a := range d.matrix.A[k*d.matrix.In+left:][:len(sum)] {
				sum[j] += b * a
			}
		}
		for j, x := range sum {
			part[j] += d.scale * x
		}
	}
	if d.matrix.Magnitude == nil {
		return
	}
	var squares float64
	for _, x := range values {
		squares += float64(x) * float64(x)
	}
	factor := float32(float64(d.matrix.Magnitude[row]) / math.Sqrt(squares))
	for j := range values {
		values[j] *= factor
	}
}
