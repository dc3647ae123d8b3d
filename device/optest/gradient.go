package optest

import (
	"math"
	"testing"

	"smt/device"
)

// RunGradients compares every backward operation with central differences of its forward operation. dev must compute
// in float64: what the differences lose to rounding would drown the comparison in float32.
func RunGradients(t *testing.T, dev device.Device) {
	for _, operation := range []struct {
		name string
		test func(*slopes)
	}{
		{"MatMul", matMulSlopes},
		{"AddRow", addRowSlopes},
		{"ScaleColumns", scaleColumnsSlopes},
		{"GatherRows", gatherRowsSlopes},
		{"RMSNorm", rmsNormSlopes},
		{"Rope", ropeSlopes},
		{"Attention", attentionSlopes},
		{"SwiGLU", swiGLUSlopes},
		{"CrossEntropy", crossEntropySlopes},
		{"BlockProduct", blockProductSlopes},
	} {
		t.Run(operation.name, func(t *testing.T) {
			operation.test(&slopes{&series{T: t, dev: dev, tolerance: 1e-7}})
		})
	}
}

// slopes compares gradients with differences. The loss is always Σ direction·result for a random direction, which is
// thus the gradient of the result that the backward operation begins with.
type slopes struct{ *series }

// match compares gradient with the slope of the loss Σ direction·result in every element of x; forward computes
// result.
func (s *slopes) match(tr *trial, name string, x, gradient device.Tensor, direction, result *operand, forward func()) {
	s.Helper()
	loss := func() float64 {
		forward()
		values := s.read(result.Tensor)
		var sum float64
		for i, v := range values.values {
			sum += v * direction.host.values[i]
		}
		return sum
	}
	s.matchLoss(tr, name, x, gradient, loss)
}

// matchLoss is match for any loss.
func (s *slopes) matchLoss(tr *trial, name string, x, gradient device.Tensor, loss func() float64) {
	s.Helper()
	// The error of a central difference is about step² from the curve and 1e-16/step from rounding.
	const step = 1e-5
	values := s.read(x)
	shift := func(i int, by float64) float64 {
		shifted := values.clone()
		shifted.values[i] += by
		s.dev.Write(x, shifted.values)
		return loss()
	}
	want := values.clone()
	for i := range want.values {
		want.values[i] = (shift(i, step) - shift(i, -step)) / (2 * step)
	}
	s.dev.Write(x, values.values)
	if err := compare(s.read(gradient), want, s.tolerance, 0.01); err != nil {
		s.Errorf("%s: gradient of %s, against differences: %v", tr.label, name, err)
	}
}

func (s *slopes) read(t device.Tensor) matrix {
	m := build(t.Rows, t.Cols, func(int, int) float64 { return 0 })
	s.dev.Read(t, m.values)
	return m
}

// matMulSlopes: with C = op(A)·op(B), dop(A) = dC·op(B)ᵀ and dop(B) = op(A)ᵀ·dC, transposed where A and B are.
func matMulSlopes(s *slopes) {
	for mode := range 4 {
		transA, transB := mode&1 != 0, mode&2 != 0
		tr := s.trial("transposed: %t, %t", transA, transB)
		aShape, bShape := [2]int{5, 4}, [2]int{4, 3}
		if transA {
			aShape = [2]int{4, 5}
		}
		if transB {
			bShape = [2]int{3, 4}
		}
		a, b := tr.random("a", aShape[0], aShape[1]), tr.random("b", bShape[0], bShape[1])
		c, dc := tr.result("c", 5, 3), tr.random("dc", 5, 3)
		da, db := tr.result("da", a.Rows, a.Cols), tr.result("db", b.Rows, b.Cols)
		if transA {
			s.dev.MatMul(da.Tensor, b.Tensor, transB, dc.Tensor, true, false)
		} else {
			s.dev.MatMul(da.Tensor, dc.Tensor, false, b.Tensor, !transB, false)
		}
		if transB {
			s.dev.MatMul(db.Tensor, dc.Tensor, true, a.Tensor, transA, false)
		} else {
			s.dev.MatMul(db.Tensor, a.Tensor, !transA, dc.Tensor, false, false)
		}
		forward := func() { s.dev.MatMul(c.Tensor, a.Tensor, transA, b.Tensor, transB, false) }
		s.match(tr, "a", a.Tensor, da.Tensor, dc, c, forward)
		s.match(tr, "b", b.Tensor, db.Tensor, dc, c, forward)
	}
}

