package sparse_test

import (
	"math"
	"testing"

	"smt/device"
	"smt/device/reference"
	"smt/model"
	"smt/model/modeltest"
	"smt/sparse"
)

// blockSize leaves ragged edges in the 32- and 48-wide matrices of the test model.
const blockSize = 20

var modules = []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}

// batch is a packed batch of two rows.
func batch() *model.Input {
	next := modeltest.Source(9)
	in := &model.Input{}
	var ids, labels [][]int32
	for _, n := range []int{11, 6} {
		row, label := make([]int32, n), make([]int32, n)
		for i := range row {
			row[i], label[i] = int32(math.Abs(next())*9)%40, int32(math.Abs(next())*9)%40
		}
		ids, labels = append(ids, row), append(labels, label)
	}
	in.SetRows(ids, labels)
	return in
}

func newDecoder(t *testing.T, base *model.Base) (*model.Decoder, device.Device) {
	t.Helper()
	dev := reference.New()
	d, err := model.New(dev, base)
	if err != nil {
		t.Fatal(err)
	}
	return d, dev
}

var limits = model.Limits{Tokens: 32, Supervised: 32, Positions: 32, Backward: true}

// all selects every block of every target.
func all(targets []sparse.Matrix) *sparse.Selection {
	s := &sparse.Selection{BlockSize: blockSize}
	for _, m := range targets {
		rows, cols := m.Grid(blockSize)
		e := sparse.MatrixSelection{Matrix: m}
		for k := range rows * cols {
			e.Blocks = append(e.Blocks, sparse.ScoredBlock{Block: device.Block{Row: int32(k / cols), Col: int32(k % cols)}})
		}
		s.Matrices = append(s.Matrices, e)
	}
	return s
}

