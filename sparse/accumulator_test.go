package sparse_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"smt/device"
	"smt/model"
	"smt/model/modeltest"
	"smt/sparse"
)

// A pass is what one backward pass hands to a linear layer, on the host.
type pass struct{ dy, x [][]float64 }

// recorder keeps the passes of the layer it stands before.
type recorder struct {
	model.Linear
	dev    device.Device
	passes []pass
}

func (r *recorder) Backward(dx, dy, x device.Tensor, add bool) {
	read := func(t device.Tensor) [][]float64 {
		rows := make([][]float64, t.Rows)
		for i := range rows {
			rows[i] = make([]float64, t.Cols)
			r.dev.Read(t.Slice(i, i+1), rows[i])
		}
		return rows
	}
	r.passes = append(r.passes, pass{read(dy), read(x)})
	r.Linear.Backward(dx, dy, x, add)
}

// gradient is Σ dYᵀ X over passes, element by element.
func gradient(m sparse.Matrix, passes []pass) []float64 {
	g := make([]float64, m.Out*m.In)
	for _, p := range passes {
		for t := range p.dy {
			for i, d := range p.dy[t] {
				for j, x := range p.x[t] {
					g[i*m.In+j] += d * x
				}
			}
		}
	}
	return g
}

// place is a block among those of all targets, with what ranks it.
type place struct {
	matrix, block int
	first, second float64
}

// best are the n best of the blocks of some matrices by first, then second, then name, row and column.
func best(targets []sparse.Matrix, group []int, n int, of func(matrix, block int) (first, second float64)) []place {
	var all []place
	for _, i := range group {
		rows, cols := targets[i].Grid(blockSize)
		for k := range rows * cols {
			first, second := of(i, k)
			all = append(all, place{i, k, first, second})
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(b.first, a.first), cmp.Compare(b.second, a.second), cmp.Compare(targets[a.matrix].Name, targets[b.matrix].Name), cmp.Compare(a.block, b.block))
	})
	return all[:n]
}

// TestScoresOfInputsAndSteps compares frequency, activation and activation_channels with their formulas, computed in float64
// from what the layers see in the backward pass, and then the selected blocks with the best of those.
func TestScoresOfInputsAndSteps(t *testing.T) {
	base := modeltest.Open(t, modeltest.Llama(), 11)
	for _, score := range []sparse.Score{sparse.Frequency, sparse.Activation, sparse.ActivationChannels} {
		for _, passes := range []int{1, 2} {
			d, dev := newDecoder(t, base)
			targets := sparse.Targets(d.Linears(), modules)
			attention, mlp := sparse.Group{Blocks: 5}, sparse.Group{Blocks: 7}
			for i, m := range targets {
				if sparse.IsAttention(m.Module) {
					attention.Matrices = append(attention.Matrices, i)
				} else {
					mlp.Matrices = append(mlp.Matrices, i)
				}
			}
			groups := []sparse.Group{attention, mlp}
			a := sparse.NewAccumulator(dev, score, blockSize, targets, passes > 1)
			a.Strategy, a.Groups = sparse.Global, groups
			recorders := make([]*recorder, len(targets))
			for i, m := range targets {
				slot := d.Linear(m.Name)
				recorders[i] = &recorder{Linear: a.Observe(i, slot.Base), dev: dev}
				*slot.Linear = recorders[i]
			}
			d.Prepare(limits)
			const steps = 5
			for s := range steps {
				for p := range passes {
					in := batch()
					for i := range in.IDs {
						in.IDs[i] = (in.IDs[i] + int32(3*s+p)) % 40
					}
					if _, err := d.Step(in, 0.1); err != nil {
						t.Fatal(err)
					}
				}
				a.EndStep()
			}
			scores, err := a.Scores()
			if err != nil {
				t.Fatal(err)
			}

			counts, means := naiveFrequencies(targets, groups, recorders, steps, passes)
			top := 0.0
			for _, m := range means {
				top = max(top, slices.Max(m))
			}
			of := func(i, k int) (float64, float64) {
				if score == sparse.Frequency {
					return counts[i][k], means[i][k]
				}
				return naiveActivation(targets[i], recorders[i].passes, k, score), 0
			}
			for i, m := range targets {
				for k, got := range scores[i] {
					want, second := of(i, k)
					if score == sparse.Frequency {
						want += second / top / 2
					}
					if !(math.Abs(got-want) <= 1e-11*max(1, want)) {
						t.Fatalf("%s, %d passes, %s block %d: %g, expected %g", score, passes, m.Name, k, got, want)
					}
				}
			}
			selection, err := sparse.Select(targets, scores, blockSize, sparse.Global, groups)
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for _, g := range groups {
				for _, p := range best(targets, g.Matrices, g.Blocks, of) {
					_, cols := targets[p.matrix].Grid(blockSize)
					block := device.Block{Row: int32(p.block / cols), Col: int32(p.block % cols)}
					if !slices.ContainsFunc(selection.Matrices[p.matrix].Blocks, func(k sparse.ScoredBlock) bool { return k.Block == block }) {
						t.Errorf("%s, %d passes: %s %v is not selected", score, passes, targets[p.matrix].Name, block)
					}
				}
				total += g.Blocks
			}
			if selection.Blocks() != total {
				t.Errorf("%s: %d blocks, expected %d", score, selection.Blocks(), total)
			}
		}
	}
}