// addRowSlopes: the gradient of a bias is the sum of each column.
func addRowSlopes(s *slopes) {
	tr := s.trial("bias")
	x, row, y, dy := tr.random("x", 6, 5), tr.random("row", 1, 5), tr.result("y", 6, 5), tr.random("dy", 6, 5)
	drow := tr.given("drow", build(1, 5, func(int, int) float64 { return 0 }))
	s.dev.ColumnDot(drow.Tensor, dy.Tensor, device.Tensor{})
	s.match(tr, "row", row.Tensor, drow.Tensor, dy, y, func() {
		s.dev.Combine(y.Tensor, x.Tensor, 1, 0)
		s.dev.AddRow(y.Tensor, row.Tensor)
	})
}

// scaleColumnsSlopes: dx = dy·s, and ds is the dot product of each column of dy and x.
func scaleColumnsSlopes(s *slopes) {
	tr := s.trial("scales")
	x, scales, y, dy := tr.random("x", 6, 5), tr.random("s", 1, 5), tr.result("y", 6, 5), tr.random("dy", 6, 5)
	dx, ds := tr.result("dx", 6, 5), tr.given("ds", build(1, 5, func(int, int) float64 { return 0 }))
	s.dev.ScaleColumns(dx.Tensor, dy.Tensor, scales.Tensor, false)
	s.dev.ColumnDot(ds.Tensor, dy.Tensor, x.Tensor)
	forward := func() { s.dev.ScaleColumns(y.Tensor, x.Tensor, scales.Tensor, false) }
	s.match(tr, "x", x.Tensor, dx.Tensor, dy, y, forward)
	s.match(tr, "s", scales.Tensor, ds.Tensor, dy, y, forward)
}

// gatherRowsSlopes: the gradient of a look-up is scattered back, and that of a scatter is looked up.
func gatherRowsSlopes(s *slopes) {
	tr := s.trial("rows that repeat")
	rows := tr.index([]int32{6, 0, 3, 3, 1, 6, 3})
	table, found, dfound := tr.random("table", 8, 3), tr.result("found", 7, 3), tr.random("dfound", 7, 3)
	dtable := tr.given("dtable", build(8, 3, func(int, int) float64 { return 0 }))
	s.dev.ScatterAddRows(dtable.Tensor, dfound.Tensor, rows)
	s.match(tr, "table", table.Tensor, dtable.Tensor, dfound, found, func() {
		s.dev.GatherRows(found.Tensor, table.Tensor, rows)
	})

	src, dst := tr.random("src", 7, 3), tr.result("dst", 8, 3)
	ddst, dsrc := tr.random("ddst", 8, 3), tr.result("dsrc", 7, 3)
	s.dev.GatherRows(dsrc.Tensor, ddst.Tensor, rows)
	s.match(tr, "src", src.Tensor, dsrc.Tensor, ddst, dst, func() {
		s.dev.Fill(dst.Tensor, 0)
		s.dev.ScatterAddRows(dst.Tensor, src.Tensor, rows)
	})
}

