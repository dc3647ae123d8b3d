package optest

import (
	"math"

	"smt/device"
)

// A grid is a weight [out, in] cut into blocks of size b, with some of the blocks selected.
type grid struct {
	name       string
	out, in, b int
	blocks     []device.Block
}

// grids are weights that the block size divides and that it does not, with no block selected, one, some in no order,
// several in the same rows or columns, the same one twice, all, and the ragged corner.
func grids() []grid {
	all := func(rows, cols int32) (blocks []device.Block) {
		for r := range rows {
			for c := range cols {
				blocks = append(blocks, device.Block{Row: r, Col: c})
			}
		}
		return blocks
	}
	return []grid{
		{"no block", 20, 30, 8, nil},
		{"one", 16, 32, 16, []device.Block{{Row: 0, Col: 1}}},
		{"no order", 64, 48, 16, []device.Block{{Row: 3, Col: 0}, {Row: 0, Col: 2}, {Row: 1, Col: 1}}},
		{"same column", 64, 48, 16, []device.Block{{Row: 0, Col: 1}, {Row: 1, Col: 1}, {Row: 3, Col: 1}, {Row: 2, Col: 0}}},
		{"same row", 64, 80, 16, []device.Block{{Row: 2, Col: 4}, {Row: 2, Col: 0}, {Row: 2, Col: 1}}},
		{"same block twice", 32, 32, 16, []device.Block{{Row: 1, Col: 1}, {Row: 1, Col: 1}}},
		{"all", 48, 64, 16, all(3, 4)},
		{"all, ragged", 37, 53, 16, all(3, 4)},
		{"ragged corner", 37, 53, 16, []device.Block{{Row: 2, Col: 3}}},
		{"ragged edges", 65, 33, 32, []device.Block{{Row: 2, Col: 0}, {Row: 0, Col: 1}, {Row: 2, Col: 1}, {Row: 1, Col: 0}}},
		{"smaller than a block", 5, 7, 16, all(1, 1)},
		{"odd size", 30, 44, 7, []device.Block{{Row: 4, Col: 6}, {Row: 0, Col: 0}, {Row: 4, Col: 0}, {Row: 1, Col: 6}}},
		{"size 1", 5, 6, 1, []device.Block{{Row: 4, Col: 5}, {Row: 2, Col: 2}}},
		{"large", 200, 300, 64, []device.Block{{Row: 0, Col: 4}, {Row: 3, Col: 1}, {Row: 3, Col: 4}, {Row: 1, Col: 2}}},
	}
}

var blockTokens = []int{1, 2, 7, 17, 48, 65, 0, 130}

// testBlockProduct runs both directions over all grids.
func testBlockProduct(s *series) {
	for i, g := range grids() {
		for _, tokens := range []int{blockTokens[i%len(blockTokens)], blockTokens[(i+3)%len(blockTokens)], 33} {
			for _, transposed := range []bool{false, true} {
				tr := s.trial("%s: W[%d, %d] b=%d T=%d transposed=%t", g.name, g.out, g.in, g.b, tokens, transposed)
				yCols, xCols := g.out, g.in
				if transposed {
					yCols, xCols = g.in, g.out
				}
				y, x := tr.random("y", tokens, yCols), tr.random("x", tokens, xCols)
				d := tr.blocks("d", g)
				tr.dev.BlockProduct(y.Tensor, x.Tensor, d.Tensor, g.blocks, g.b, transposed)
				// The blocks' part of the weight as one dense matrix.
				weight := build(g.out, g.in, func(int, int) float64 { return 0 })
				g.visit(func(r, c, i, j int) { weight.add(i, j, d.host.at(r, c)) })
				tr.equal(y, y.host.plus(build(tokens, yCols, func(t, i int) float64 {
					var sum float64
					for j := range xCols {
						if transposed {
							sum += x.host.at(t, j) * weight.at(j, i)
						} else {
							sum += x.host.at(t, j) * weight.at(i, j)
						}
					}
					return sum
				})))
				tr.done()
			}
		}
	}
}

