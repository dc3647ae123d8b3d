package optest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"smt/device"
)

// RunDeterminism checks that a device gives the same bits whatever GOMAXPROCS, at every call, and at whatever address the
// operands lie: the sizes leave remainders in every direction, and are large enough to be cut into parts for several
// cores. newDevice makes a device for the GOMAXPROCS of the moment; one that has a Close method is closed.
func RunDeterminism(t *testing.T, newDevice func() device.Device) {
	// Operands of other strides may be summed in another order, so results are compared within a group.
	places := []struct {
		group   string
		layouts []layout
	}{
		{"contiguous", bare},
		{"strided", []layout{{left: 2, right: 5}}},
		{"contiguous", []layout{{above: 1}, {above: 3}, {above: 2, below: 1}}},
		{"strided", []layout{{above: 1, left: 5, right: 2}, {left: 7}, {above: 2, right: 7}}},
	}
	first := map[string][]float64{}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 3, 7} {
		runtime.GOMAXPROCS(procs)
		dev := newDevice()
		for _, c := range determinismCases() {
			for i, place := range places {
				if procs > 1 && i < 2 {
					continue // the other addresses of either group are enough
				}
				tr := (&series{T: t, dev: dev}).trial("%s", c.name)
				tr.rng, tr.layouts, tr.first, tr.misalign = rand.New(rand.NewPCG(7, 7)), place.layouts, 0, i
				values := tr.values(c.run(tr))
				group := c.name + ", " + place.group
				if first[group] == nil {
					first[group] = values
				}
				for at, was := range first[group] {
					if v := values[at]; math.Float64bits(v) != math.Float64bits(was) {
						t.Errorf("%s: value %d is %.17g with GOMAXPROCS %d at place %d, and was %.17g at first",
							group, at, v, procs, i, was)
						break
					}
				}
			}
		}
		if closer, ok := dev.(interface{ Close() }); ok {
			closer.Close()
		}
	}
}

// values reads all results.
func (tr *trial) values(results []*operand) []float64 {
	var values []float64
	for _, result := range results {
		part := make([]float64, result.Len())
		tr.dev.Read(result.Tensor, part)
		values = append(values, part...)
	}
	return values
}

// A determinismCase makes its operands, always of the same values, calls operations and returns the results.
type determinismCase struct {
	name string
	run  func(tr *trial) []*operand
}

