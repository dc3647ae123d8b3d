package optest

import "smt/device"

// testAddRow adds a vector of every dtype to the rows.
func testAddRow(s *series) {
	for i, shape := range shapes() {
		dtype := anyDType[i%len(anyDType)]
		tr := s.trial("x=[%d, %d] row=%s", shape[0], shape[1], dtype)
		x, row := tr.random("x", shape[0], shape[1]), tr.weight("row", dtype, 1, shape[1])
		tr.dev.AddRow(x.Tensor, row.Tensor)
		tr.equal(x, build(shape[0], shape[1], func(t, j int) float64 { return x.host.at(t, j) + row.host.at(0, j) }))
		tr.done()
	}
}

// testColumnDot sums columns, with and without a second factor; the sums are added to what is there.
func testColumnDot(s *series) {
	for _, shape := range append(shapes(), [2]int{300, 33}) {
		for _, both := range []bool{true, false} {
			tr := s.trial("[%d, %d] with b: %t", shape[0], shape[1], both)
			a, dst := tr.random("a", shape[0], shape[1]), tr.random("dst", 1, shape[1])
			var factor device.Tensor
			b := build(shape[0], shape[1], func(int, int) float64 { return 1 })
			if both {
				o := tr.random("b", shape[0], shape[1])
				factor, b = o.Tensor, o.host
			}
			tr.dev.ColumnDot(dst.Tensor, a.Tensor, factor)
			tr.near(dst, build(1, shape[1], func(_, j int) float64 {
				sum := dst.host.at(0, j)
				for t := range shape[0] {
					sum += a.host.at(t, j) * b.at(t, j)
				}
				return sum
			}), 1)
			tr.done()
		}
	}
}

// testScaleColumns multiplies every column by its factor: into another tensor, added to it, and in place.
func testScaleColumns(s *series) {
	for i, shape := range shapes() {
		for _, add := range []bool{false, true} {
			tr := s.trial("[%d, %d] add=%t", shape[0], shape[1], add)
			x, scales := tr.random("x", shape[0], shape[1]), tr.random("s", 1, shape[1])
			scaled := build(shape[0], shape[1], func(t, j int) float64 { return x.host.at(t, j) * scales.host.at(0, j) })
			dst := x
			if i%3 != 0 {
				dst = tr.target("dst", shape[0], shape[1], add)
			}
			tr.dev.ScaleColumns(dst.Tensor, x.Tensor, scales.Tensor, add)
			tr.equal(dst, dst.plusIf(add, scaled))
			tr.done()
		}
	}
}
