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
