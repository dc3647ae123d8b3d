package cpu

import (
	"testing"

	"smt/device"
)

// TestAllocations calls every operation on a warmed device and counts: a training step must leave nothing to the garbage
// collector.
func TestAllocations(t *testing.T) {
	eachSet(t, func(t *testing.T, kernels string) {
		d := New(WithKernels(kernels), WithThreads(2))
		const tokens, hidden, out, b = 96, 80, 112, 16
		x, y, w := random(d, tokens, hidden), random(d, tokens, out), random(d, out, hidden)
		half := d.Bind(device.BF16, out, hidden, make([]byte, 2*out*hidden))
		norm := d.Bind(device.F16, 1, hidden, make([]byte, 2*hidden))
		rstd, row, one := d.New(tokens, 1), d.New(1, hidden), d.New(1, 1)
		index, table := d.NewIndex(tokens), random(d, 1, 16)
		blocks := []device.Block{{Row: 0, Col: 1}, {Row: 3, Col: 1}, {Row: 6, Col: 4}}
		g := d.New(len(blocks)*b, b)
		a := device.Attention{Heads: 5, KVHeads: 5, HeadDim: 16, Scale: 0.25, Window: 50}
		grouped := device.Attention{Heads: 5, KVHeads: 1, HeadDim: 16, Scale: 0.25}
		segments := []device.Segment{{QLen: 60, KLen: 60}, {Q: 60, QLen: 2, K: 60, KLen: 36}}
		k, v, lse := random(d, tokens, hidden), random(d, tokens, hidden), d.New(tokens, 5)
		o, dq, dk, dv := d.New(tokens, hidden), d.New(tokens, hidden), d.New(tokens, hidden), d.New(tokens, hidden)
		one5 := random(d, tokens, 16)
		none := device.Tensor{}
		for name, call := range map[string]func(){
			"Fill":             func() { d.Fill(o, 1) },
			"Combine":          func() { d.Combine(w, half, 1, 0.5) },
			"MatMul":           func() { d.MatMul(y, x, false, half, true, false) },
			"MatMul dX":        func() { d.MatMul(o, y, false, w, false, true) },
			"MatMul dW":        func() { d.MatMul(w, y, true, x, false, false) },
			"MatMul skinny":    func() { d.MatMul(y.Slice(0, 3), x.Slice(0, 3), false, half, true, false) },
			"AddRow":           func() { d.AddRow(x, norm) },
			"ColumnDot":        func() { d.ColumnDot(row, x, o) },
			"ScaleColumns":     func() { d.ScaleColumns(o, x, row, false) },
			"RowSquares":       func() { d.RowSquares(rstd, x) },
			"GatherRows":       func() { d.GatherRows(o, half, index) },
			"ScatterAddRows":   func() { d.ScatterAddRows(o, x, index) },
			"RMSNorm":          func() { d.RMSNorm(o, rstd, x, norm, 1e-5) },
			"RMSNormBackward":  func() { d.RMSNormBackward(dq, row, o, x, norm, rstd, true) },
			"Rope":             func() { d.Rope(x, table, index, true) },
			"Attention":        func() { d.Attention(o, lse, x, k, v, segments, a) },
			"Attention groups": func() { d.Attention(o, none, x, one5, one5, segments, grouped) },
			"AttentionBackward": func() {
				d.AttentionBackward(dq, dk, dv, o, o, lse, x, k, v, segments, a)
			},
			"SwiGLU":         func() { d.SwiGLU(o, x, k) },
			"SwiGLUBackward": func() { d.SwiGLUBackward(dq, dk, o, x, k) },
			"CrossEntropy":   func() { d.CrossEntropy(rstd, o, index, 0.1) },
			"BlockProduct":   func() { d.BlockProduct(y, x, g, blocks, b, false) },
			"BlockProduct few": func() {
				d.BlockProduct(y.Slice(0, 2), x.Slice(0, 2), g, blocks, b, false)
			},
			"BlockProduct transposed": func() { d.BlockProduct(o, y, g, blocks, b, true) },
			"BlockGradient":           func() { d.BlockGradient(g, y, x, blocks, b) },
			"BlockSums":               func() { d.BlockSums(lse, x, b, true) },
			"BlockScores":             func() { d.BlockScores(one5.Slice(0, 6).Columns(0, 5), x, 16, device.MeanAbs, false) },
			"SquaredNorm":             func() { d.SquaredNorm(one, x) },
			"AdamW":                   func() { d.AdamW(x, o, k, v, device.AdamW{Step: 1, GradientScale: 1, Beta1: 0.9, Beta2: 0.9}) },
		} {
			call()
			if n := testing.AllocsPerRun(5, call); n > 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	})
}
