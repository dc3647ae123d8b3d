package optest

// testRowSquares takes the squared lengths of rows of every dtype.
func testRowSquares(s *series) {
	for _, shape := range shapes() {
		for _, dtype := range anyDType {
			tr := s.trial("a=%s[%d, %d]", dtype, shape[0], shape[1])
			a, dst := tr.weight("a", dtype, shape[0], shape[1]), tr.result("dst", shape[0], 1)
			tr.dev.RowSquares(dst.Tensor, a.Tensor)
			tr.equal(dst, build(shape[0], 1, func(r, _ int) float64 {
				return dot(a.host.part(r, 0, shape[1]), a.host.part(r, 0, shape[1]))
			}))
			tr.done()
		}
	}
}

// testSquaredNorm sums squares of many sizes onto what is there, as clipping does with the gradients of many tensors.
func testSquaredNorm(s *series) {
	for _, shape := range append(shapes(), [2]int{1, 100_003}) {
		tr := s.trial("[%d, %d]", shape[0], shape[1])
		x, dst := tr.random("x", shape[0], shape[1]), tr.given("dst", matrix{1, 1, []float64{3}})
		tr.dev.SquaredNorm(dst.Tensor, x.Tensor)
		sum := 3.0
		for _, v := range x.host.values {
			sum += v * v
		}
		tr.equal(dst, matrix{1, 1, []float64{sum}})
		tr.done()
	}
}
