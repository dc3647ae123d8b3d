package sparse_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"smt/device"
	"smt/model/modeltest"
	"smt/sparse"
)

// grid makes a target of rows × cols blocks.
func grid(name string, rows, cols int) sparse.Matrix {
	return sparse.Matrix{Name: name, Out: rows * blockSize, In: cols * blockSize}
}

// chosen selects n blocks of all targets together and lists them as "matrix: (row,col)".
func chosen(t *testing.T, targets []sparse.Matrix, scores [][]float64, n int) []string {
	t.Helper()
	g := sparse.Group{Blocks: n}
	for i := range targets {
		g.Matrices = append(g.Matrices, i)
	}
	s, err := sparse.Select(targets, scores, blockSize, sparse.Global, []sparse.Group{g})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range s.Matrices {
		for _, k := range m.Blocks {
			all = append(all, fmt.Sprintf("%s(%d,%d)", m.Name, k.Row, k.Col))
		}
	}
	return all
}

// TestDiagonalBlocks has the order of the blocks of square, wide and tall grids, written out by hand.
func TestDiagonalBlocks(t *testing.T) {
	for _, c := range []struct {
		rows, cols int
		want       string
	}{
		{1, 1, "[(0,0)]"},
		{2, 2, "[(0,0) (1,1) (0,1) (1,0)]"},
		{3, 3, "[(0,0) (2,2) (1,1) (0,1) (2,0) (1,2) (0,2) (2,1) (1,0)]"},
		{2, 4, "[(0,0) (1,2) (0,1) (1,3) (1,0) (0,2) (1,1) (0,3)]"}, // the upper half of the columns has row 0, the lower row 1
		{4, 2, "[(0,0) (2,1) (1,0) (3,1) (0,1) (2,0) (1,1) (3,0)]"},
		{1, 3, "[(0,0) (0,2) (0,1)]"},
	} {
		targets := []sparse.Matrix{grid("", c.rows, c.cols)}
		if got := fmt.Sprint(chosen(t, targets, sparse.DiagonalScores(targets, blockSize), c.rows*c.cols)); got != c.want {
			t.Errorf("%d × %d: %s, expected %s", c.rows, c.cols, got, c.want)
		}
	}
}

// TestDiagonalSharesTheBudget gives a budget to matrices of unlike size: each has the same number of blocks until the
// smallest is used up.
func TestDiagonalSharesTheBudget(t *testing.T) {
	targets := []sparse.Matrix{grid("a", 4, 4), grid("b", 1, 2), grid("c", 2, 4)}
	scores := sparse.DiagonalScores(targets, blockSize)
	for n, want := range map[int]string{
		3: "[a(0,0) b(0,0) c(0,0)]",
		4: "[a(0,0) a(2,2) b(0,0) c(0,0)]",
		8: "[a(0,0) a(2,2) a(1,1) b(0,0) b(0,1) c(0,0) c(1,2) c(0,1)]",
	} {
		if got := fmt.Sprint(chosen(t, targets, scores, n)); got != want {
			t.Errorf("%d blocks: %s, expected %s", n, got, want)
		}
	}
}

// TestRandomIsUniform draws 6 of 18 blocks with 3000 seeds: every block comes up in a third of the draws, whichever matrix
// it lies in, and so does every pair as often as chance has it.
func TestRandomIsUniform(t *testing.T) {
	targets := []sparse.Matrix{grid("a", 4, 3), grid("b", 2, 3)}
	const draws, blocks, of = 3000, 6, 18
	counts, pairs := map[string]float64{}, map[string]float64{}
	var first []string
	for seed := range uint64(draws) {
		got := chosen(t, targets, sparse.RandomScores(targets, blockSize, seed), blocks)
		if len(got) != blocks {
			t.Fatalf("seed %d: %d blocks", seed, len(got))
		}
		if again := chosen(t, targets, sparse.RandomScores(targets, blockSize, seed), blocks); !slices.Equal(got, again) {
			t.Fatalf("seed %d: %v, then %v", seed, got, again)
		}
		if seed > 0 && slices.Equal(got, first) {
			t.Errorf("seed %d draws the blocks of the seed before", seed)
		}
		first = got
		for i, k := range got {
			counts[k]++
			for _, l := range got[:i] {
				pairs[min(k, l)+max(k, l)]++
			}
		}
	}
	check := func(what string, counts map[string]float64, n int, p float64) {
		if len(counts) != n {
			t.Errorf("%s: %d came up, expected %d", what, len(counts), n)
		}
		deviation := math.Sqrt(draws * p * (1 - p))
		for k, c := range counts {
			if !(math.Abs(c-draws*p) <= 5*deviation) {
				t.Errorf("%s %s came up in %g draws, expected %g ± %.0f", what, k, c, draws*p, deviation)
			}
		}
	}
	check("block", counts, of, float64(blocks)/of)
	check("pair", pairs, of*(of-1)/2, float64(blocks*(blocks-1))/(of*(of-1)))
}

// TestMagnitude compares with a sum over the weights in float64, ragged edges included.
func TestMagnitude(t *testing.T) {
	d, dev := newDecoder(t, modeltest.Open(t, modeltest.Llama(), 5))
	targets := sparse.Targets(d.Linears(), modules)
	weight := func(m sparse.Matrix) device.Tensor { return d.Linear(m.Name).Base.Weight.Value }
	scores, err := sparse.MagnitudeScores(dev, targets, blockSize, weight)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range targets {
		w := make([]float64, m.Out*m.In)
		dev.Read(weight(m), w)
		_, cols := m.Grid(blockSize)
		for k, got := range scores[i] {
			n, want := 0.0, 0.0
			each(m, []device.Block{{Row: int32(k / cols), Col: int32(k % cols)}}, func(at, _ int) { n, want = n+1, want+math.Abs(w[at]) })
			if !(math.Abs(got-want/n) <= 1e-12) {
				t.Fatalf("%s block %d: %g, expected %g", m.Name, k, got, want/n)
			}
		}
	}
	broken := dev.New(targets[0].Out, targets[0].In)
	dev.Fill(broken, math.Inf(1))
	if _, err := sparse.MagnitudeScores(dev, targets[:1], blockSize, func(sparse.Matrix) device.Tensor { return broken }); err == nil {
		t.Error("infinite weights are no error")
	}
}
