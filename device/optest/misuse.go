package optest

import (
	"fmt"
	"strings"
	"testing"

	"smt/device"
)

// testMisuse checks that wrong shapes, wrong dtypes, tensors of another device and indices of rows that are not there
// panic, with a message that names the operation, before anything is computed from memory that is not theirs.
func testMisuse(s *series) {
	dev := s.dev
	none := device.Tensor{}
	alien := device.Tensor{Buffer: new(int), Rows: 4, Cols: 6, Stride: 6}
	f := dev.New
	index := func(values ...int32) device.Tensor {
		t := dev.NewIndex(len(values))
		dev.WriteIndex(t, values)
		return t
	}
	frozen := dev.Bind(device.BF16, 4, 6, make([]byte, 48))
	heads := device.Attention{Heads: 2, KVHeads: 1, HeadDim: 3, Scale: 1}
	segment := func(q, qLen, k, kLen int) []device.Segment {
		return []device.Segment{{Q: q, QLen: qLen, K: k, KLen: kLen}}
	}
	whole := segment(0, 4, 0, 4)
	block := func(row, col int32) []device.Block { return []device.Block{{Row: row, Col: col}} }
	for _, c := range []struct {
		operation, what string
		call            func()
	}{
		{"Bind", "too few bytes", func() { dev.Bind(device.F32, 4, 6, make([]byte, 95)) }},
		{"Bind", "not a frozen dtype", func() { dev.Bind(device.Index, 4, 6, make([]byte, 96)) }},
		{"Write", "too few values", func() { dev.Write(f(4, 6), make([]float64, 23)) }},
		{"Write", "frozen", func() { dev.Write(frozen, make([]float64, 24)) }},
		{"WriteIndex", "too many values", func() { dev.WriteIndex(dev.NewIndex(3), make([]int32, 4)) }},
		{"Read", "too few values", func() { dev.Read(f(4, 6), make([]float64, 23)) }},
		{"Read", "another device", func() { dev.Read(alien, make([]float64, 24)) }},
		{"Fill", "absent", func() { dev.Fill(none, 1) }},
		{"Fill", "frozen", func() { dev.Fill(frozen, 1) }},
		{"Combine", "shapes", func() { dev.Combine(f(4, 6), f(6, 4), 1, 0) }},
		{"Combine", "frozen result", func() { dev.Combine(frozen, f(4, 6), 1, 0) }},
		{"Combine", "another device", func() { dev.Combine(f(4, 6), alien, 1, 0) }},
		{"Combine", "indices", func() { dev.Combine(f(4, 1), dev.NewIndex(4), 1, 0) }},
		{"MatMul", "inner size", func() { dev.MatMul(f(4, 5), f(4, 6), false, f(7, 5), false, false) }},
		{"MatMul", "rows", func() { dev.MatMul(f(3, 5), f(4, 6), false, f(6, 5), false, false) }},
		{"MatMul", "columns", func() { dev.MatMul(f(4, 4), f(4, 6), false, f(6, 5), false, false) }},
		{"MatMul", "not transposed", func() { dev.MatMul(f(4, 5), f(4, 6), false, f(5, 6), false, false) }},
		{"MatMul", "frozen result", func() { dev.MatMul(frozen, f(4, 4), false, f(4, 6), false, false) }},
		{"MatMul", "another device", func() { dev.MatMul(f(4, 6), f(4, 4), false, alien, false, false) }},
		{"MatMul", "absent", func() { dev.MatMul(f(4, 6), f(4, 4), false, none, false, false) }},
		{"AddRow", "columns", func() { dev.AddRow(f(4, 6), f(1, 5)) }},
		{"AddRow", "rows", func() { dev.AddRow(f(4, 6), f(4, 6)) }},
		{"ColumnDot", "shapes", func() { dev.ColumnDot(f(1, 6), f(4, 6), f(3, 6)) }},
		{"ColumnDot", "result", func() { dev.ColumnDot(f(1, 5), f(4, 6), f(4, 6)) }},
		{"ScaleColumns", "scales", func() { dev.ScaleColumns(f(4, 6), f(4, 6), f(1, 4), false) }},
		{"ScaleColumns", "shapes", func() { dev.ScaleColumns(f(4, 6), f(3, 6), f(1, 6), false) }},
		{"RowSquares", "result", func() { dev.RowSquares(f(1, 4), f(4, 6)) }},
		{"GatherRows", "row beyond", func() { dev.GatherRows(f(2, 6), f(4, 6), index(0, 4)) }},
		{"GatherRows", "negative row", func() { dev.GatherRows(f(2, 6), f(4, 6), index(-1, 0)) }},
		{"GatherRows", "count", func() { dev.GatherRows(f(3, 6), f(4, 6), index(1, 2)) }},
		{"GatherRows", "columns", func() { dev.GatherRows(f(2, 5), f(4, 6), index(1, 2)) }},
		{"GatherRows", "float rows", func() { dev.GatherRows(f(2, 6), f(4, 6), f(2, 1)) }},
		{"ScatterAddRows", "row beyond", func() { dev.ScatterAddRows(f(4, 6), f(2, 6), index(0, 4)) }},
		{"ScatterAddRows", "negative row", func() { dev.ScatterAddRows(f(4, 6), f(2, 6), index(-1, 0)) }},
		{"ScatterAddRows", "count", func() { dev.ScatterAddRows(f(4, 6), f(3, 6), index(1, 2)) }},
		{"RMSNorm", "weight", func() { dev.RMSNorm(f(4, 6), none, f(4, 6), f(1, 4), 0) }},
		{"RMSNorm", "result", func() { dev.RMSNorm(f(4, 5), none, f(4, 6), f(1, 6), 0) }},
		{"RMSNorm", "rstd", func() { dev.RMSNorm(f(4, 6), f(1, 4), f(4, 6), f(1, 6), 0) }},
		{"RMSNormBackward", "dw", func() {
			dev.RMSNormBackward(f(4, 6), f(1, 5), f(4, 6), f(4, 6), f(1, 6), f(4, 1), false)
		}},
		{"RMSNormBackward", "no rstd", func() {
			dev.RMSNormBackward(f(4, 6), none, f(4, 6), f(4, 6), f(1, 6), none, false)
		}},
		{"Rope", "position beyond", func() { dev.Rope(f(2, 12), f(5, 6), index(0, 5), false) }},
		{"Rope", "negative position", func() { dev.Rope(f(2, 12), f(5, 6), index(0, -1), false) }},
		{"Rope", "count", func() { dev.Rope(f(2, 12), f(5, 6), index(0), false) }},
		{"Rope", "part of a head", func() { dev.Rope(f(2, 15), f(5, 6), index(0, 1), false) }},
		{"Rope", "odd head", func() { dev.Rope(f(2, 10), f(5, 5), index(0, 1), false) }},
		{"Attention", "keys", func() { dev.Attention(f(4, 6), none, f(4, 6), f(4, 6), f(4, 3), whole, heads) }},
		{"Attention", "values", func() { dev.Attention(f(4, 6), none, f(4, 6), f(4, 3), f(3, 3), whole, heads) }},
		{"Attention", "lse", func() { dev.Attention(f(4, 6), f(4, 1), f(4, 6), f(4, 3), f(4, 3), whole, heads) }},
		{"Attention", "queries beyond", func() {
			dev.Attention(f(4, 6), none, f(4, 6), f(9, 3), f(9, 3), segment(1, 4, 0, 4), heads)
		}},
		{"Attention", "keys beyond", func() {
			dev.Attention(f(4, 6), none, f(4, 6), f(4, 3), f(4, 3), segment(0, 1, 1, 4), heads)
		}},
		{"Attention", "fewer keys than queries", func() {
			dev.Attention(f(4, 6), none, f(4, 6), f(4, 3), f(4, 3), segment(0, 4, 0, 3), heads)
		}},
		{"Attention", "key/value heads that do not divide the heads", func() {
			dev.Attention(f(4, 6), none, f(4, 6), f(4, 4), f(4, 4), whole, device.Attention{Heads: 3, KVHeads: 2, HeadDim: 2})
		}},
		{"AttentionBackward", "dk", func() {
			dev.AttentionBackward(none, f(4, 6), none, f(4, 6), f(4, 6), f(4, 2), f(4, 6), f(4, 3), f(4, 3), whole, heads)
		}},
		{"AttentionBackward", "no lse", func() {
			dev.AttentionBackward(f(4, 6), none, none, f(4, 6), f(4, 6), none, f(4, 6), f(4, 3), f(4, 3), whole, heads)
		}},
		{"SwiGLU", "shapes", func() { dev.SwiGLU(f(4, 6), f(4, 6), f(4, 5)) }},
		{"SwiGLUBackward", "shapes", func() { dev.SwiGLUBackward(f(4, 6), f(4, 6), f(4, 6), f(4, 6), f(3, 6)) }},
		{"CrossEntropy", "target beyond", func() { dev.CrossEntropy(f(2, 1), f(2, 6), index(0, 6), 0) }},
		{"CrossEntropy", "negative target", func() { dev.CrossEntropy(f(2, 1), f(2, 6), index(0, -100), 0) }},
		{"CrossEntropy", "loss", func() { dev.CrossEntropy(f(1, 2), f(2, 6), index(0, 1), 0) }},
		{"CrossEntropy", "frozen logits", func() { dev.CrossEntropy(f(4, 1), frozen, index(0, 1, 2, 3), 0) }},
		{"BlockProduct", "row beyond", func() { dev.BlockProduct(f(2, 6), f(2, 4), f(4, 4), block(2, 0), 4, false) }},
		{"BlockProduct", "column beyond", func() { dev.BlockProduct(f(2, 6), f(2, 4), f(4, 4), block(0, 1), 4, false) }},
		{"BlockProduct", "beyond, transposed", func() { dev.BlockProduct(f(2, 4), f(2, 6), f(4, 4), block(0, 1), 4, true) }},
		{"BlockProduct", "negative", func() { dev.BlockProduct(f(2, 6), f(2, 4), f(4, 4), block(-1, 0), 4, false) }},
		{"BlockProduct", "storage", func() { dev.BlockProduct(f(2, 6), f(2, 4), f(3, 4), block(0, 0), 4, false) }},
		{"BlockProduct", "rows", func() { dev.BlockProduct(f(2, 6), f(3, 4), f(4, 4), block(0, 0), 4, false) }},
		{"BlockGradient", "row beyond", func() { dev.BlockGradient(f(4, 4), f(2, 6), f(2, 4), block(2, 0), 4) }},
		{"BlockGradient", "storage", func() { dev.BlockGradient(f(8, 4), f(2, 6), f(2, 4), block(0, 0), 4) }},
		{"BlockSums", "result", func() { dev.BlockSums(f(2, 2), f(2, 9), 4, false) }},
		{"BlockScores", "result", func() { dev.BlockScores(f(2, 2), f(8, 9), 4, device.MeanAbs, false) }},
		{"SquaredNorm", "result", func() { dev.SquaredNorm(f(1, 2), f(2, 2)) }},
		{"AdamW", "shapes", func() { dev.AdamW(f(4, 6), f(4, 6), f(4, 6), f(4, 5), device.AdamW{Step: 1}) }},
	} {
		s.Run(c.operation+"/"+c.what, func(t *testing.T) {
			defer func() {
				switch message := fmt.Sprint(recover()); {
				case message == "<nil>":
					t.Error("no panic")
				case !strings.Contains(message, c.operation):
					t.Errorf("panic %q does not name the operation", message)
				}
			}()
			c.call()
		})
	}
}
