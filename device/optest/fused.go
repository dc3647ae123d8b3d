package optest

import "math"

// testFused lets operands be disjoint views of one tensor: side by side, as the columns of one product of several weights
// are, and one below the other, as the rows of a cache are.
func testFused(s *series) {
	for _, n := range []int{1, 5, 16, 33} {
		tr := s.trial("gate, up and h [%d, %d] in one tensor", n, n+2)
		f := n + 2
		all := tr.random("all", n, 3*f)
		tr.dev.SwiGLU(all.Columns(2*f, 3*f), all.Columns(0, f), all.Columns(f, 2*f))
		want := all.host.clone()
		for t := range n {
			for j := range f {
				want.set(t, 2*f+j, silu(all.host.at(t, j))*all.host.at(t, f+j))
			}
		}
		tr.equal(all, want)

		tr = s.trial("c, a and b [%d, %d] in one tensor", n, n)
		all = tr.random("all", n, 3*n)
		tr.dev.MatMul(all.Columns(n, 2*n), all.Columns(0, n), false, all.Columns(2*n, 3*n), true, true)
		want = all.host.clone()
		for i := range n {
			for j := range n {
				for k := range n {
					want.add(i, n+j, all.host.at(i, k)*all.host.at(j, 2*n+k))
				}
			}
		}
		tr.equal(all, want)

		tr = s.trial("the upper rows [%d, %d] written to the lower ones", n, f)
		all = tr.float("all", 2*n, f, guard, func(r, _ int) float64 {
			if r >= n {
				return math.NaN()
			}
			return tr.rng.NormFloat64()
		})
		tr.dev.Combine(all.Slice(n, 2*n), all.Slice(0, n), 2, 0)
		tr.equal(all, build(2*n, f, func(r, c int) float64 {
			if r >= n {
				return 2 * all.host.at(r-n, c)
			}
			return all.host.at(r, c)
		}))
	}
}
