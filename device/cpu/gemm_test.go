package cpu

import (
	"math"
	"testing"
)

// TestProductBits checks that the number of threads changes no bit of a product: one of several blocks of the shared
// dimension, with ragged edges.
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

// TestGrid checks that tasks are no wider than the cache holds and none is empty, and that products whose panels divide
// evenly are cut evenly.
func TestGrid(t *testing.T) {
	for threads := 1; threads <= 64; threads *= 2 {
		for _, columns := range []int{1, 2, 4, 7, 12, 32, 171, 2672} {
			for _, panels := range []int{1, 2, 3, 64, 128, 1000} {
				for _, fit := range []int{1, 2, 5} {
					chunks, splits := grid(columns, panels, fit, threads)
					if chunks < 1 || chunks > columns || (columns+chunks-1)/chunks > fit || splits < 1 || splits > panels {
						t.Errorf("%d columns, %d panels, %d fit, %d threads: got %d chunks, %d splits", columns, panels, fit, threads, chunks, splits)
					}
				}
			}
		}
	}
	for _, columns := range []int{4, 12, 32, 48} { // 192, 576, 1536 and 2304 outputs
		chunks, splits := grid(columns, 128, 2, 2)
		if columns%chunks != 0 || 128%splits != 0 || chunks*splits%2 != 0 {
			t.Errorf("%d columns: got %d chunks and %d splits for 2 threads, expected an even cut", columns, chunks, splits)
		}
	}
}
