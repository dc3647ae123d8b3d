// Package peak measures how many float32 operations a machine does in a second when nothing holds its multipliers up.
package peak

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/cpu"
)

//go:noescape
func fma512(n int)

//go:noescape
func fma256(n int)

// FLOPS runs threads goroutines for some milliseconds each, every one on a core of its own, and returns the sum of their
// rates: operations per second, of which a fused multiplication and addition counts as two.
func FLOPS(threads int) float64 {
	const n = 1 << 20
	run, operations := fma256, 12*8*2.0*n
	if cpu.X86.HasAVX512F {
		run, operations = fma512, 28*16*2.0*n
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
			run(n)
			rates[i] = operations / time.Since(began).Seconds()
		})
	}
	all.Wait()
	sum := 0.0
	for _, r := range rates {
		sum += r
	}
	return sum
}