// naiveFrequencies counts, for every block, the steps in which it is among the best of its group by mean |G|, and averages
// mean |G| over the steps.
func naiveFrequencies(targets []sparse.Matrix, groups []sparse.Group, recorders []*recorder, steps, passes int) (counts, means [][]float64) {
	counts, means = make([][]float64, len(targets)), make([][]float64, len(targets))
	for i, m := range targets {
		rows, cols := m.Grid(blockSize)
		counts[i], means[i] = make([]float64, rows*cols), make([]float64, rows*cols)
	}
	for s := range steps {
		now := make([][]float64, len(targets))
		for i, m := range targets {
			g := gradient(m, recorders[i].passes[s*passes:(s+1)*passes])
			now[i] = make([]float64, len(means[i]))
			_, cols := m.Grid(blockSize)
			for k := range now[i] {
				n, sum := 0.0, 0.0
				each(m, []device.Block{{Row: int32(k / cols), Col: int32(k % cols)}}, func(at, _ int) { n, sum = n+1, sum+math.Abs(g[at]) })
				now[i][k] = sum / n
				means[i][k] += sum / n / float64(steps)
			}
		}
		for _, g := range groups {
			for _, p := range best(targets, g.Matrices, g.Blocks, func(i, k int) (float64, float64) { return now[i][k], 0 }) {
				counts[p.matrix][p.block]++
			}
		}
	}
	return counts, means
}

// naiveActivation is the score of block k by the formula of activation or activation_channels.
func naiveActivation(m sparse.Matrix, passes []pass, k int, score sparse.Score) float64 {
	_, cols := m.Grid(blockSize)
	r0, c0 := k/cols*blockSize, k%cols*blockSize
	r1, c1 := min(r0+blockSize, m.Out), min(c0+blockSize, m.In)
	x2, dy2, abs, tokens := 0.0, 0.0, 0.0, 0.0
	for _, p := range passes {
		for t := range p.x {
			tokens++
			for _, v := range p.x[t][c0:c1] {
				x2, abs = x2+v*v, abs+math.Abs(v)
			}
			for _, v := range p.dy[t][r0:r1] {
				dy2 += v * v
			}
		}
	}
	if score == sparse.ActivationChannels {
		return abs / float64(c1-c0) / tokens
	}
	return math.Sqrt(x2) * math.Sqrt(dy2)
}

// counter is a device that counts the elements that are asked for.
type counter struct {
	device.Device
	elements int
}

func (c *counter) New(rows, cols int) device.Tensor {
	c.elements += rows * cols
	return c.Device.New(rows, cols)
}

// TestBytesCoverTheAccumulator takes a step with every rule and compares what it asked the device for with what Bytes says.
func TestBytesCoverTheAccumulator(t *testing.T) {
	base := modeltest.Open(t, modeltest.Llama(), 2)
	for _, score := range sparse.Scores {
		for _, several := range []bool{false, true} {
			d, dev := newDecoder(t, base)
			targets := sparse.Candidates(score, sparse.Targets(d.Linears(), modules), false)
			count := &counter{Device: dev}
			in := batch()
			want := sparse.Bytes(score, blockSize, targets, len(in.IDs), several, 1)
			if score == sparse.Magnitude {
				if _, err := sparse.MagnitudeScores(count, targets, blockSize, func(m sparse.Matrix) device.Tensor { return d.Linear(m.Name).Base.Weight.Value }); err != nil {
					t.Fatal(err)
				}
			} else if !score.DataFree() {
				a := sparse.NewAccumulator(count, score, blockSize, targets, several)
				a.Strategy, a.Groups = sparse.Global, []sparse.Group{{Blocks: 2, Matrices: []int{0, 1}}}
				for i, m := range targets {
					*d.Linear(m.Name).Linear = a.Observe(i, d.Linear(m.Name).Base)
				}
				d.Prepare(limits)
				if _, err := d.Step(in, 1); err != nil {
					t.Fatal(err)
				}
				a.EndStep()
			}
			// A few elements of scratch memory are not counted, and what depends on the tokens may be asked for again, larger.
			slack := 16
			if slices.Contains([]sparse.Score{sparse.AbsMeanSum, sparse.TokenFisher, sparse.GradientSNR, sparse.Activation}, score) {
				slack += 3 * len(in.IDs)
			}
			if count.elements > want+slack || count.elements < want*9/10 {
				t.Errorf("%s, several=%v: %d elements, Bytes says %d", score, several, count.elements, want)
			}
		}
	}
}

// TestCandidates has V alone for v_only, and the MLP beside it if that has a budget of its own.
func TestCandidates(t *testing.T) {
	d, _ := newDecoder(t, modeltest.Open(t, modeltest.Llama(), 2))
	targets := sparse.Targets(d.Linears(), modules)
	for _, score := range sparse.Scores {
		for _, apart := range []bool{false, true} {
			for _, m := range targets {
				want := score != sparse.VOnly || m.Module == "v_proj" || apart && !sparse.IsAttention(m.Module)
				if slices.Contains(sparse.Candidates(score, targets, apart), m) != want {
					t.Errorf("%s, MLP apart %v: %s: expected %v", score, apart, m.Name, want)
				}
			}
		}
	}
}
