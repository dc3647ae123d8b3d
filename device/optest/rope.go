package optest

import "math"

// testRope turns heads of many sizes by positions that repeat, jump and begin anywhere, and turns them back.
func testRope(s *series) {
	for _, d := range []int{2, 4, 6, 10, 14, 16, 18, 30, 32, 34, 62, 64, 66, 80, 96, 128, 130} {
		for i, heads := range []int{1, 3, 9} {
			rows := []int{1, 17, 40}[(i+d/2)%3]
			tr := s.trial("x=[%d, %d·%d]", rows, heads, d)
			const table = 50
			// The angles of real tables, base 10000.
			angle := func(p, i int) float64 { return float64(p) * math.Pow(10000, -2*float64(i)/float64(d)) }
			angles := tr.given("table", build(table, d, func(p, i int) float64 {
				if i < d/2 {
					return math.Cos(angle(p, i))
				}
				return math.Sin(angle(p, i-d/2))
			}))
			x, positions := tr.random("x", rows, heads*d), tr.rows(rows, table)
			inverse := (i+d/2)%2 == 1
			index := tr.index(positions)
			tr.dev.Rope(x.Tensor, angles.Tensor, index, inverse)
			tr.equal(x, literalRope(x.host, angles.host, positions, inverse))
			// A turn and a turn back is no turn.
			tr.dev.Rope(x.Tensor, angles.Tensor, index, !inverse)
			tr.equal(x, x.host)
			tr.done()
		}
	}
}

func literalRope(x, table matrix, positions []int32, inverse bool) matrix {
	d := table.cols
	return build(x.rows, x.cols, func(t, j int) float64 {
		head, i := j/d*d, j%d
		position := int(positions[t])
		c, s := table.at(position, i%(d/2)), table.at(position, d/2+i%(d/2))
		if inverse {
			s = -s
		}
		if i < d/2 {
			return x.at(t, head+i)*c - x.at(t, head+i+d/2)*s
		}
		return x.at(t, head+i)*c + x.at(t, head+i-d/2)*s
	})
}