// attach puts the selection on the decoder.
func attach(t *testing.T, d *model.Decoder, dev device.Device, s *sparse.Selection) *sparse.Gatherer {
	t.Helper()
	g, err := sparse.Gather(dev, s, func(m sparse.Matrix) (sparse.Base, error) { return d.Linear(m.Name).Base, nil }, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range g.Selected {
		*d.Linear(m.Name).Linear = g.Linears[i]
	}
	d.Prepare(limits)
	return g
}

// TestBlockGradientsAreSlicesOfDenseOnes selects all blocks and compares with the dense gradients of full fine-tuning,
// first with D = 0 and then with D set and the same values added to W.
func TestBlockGradientsAreSlicesOfDenseOnes(t *testing.T) {
	base := modeltest.Open(t, modeltest.Llama(), 7)
	dense, dev := newDecoder(t, base)
	for _, p := range dense.Parameters {
		p.Thaw(dev)
		p.WantGradient(dev)
	}
	dense.Prepare(limits)
	d, sdev := newDecoder(t, base)
	g := attach(t, d, sdev, all(sparse.Targets(d.Linears(), modules)))
	next := modeltest.Source(3)
	for round := range 2 {
		in := batch()
		a, err := dense.Step(in, 1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.Step(in, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !(math.Abs(a-b) <= 1e-10) {
			t.Errorf("round %d: loss %g, dense %g", round, b, a)
		}
		for i, m := range g.Selected {
			p := dense.Parameter(m.Name + ".weight")
			want, got := make([]float64, p.Len()), make([]float64, g.Linears[i].Grad.Len())
			dev.Read(p.Grad, want)
			sdev.Read(g.Linears[i].Grad, got)
			each(m.Matrix, m.Blocks, func(at, inBlock int) {
				if !(math.Abs(got[inBlock]-want[at]) <= 1e-11) {
					t.Fatalf("round %d: %s element %d: %g, dense %g", round, m.Name, at, got[inBlock], want[at])
				}
			})
			// Change both in the same way for the second round.
			weight, delta := make([]float64, p.Len()), make([]float64, len(got))
			dev.Read(p.Value, weight)
			each(m.Matrix, m.Blocks, func(at, inBlock int) {
				delta[inBlock] = 0.05 * next()
				weight[at] += delta[inBlock]
			})
			dev.Write(p.Value, weight)
			sdev.Write(g.Linears[i].Delta, delta)
			dev.Fill(p.Grad, 0)
			sdev.Fill(g.Linears[i].Grad, 0)
		}
	}
}

// each visits the real elements of the blocks: the index in the matrix and in the stacked blocks.
func each(m sparse.Matrix, blocks []device.Block, visit func(at, inBlock int)) {
	for k, b := range blocks {
		rows, cols := m.BlockSize(b, blockSize)
		for r := range rows {
			for c := range cols {
				visit((int(b.Row)*blockSize+r)*m.In+int(b.Col)*blockSize+c, (k*blockSize+r)*blockSize+c)
			}
		}
	}
}

// TestNothingBelowTheLowestBlock selects one block in the last layer and checks that the backward pass stops there, with the
// same gradient as when everything learns.
func TestNothingBelowTheLowestBlock(t *testing.T) {
	base := modeltest.Open(t, modeltest.Llama(), 8)
	d, dev := newDecoder(t, base)
	full := attach(t, d, dev, all(sparse.Targets(d.Linears(), modules)))
	if _, err := d.Step(batch(), 1); err != nil {
		t.Fatal(err)
	}
	for i, m := range full.Selected {
		if m.Layer != 1 {
			continue
		}
		one := &sparse.Selection{BlockSize: blockSize, Matrices: []sparse.MatrixSelection{{Matrix: m.Matrix,
			Blocks: []sparse.ScoredBlock{{Block: m.Blocks[0]}}}}}
		d2, dev2 := newDecoder(t, base)
		g := attach(t, d2, dev2, one)
		if d2.Lowest() != 1 {
			t.Errorf("%s: the backward pass goes down to layer %d", m.Name, d2.Lowest())
		}
		if _, err := d2.Step(batch(), 1); err != nil {
			t.Fatal(err)
		}
		want, got := make([]float64, blockSize*blockSize), make([]float64, blockSize*blockSize)
		dev.Read(full.Linears[i].Grad.Slice(0, blockSize), want)
		dev2.Read(g.Grad, got)
		for k := range got {
			if !(math.Abs(got[k]-want[k]) <= 1e-12) {
				t.Fatalf("%s: gradient %d is %g alone, %g among all", m.Name, k, got[k], want[k])
			}
		}
	}
}

// TestScoresEqualDenseFormulas gathers two steps and compares every score with its formula on dense gradients.
func TestScoresEqualDenseFormulas(t *testing.T) {
	base := modeltest.Open(t, modeltest.Llama(), 11)
	for _, several := range []bool{false, true} {
		var fisher [][]float64
		for _, score := range []sparse.Score{sparse.MeanAbsSum, sparse.AbsMeanSum, sparse.MeanAbsStep, sparse.L2Sum, sparse.TokenFisher, sparse.GradientSNR, sparse.VOnly} {
			d, dev := newDecoder(t, base)
			targets := sparse.Targets(d.Linears(), modules)
			a := sparse.NewAccumulator(dev, score, blockSize, targets, several)
			for i, m := range targets {
				*d.Linear(m.Name).Linear = a.Observe(i, d.Linear(m.Name).Base)
			}
			d.Prepare(limits)
			dense, ddev := newDecoder(t, base)
			for _, m := range targets {
				dense.Parameter(m.Name + ".weight").WantGradient(ddev)
			}
			dense.Prepare(limits)

			const steps = 2
			sums, abs := map[string][]float64{}, map[string][]float64{}
			for s := range steps {
				passes := 1
				if several {
					passes = 2
				}
				for range passes {
					in := batch()
					for i := range in.IDs {
						in.IDs[i] = (in.IDs[i] + int32(s)) % 40
					}
					for _, dec := range []*model.Decoder{d, dense} {
						if _, err := dec.Step(in, 0.1); err != nil {
							t.Fatal(err)
						}
					}
				}
				a.EndStep()
				for _, m := range targets {
					p := dense.Parameter(m.Name + ".weight")
					g := make([]float64, p.Len())
					ddev.Read(p.Grad, g)
					ddev.Fill(p.Grad, 0)
					if sums[m.Name] == nil {
						sums[m.Name], abs[m.Name] = make([]float64, len(g)), make([]float64, len(g))
					}
					for i, v := range g {
						sums[m.Name][i] += v
						abs[m.Name][i] += math.Abs(v)
					}
				}
			}
			scores, err := a.Scores()
			if err != nil {
				t.Fatal(err)
			}
			if score == sparse.TokenFisher {
				fisher = scores
				continue // compared with stored float64 results in package parity
			}
			for i, m := range targets {
				_, cols := m.Grid(blockSize)
				for k, got := range scores[i] {
					block := device.Block{Row: int32(k / cols), Col: int32(k % cols)}
					n, want := 0.0, 0.0
					each(m, []device.Block{block}, func(at, _ int) {
						n++
						switch v := sums[m.Name][at]; score {
						case sparse.MeanAbsSum, sparse.VOnly:
							want += math.Abs(v)
						case sparse.AbsMeanSum:
							want += v
						case sparse.MeanAbsStep:
							want += abs[m.Name][at]
						case sparse.L2Sum, sparse.GradientSNR:
							want += v * v
						}
					})
					if score == sparse.L2Sum {
						want = math.Sqrt(want) * n
					}
					want = math.Abs(want) / n / steps
					if score == sparse.GradientSNR {
						want /= fisher[i][k]
					}
					if !(math.Abs(got-want) <= 1e-12*max(1, want)) {
						t.Fatalf("%s several=%v %s block %v: score %g, expected %g", score, several, m.Name, block, got, want)
					}
				}
			}
		}
	}
}
