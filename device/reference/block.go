package reference

import (
	"fmt"
	"math"

	"smt/device"
)

// BlockProduct adds the selected blocks' part of a linear layer to y, forward or (transposed) backward.
func (*Device) BlockProduct(y, x, d device.Tensor, blocks []device.Block, b int, transposed bool) {
	const op = "BlockProduct"
	check(y.Rows == x.Rows, op, "y %s and x %s differ in rows", describe(y), describe(x))
	out, in := floats(op, "y", y), floats(op, "x", x)
	weightRows, weightCols := y.Cols, x.Cols
	if transposed {
		weightRows, weightCols = x.Cols, y.Cols
	}
	forEachBlock(op, "d", d, blocks, b, weightRows, weightCols, func(weights matrix, row, col, height, width int) {
		for t := range out.rows {
			yRow, xRow := out.row(t), in.row(t)
			for i := range height {
				weight := weights.row(i)[:width]
				if transposed {
					addScaled(yRow[col:col+width], xRow[row+i], weight)
				} else {
					yRow[row+i] += dot(weight, xRow[col:])
				}
			}
		}
	})
}

// BlockGradient adds dYᵀ·X, restricted to each block, to g.
func (*Device) BlockGradient(g, dy, x device.Tensor, blocks []device.Block, b int) {
	const op = "BlockGradient"
	check(dy.Rows == x.Rows, op, "dy %s and x %s differ in rows", describe(dy), describe(x))
	gradY, in := floats(op, "dy", dy), floats(op, "x", x)
	forEachBlock(op, "g", g, blocks, b, dy.Cols, x.Cols, func(gradient matrix, row, col, height, width int) {
		for t := range in.rows {
			xRow := in.row(t)[col : col+width]
			for i, v := range gradY.row(t)[row : row+height] {
				addScaled(gradient.row(i)[:width], v, xRow)
			}
		}
	})
}

// forEachBlock visits block after block with the b × b square of stored that belongs to it, the row and column of the
// weight [rows, cols] where it begins, and its real height and width, which are smaller than b at the lower and right
// edge.
func forEachBlock(
	op, name string, stored device.Tensor, blocks []device.Block, b, rows, cols int,
	visit func(square matrix, row, col, height, width int),
) {
	check(b > 0, op, "block size %d, want more than 0", b)
	if len(blocks) == 0 {
		return
	}
	checkShape(op, name, stored, len(blocks)*b, b)
	for k, block := range blocks {
		row, col := int(block.Row)*b, int(block.Col)*b
		check(row >= 0 && row < rows && col >= 0 && col < cols, op,
			"block %d at %d, %d with size %d lies outside the weight [%d, %d]", k, block.Row, block.Col, b, rows, cols)
		visit(floats(op, name, stored.Slice(k*b, k*b+b)), row, col, min(b, rows-row), min(b, cols-col))
	}
}

// BlockSums sets dst[t, c] to the sum of x[t, :], or of its squares, over column block c.
func (*Device) BlockSums(dst, x device.Tensor, b int, squares bool) {
	const op = "BlockSums"
	check(b > 0, op, "block size %d, want more than 0", b)
	checkShape(op, "dst", dst, x.Rows, (x.Cols+b-1)/b)
	sums, m := floats(op, "dst", dst), floats(op, "x", x)
	for t := range m.rows {
		row := sums.row(t)
		clear(row)
		for j, v := range m.row(t) {
			if squares {
				v *= v
			}
			row[j/b] += v
		}
	}
}

// BlockScores reduces every b × b block of g to one number, which it writes or adds to dst.
func (*Device) BlockScores(dst, g device.Tensor, b int, how device.Reduction, add bool) {
	const op = "BlockScores"
	check(b > 0, op, "block size %d, want more than 0", b)
	checkShape(op, "dst", dst, (g.Rows+b-1)/b, (g.Cols+b-1)/b)
	scores, m := floats(op, "dst", dst), floats(op, "g", g)
	for r := range scores.rows {
		for c := range scores.cols {
			top, bottom := r*b, min(r*b+b, m.rows)
			left, right := c*b, min(c*b+b, m.cols)
			score := reduce(m, top, bottom, left, right, how)
			if add {
				score += scores.row(r)[c]
			}
			scores.row(r)[c] = score
		}
	}
}

func reduce(m matrix, top, bottom, left, right int, how device.Reduction) float64 {
	var sum float64
	for i := top; i < bottom; i++ {
		for _, v := range m.row(i)[left:right] {
			switch how {
			case device.MeanAbs:
				sum += math.Abs(v)
			case device.SumSquares:
				sum += v * v
			default:
				panic(fmt.Sprintf("reference: BlockScores: reduction %d, want MeanAbs or SumSquares", how))
			}
		}
	}
	if how == device.MeanAbs {
		return sum / float64((bottom-top)*(right-left))
	}
	return sum
}