func rmsNormSlopes(s *slopes) {
	for _, shape := range [][2]int{{5, 6}, {1, 1}, {3, 17}} {
		tr := s.trial("[%d, %d]", shape[0], shape[1])
		const eps = 0.01
		x, w, y, dy := tr.random("x", shape[0], shape[1]), tr.random("w", 1, shape[1]),
			tr.result("y", shape[0], shape[1]), tr.random("dy", shape[0], shape[1])
		r, dx := tr.result("rstd", shape[0], 1), tr.result("dx", shape[0], shape[1])
		dw := tr.given("dw", build(1, shape[1], func(int, int) float64 { return 0 }))
		s.dev.RMSNorm(y.Tensor, r.Tensor, x.Tensor, w.Tensor, eps)
		s.dev.RMSNormBackward(dx.Tensor, dw.Tensor, dy.Tensor, x.Tensor, w.Tensor, r.Tensor, false)
		forward := func() { s.dev.RMSNorm(y.Tensor, device.Tensor{}, x.Tensor, w.Tensor, eps) }
		s.match(tr, "x", x.Tensor, dx.Tensor, dy, y, forward)
		s.match(tr, "w", w.Tensor, dw.Tensor, dy, y, forward)
	}
}

// ropeSlopes: a rotation's gradient is turned back by the same angle.
func ropeSlopes(s *slopes) {
	tr := s.trial("3 heads of 6")
	table := tr.given("table", build(20, 6, func(p, i int) float64 {
		if i < 3 {
			return math.Cos(float64(p * (i + 1)))
		}
		return math.Sin(float64(p * (i - 2)))
	}))
	positions := tr.index([]int32{0, 7, 19, 7})
	x, y, dy := tr.random("x", 4, 18), tr.result("y", 4, 18), tr.random("dy", 4, 18)
	dx := tr.given("dx", dy.host)
	s.dev.Rope(dx.Tensor, table.Tensor, positions, true)
	s.match(tr, "x", x.Tensor, dx.Tensor, dy, y, func() {
		s.dev.Combine(y.Tensor, x.Tensor, 1, 0)
		s.dev.Rope(y.Tensor, table.Tensor, positions, false)
	})
}

func attentionSlopes(s *slopes) {
	rows := []device.Segment{
		{Q: 0, QLen: 4, K: 0, KLen: 4}, {Q: 4, QLen: 1, K: 4, KLen: 1}, {Q: 5, QLen: 3, K: 5, KLen: 3},
	}
	cached := []device.Segment{{Q: 2, QLen: 3, K: 1, KLen: 7}, {Q: 0, QLen: 2, K: 8, KLen: 2}}
	for _, c := range []struct {
		segments      []device.Segment
		queries, keys int
		a             device.Attention
	}{
		{rows, 8, 8, device.Attention{Heads: 2, KVHeads: 2, HeadDim: 3, Scale: 0.6}},
		{rows, 8, 8, device.Attention{Heads: 4, KVHeads: 2, HeadDim: 2, Scale: 0.7, Window: 2}},
		{cached, 5, 10, device.Attention{Heads: 3, KVHeads: 1, HeadDim: 2, Scale: 0.7}},
		{cached, 5, 10, device.Attention{Heads: 2, KVHeads: 1, HeadDim: 3, Scale: 0.7, Window: 3}},
	} {
		tr := s.trial("%v %+v", c.segments, c.a)
		q := tr.random("q", c.queries, c.a.Heads*c.a.HeadDim)
		k, v := tr.random("k", c.keys, c.a.KVHeads*c.a.HeadDim), tr.random("v", c.keys, c.a.KVHeads*c.a.HeadDim)
		o, lse, do := tr.result("o", q.Rows, q.Cols), tr.result("lse", q.Rows, c.a.Heads), tr.random("do", q.Rows, q.Cols)
		// The keys of no segment have no influence, and their gradients are left as they are.
		zero := build(c.keys, k.Cols, func(int, int) float64 { return 0 })
		dq, dk, dv := tr.result("dq", q.Rows, q.Cols), tr.given("dk", zero), tr.given("dv", zero)
		s.dev.Attention(o.Tensor, lse.Tensor, q.Tensor, k.Tensor, v.Tensor, c.segments, c.a)
		s.dev.AttentionBackward(dq.Tensor, dk.Tensor, dv.Tensor,
			do.Tensor, o.Tensor, lse.Tensor, q.Tensor, k.Tensor, v.Tensor, c.segments, c.a)
		forward := func() {
			s.dev.Attention(o.Tensor, device.Tensor{}, q.Tensor, k.Tensor, v.Tensor, c.segments, c.a)
		}
		s.match(tr, "q", q.Tensor, dq.Tensor, do, o, forward)
		s.match(tr, "k", k.Tensor, dk.Tensor, do, o, forward)
		s.match(tr, "v", v.Tensor, dv.Tensor, do, o, forward)
	}
}

