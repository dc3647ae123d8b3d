// Package peak measures how many float32 operations a machine does in a second when nothing holds its multipliers up.
package peak

import (
	"runtime"
	"sync"
	"time"
)

// A loop repeats independent fused multiplications and additions n times; each repetition is operations of them, a
// multiplication and an addition being two.
type loop struct {
	run        func(n int)
	operations float64
}

// FLOPS runs threads goroutines for some milliseconds each, every one on a core of its own, and returns the sum of their
// rates in operations per second: 0 where there is no loop for the processor.
func FLOPS(threads int) float64 {
	const n = 1 << 20
	l := fastest()
	if l.run == nil {
		return 0
	}
	rates := make([]float64, threads)
	var ready, all sync.WaitGroup
	ready.Add(threads)
	for i := range threads {
		all.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, and its place with it
			pin(i)
			ready.Done()
			ready.Wait()
			began := time.Now()
			l.run(n)
			rates[i] = l.operations * n / time.Since(began).Seconds()
		})
	}
	all.Wait()
	sum := 0.0
	for _, r := range rates {
		sum += r
	}
	return sum
}
