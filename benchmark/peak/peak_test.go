package peak

import (
	"runtime"
	"testing"
)

// TestFLOPS checks that a rate is measured where the processor has a loop, and that the loop runs as often as it is said to:
// no core does 1e13 operations a second.
func TestFLOPS(t *testing.T) {
	for threads := 1; threads <= min(2, runtime.NumCPU()); threads++ {
		rate := FLOPS(threads)
		if has := fastest().run != nil; has != (rate > 0) || rate > 1e13*float64(threads) {
			t.Errorf("%d threads: %g operations/s, the processor has a loop: %t", threads, rate, has)
		}
	}
}
