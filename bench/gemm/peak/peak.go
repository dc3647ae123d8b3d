// Package peak measures how many float32 operations a machine does in a second when nothing holds its multipliers up.
package peak

import (
	"sync"
	"time"

	"golang.org/x/sys/cpu"
)

//go:noescape
func fma512(n int)

//go:noescape
func fma256(n int)

// FLOPS runs threads goroutines for some milliseconds each and returns the operations per second of all of them; a fused
// multiplication and addition counts as two.
func FLOPS(threads int) float64 {
	const n = 1 << 20
	run, operations := fma256, 12*8*2.0*n
	if cpu.X86.HasAVX512F {
		run, operations = fma512, 28*16*2.0*n
	}
	began := time.Now()
	var all sync.WaitGroup
	for range threads {
		all.Go(func() { run(n) })
	}
	all.Wait()
	return operations * float64(threads) / time.Since(began).Seconds()
}
