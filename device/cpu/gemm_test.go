package cpu

import (
	"math"
	"testing"
)

// TestCut checks that the tasks of a product cover every panel of A with every panel of B once, however many there are.
func TestCut(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 16} {
		for _, fit := range []int{1, 2, 5} {
			for _, panels := range []int{1, 7, 8, 33, 128} {
				for columns := 1; columns < 60; columns++ {
					g := gemm{panels: panels, columns: columns}
					g.cut(threads, fit)
					covered := make([]int, panels*columns)
					for task := range g.chunks + (columns-g.wide)*g.splits {
						x0, x1, q0, q1 := g.rectangle(task)
						if x1-x0 > fit {
							t.Errorf("%d threads, %d x %d panels: task %d takes %d panels of B, %d fit", threads, panels, columns, task, x1-x0, fit)
						}
						for x := x0; x < x1; x++ {
							for q := q0; q < q1; q++ {
								covered[q*columns+x]++
							}
						}
					}
					for i, n := range covered {
						if n != 1 {
							t.Fatalf("%d threads, %d x %d panels, fit %d: panel %d of A and %d of B are multiplied %d times",
								threads, panels, columns, fit, i/columns, i%columns, n)
						}
					}
				}
			}
		}
	}
}

// TestProductBits checks that the number of threads changes no bit of a product: one of several blocks of the shared
// dimension, with ragged edges, large enough to be cut in both ways.
func TestProductBits(t *testing.T) {
	eachSet(t, func(t *testing.T, name string) {
		const m, n, k = 203, 587, 701
		var want []float32
		for _, threads := range []int{1, 2, 3, 7} {
			d := New(WithKernels(name), WithThreads(threads))
			c := d.New(m, n)
			d.MatMul(c, random(d, m, k), false, random(d, n, k), true, false)
			got := open("TestProductBits", c).data
			if want == nil {
				want = got
			}
			for i := range want {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
					t.Fatalf("%d threads: element %d is %g, and %g on one thread", threads, i, got[i], want[i])
				}
			}
		}
	})
}