func swiGLUSlopes(s *slopes) {
	tr := s.trial("[4, 9]")
	gate, up, h, dh := tr.random("gate", 4, 9), tr.random("up", 4, 9), tr.result("h", 4, 9), tr.random("dh", 4, 9)
	dgate, dup := tr.result("dgate", 4, 9), tr.result("dup", 4, 9)
	s.dev.SwiGLUBackward(dgate.Tensor, dup.Tensor, dh.Tensor, gate.Tensor, up.Tensor)
	forward := func() { s.dev.SwiGLU(h.Tensor, gate.Tensor, up.Tensor) }
	s.match(tr, "gate", gate.Tensor, dgate.Tensor, dh, h, forward)
	s.match(tr, "up", up.Tensor, dup.Tensor, dh, h, forward)
}

func crossEntropySlopes(s *slopes) {
	tr := s.trial("[5, 11]")
	const scale = 0.3
	logits, loss, targets := tr.random("logits", 5, 11), tr.result("loss", 5, 1), tr.index([]int32{0, 10, 4, 4, 7})
	gradient := tr.given("gradient", logits.host)
	s.dev.CrossEntropy(loss.Tensor, gradient.Tensor, targets, scale)
	s.matchLoss(tr, "logits", logits.Tensor, gradient.Tensor, func() float64 {
		s.dev.CrossEntropy(loss.Tensor, logits.Tensor, targets, 0)
		var sum float64
		for _, v := range s.read(loss.Tensor).values {
			sum += v
		}
		return scale * sum
	})
}

// blockProductSlopes checks dX (the transposed product) and the gradients of the blocks on all small grids.
func blockProductSlopes(s *slopes) {
	for _, g := range []grid{
		{"even", 8, 12, 4, []device.Block{{Row: 1, Col: 2}, {Row: 0, Col: 0}, {Row: 1, Col: 0}}},
		{"ragged", 7, 10, 4, []device.Block{{Row: 1, Col: 2}, {Row: 0, Col: 2}, {Row: 1, Col: 1}, {Row: 0, Col: 0}}},
		{"same block twice", 7, 10, 4, []device.Block{{Row: 1, Col: 2}, {Row: 1, Col: 2}}},
	} {
		tr := s.trial("%s", g.name)
		x, d, dy := tr.random("x", 5, g.in), tr.blocks("d", g), tr.random("dy", 5, g.out)
		y, dx := tr.result("y", 5, g.out), tr.given("dx", build(5, g.in, func(int, int) float64 { return 0 }))
		dd := tr.given("dd", build(d.Rows, d.Cols, func(int, int) float64 { return 0 }))
		s.dev.BlockProduct(dx.Tensor, dy.Tensor, d.Tensor, g.blocks, g.b, true)
		s.dev.BlockGradient(dd.Tensor, dy.Tensor, x.Tensor, g.blocks, g.b)
		forward := func() {
			s.dev.Fill(y.Tensor, 0)
			s.dev.BlockProduct(y.Tensor, x.Tensor, d.Tensor, g.blocks, g.b, false)
		}
		s.match(tr, "x", x.Tensor, dx.Tensor, dy, y, forward)
		s.match(tr, "d", d.Tensor, dd.Tensor, dy, y, forward)
	}
}