// testBlockGradient adds gradients of blocks to what is there; what a ragged block does not use stays zero.
func testBlockGradient(s *series) {
	for i, g := range grids() {
		for _, tokens := range []int{blockTokens[i%len(blockTokens)], blockTokens[(i+3)%len(blockTokens)], 33} {
			tr := s.trial("%s: W[%d, %d] b=%d T=%d", g.name, g.out, g.in, g.b, tokens)
			dy, x, gradient := tr.random("dy", tokens, g.out), tr.random("x", tokens, g.in), tr.blocks("g", g)
			tr.dev.BlockGradient(gradient.Tensor, dy.Tensor, x.Tensor, g.blocks, g.b)
			want := gradient.host.clone()
			g.visit(func(r, c, i, j int) {
				for t := range tokens {
					want.add(r, c, dy.host.at(t, i)*x.host.at(t, j))
				}
			})
			tr.equal(gradient, want)
			tr.done()
		}
	}
}

// blocks makes the storage of a grid's blocks: random values, and zeros where a ragged block has none.
func (tr *trial) blocks(name string, g grid) *operand {
	values := build(len(g.blocks)*g.b, g.b, func(int, int) float64 { return 0 })
	g.visit(func(r, c, _, _ int) { values.set(r, c, tr.rng.NormFloat64()) })
	return tr.given(name, values)
}

// visit calls element for every real element of every block: it is stored at (r, c), and stands at (i, j) of the
// weight.
func (g grid) visit(element func(r, c, i, j int)) {
	for k, block := range g.blocks {
		for r := range g.b {
			for c := range g.b {
				i, j := int(block.Row)*g.b+r, int(block.Col)*g.b+c
				if i < g.out && j < g.in {
					element(k*g.b+r, c, i, j)
				}
			}
		}
	}
}

// testBlockSums sums column blocks of values and of squares.
func testBlockSums(s *series) {
	for i, shape := range shapes() {
		for j, b := range []int{1, 3, 8, 16, 64} {
			squares := (i+j)%2 == 1
			tr := s.trial("x=[%d, %d] b=%d squares=%t", shape[0], shape[1], b, squares)
			x, dst := tr.random("x", shape[0], shape[1]), tr.result("dst", shape[0], (shape[1]+b-1)/b)
			tr.dev.BlockSums(dst.Tensor, x.Tensor, b, squares)
			tr.near(dst, build(dst.Rows, dst.Cols, func(t, c int) float64 {
				var sum float64
				for j := c * b; j < min(c*b+b, shape[1]); j++ {
					if v := x.host.at(t, j); squares {
						sum += v * v
					} else {
						sum += v
					}
				}
				return sum
			}), 1)
			tr.done()
		}
	}
}

// testBlockScores reduces blocks, ragged ones over their real elements alone, set and added.
func testBlockScores(s *series) {
	for i, shape := range shapes() {
		for j, b := range []int{1, 3, 8, 16, 64} {
			how, add := device.Reduction((i+j)%2), (i+j)/2%2 == 1
			tr := s.trial("g=[%d, %d] b=%d how=%d add=%t", shape[0], shape[1], b, how, add)
			g := tr.random("g", shape[0], shape[1])
			dst := tr.target("dst", (shape[0]+b-1)/b, (shape[1]+b-1)/b, add)
			tr.dev.BlockScores(dst.Tensor, g.Tensor, b, how, add)
			want := build(dst.Rows, dst.Cols, func(int, int) float64 { return 0 })
			counts := want.clone()
			for r := range shape[0] {
				for c := range shape[1] {
					v := math.Abs(g.host.at(r, c))
					if how == device.SumSquares {
						v *= v
					}
					want.add(r/b, c/b, v)
					counts.add(r/b, c/b, 1)
				}
			}
			if how == device.MeanAbs {
				want = build(dst.Rows, dst.Cols, func(r, c int) float64 { return want.at(r, c) / counts.at(r, c) })
			}
			tr.equal(dst, dst.plusIf(add, want))
			tr.done()
		}
	}
}