func determinismCases() []determinismCase {
	var cases []determinismCase
	add := func(name string, run func(tr *trial) []*operand) {
		cases = append(cases, determinismCase{name, run})
	}
	type product struct {
		m, n, k        int
		transA, transB bool
		a, b           device.DType
	}
	for _, p := range []product{
		{131, 257, 301, false, true, device.Float, device.BF16},  // forward
		{131, 301, 257, false, false, device.Float, device.BF16}, // backward to the input
		{201, 131, 301, true, false, device.Float, device.Float}, // gradient of a weight
		{67, 65, 1037, true, true, device.Float, device.F32},     // a long sum
		{1, 1001, 577, false, true, device.Float, device.BF16},   // decoding one token
		{3, 577, 1001, false, true, device.Float, device.F16},
		{2, 35, 4099, false, false, device.F32, device.Float},
	} {
		add(fmt.Sprintf("MatMul %+v", p), func(tr *trial) []*operand {
			aRows, aCols, bRows, bCols := p.m, p.k, p.k, p.n
			if p.transA {
				aRows, aCols = aCols, aRows
			}
			if p.transB {
				bRows, bCols = bCols, bRows
			}
			a, b, c := tr.weight("a", p.a, aRows, aCols), tr.weight("b", p.b, bRows, bCols), tr.random("c", p.m, p.n)
			tr.dev.MatMul(c.Tensor, a.Tensor, p.transA, b.Tensor, p.transB, true)
			return []*operand{c}
		})
	}
	for _, p := range []pattern{
		{"packed", []device.Segment{{Q: 0, QLen: 131, K: 0, KLen: 131}, {Q: 131, QLen: 1, K: 131, KLen: 1},
			{Q: 132, QLen: 67, K: 132, KLen: 67}}, 199, 199},
		{"decode", []device.Segment{{Q: 0, QLen: 1, K: 0, KLen: 517}, {Q: 1, QLen: 3, K: 517, KLen: 66}}, 4, 583},
	} {
		for _, window := range []int{0, 50} {
			a := device.Attention{Heads: 6, KVHeads: 2, HeadDim: 18, Scale: 0.2, Window: window}
			add(fmt.Sprintf("Attention %s, window %d", p.name, window), func(tr *trial) []*operand {
				q, do := tr.random("q", p.queries, 108), tr.random("do", p.queries, 108)
				k, v := tr.random("k", p.keys, 36), tr.random("v", p.keys, 36)
				o, lse := tr.result("o", p.queries, 108), tr.result("lse", p.queries, 6)
				dq, dk, dv := tr.result("dq", p.queries, 108), tr.result("dk", p.keys, 36), tr.result("dv", p.keys, 36)
				tr.dev.Attention(o.Tensor, lse.Tensor, q.Tensor, k.Tensor, v.Tensor, p.segments, a)
				tr.dev.AttentionBackward(dq.Tensor, dk.Tensor, dv.Tensor,
					do.Tensor, o.Tensor, lse.Tensor, q.Tensor, k.Tensor, v.Tensor, p.segments, a)
				return []*operand{o, lse, dq, dk, dv}
			})
		}
	}
	// Tensors of many short rows, of few long rows, and of neither.
	for _, shape := range [][2]int{{3001, 11}, {5, 10007}, {201, 251}} {
		rows, cols := shape[0], shape[1]
		name := func(operation string) string { return fmt.Sprintf("%s [%d, %d]", operation, rows, cols) }
		add(name("sums"), func(tr *trial) []*operand {
			a, b, dst := tr.random("a", rows, cols), tr.random("b", rows, cols), tr.random("dst", 1, cols)
			norm, squares, sums := tr.random("norm", 1, 1), tr.result("squares", rows, 1), tr.result("sums", rows, (cols+6)/7)
			scores := tr.result("scores", (rows+15)/16, (cols+15)/16)
			tr.dev.ColumnDot(dst.Tensor, a.Tensor, b.Tensor)
			tr.dev.ColumnDot(dst.Tensor, a.Tensor, device.Tensor{})
			tr.dev.SquaredNorm(norm.Tensor, a.Tensor)
			tr.dev.RowSquares(squares.Tensor, a.Tensor)
			tr.dev.BlockSums(sums.Tensor, a.Tensor, 7, true)
			tr.dev.BlockScores(scores.Tensor, a.Tensor, 16, device.MeanAbs, false)
			return []*operand{dst, norm, squares, sums, scores}
		})
		add(name("RMSNorm"), func(tr *trial) []*operand {
			x, w, dy := tr.random("x", rows, cols), tr.random("w", 1, cols), tr.random("dy", rows, cols)
			y, r := tr.result("y", rows, cols), tr.result("rstd", rows, 1)
			dx, dw := tr.result("dx", rows, cols), tr.random("dw", 1, cols)
			tr.dev.RMSNorm(y.Tensor, r.Tensor, x.Tensor, w.Tensor, 1e-5)
			tr.dev.RMSNormBackward(dx.Tensor, dw.Tensor, dy.Tensor, x.Tensor, w.Tensor, r.Tensor, false)
			return []*operand{y, r, dx, dw}
		})
		// A vector kernel and the plain code for what is left over must round alike: where one ends and the other begins
		// depends on the cut.
		add(name("elements"), func(tr *trial) []*operand {
			gate, up, dh := tr.random("gate", rows, cols), tr.random("up", rows, cols), tr.random("dh", rows, cols)
			h, dgate, dup := tr.result("h", rows, cols), tr.result("dgate", rows, cols), tr.result("dup", rows, cols)
			m, v := tr.random("m", rows, cols), tr.result("v", rows, cols)
			scales := tr.random("s", 1, cols)
			tr.dev.SwiGLU(h.Tensor, gate.Tensor, up.Tensor)
			tr.dev.SwiGLUBackward(dgate.Tensor, dup.Tensor, dh.Tensor, gate.Tensor, up.Tensor)
			tr.dev.ScaleColumns(dgate.Tensor, dup.Tensor, scales.Tensor, true)
			tr.dev.AddRow(dgate.Tensor, scales.Tensor)
			tr.dev.Combine(dup.Tensor, h.Tensor, 0.3, 0.7)
			tr.dev.Fill(v.Tensor, 0.1)
			tr.dev.AdamW(up.Tensor, dgate.Tensor, m.Tensor, v.Tensor, device.AdamW{
				LearningRate: 1e-3, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1, Step: 3, GradientScale: 0.7,
			})
			return []*operand{h, dgate, dup, up, m, v}
		})
	}
	add("Rope", func(tr *trial) []*operand {
		x, table := tr.random("x", 301, 90), tr.random("table", 40, 18)
		tr.dev.Rope(x.Tensor, table.Tensor, tr.index(tr.rows(301, 40)), false)
		return []*operand{x}
	})
	add("rows", func(tr *trial) []*operand {
		rows := tr.index(tr.rows(517, 13))
		src, dst, table := tr.random("src", 517, 129), tr.random("dst", 13, 129), tr.weight("table", device.BF16, 13, 129)
		tr.dev.ScatterAddRows(dst.Tensor, src.Tensor, rows)
		tr.dev.GatherRows(src.Tensor, table.Tensor, rows)
		return []*operand{dst, src}
	})
	add("CrossEntropy", func(tr *trial) []*operand {
		logits, loss := tr.random("logits", 5, 32003), tr.result("loss", 5, 1)
		tr.dev.CrossEntropy(loss.Tensor, logits.Tensor, tr.index(tr.rows(5, 32003)), 0.25)
		return []*operand{loss, logits}
	})
	add("blocks", func(tr *trial) []*operand {
		g := grid{"", 150, 170, 32, []device.Block{
			{Row: 4, Col: 5}, {Row: 0, Col: 1}, {Row: 4, Col: 1}, {Row: 2, Col: 5}, {Row: 2, Col: 1},
		}}
		x, dy, d := tr.random("x", 517, g.in), tr.random("dy", 517, g.out), tr.blocks("d", g)
		y, dx := tr.random("y", 517, g.out), tr.random("dx", 517, g.in)
		tr.dev.BlockProduct(y.Tensor, x.Tensor, d.Tensor, g.blocks, g.b, false)
		tr.dev.BlockProduct(dx.Tensor, dy.Tensor, d.Tensor, g.blocks, g.b, true)
		tr.dev.BlockGradient(d.Tensor, dy.Tensor, x.Tensor, g.blocks, g.b)
		return []*operand{y, dx, d}
	})
	return cases
}
