// Package cpu is the device that computes in float32 on all cores, with SIMD kernels where the machine has them.
//
// There is one table of kernels ([Kernels] names them) for each instruction set: AVX-512, AVX2 and NEON in assembly written
// by generators (device/cpu/asm), and plain Go, which serves every other machine and the build tag noasm. The widest that
// the machine can run is chosen once, at start.
//
// Results are the same bits whatever the number of threads: work is cut by the shapes of the operands alone, every
// element of a result is summed in an order that does not depend on the cut, and partial sums are combined in a fixed
// order. The kernels of different instruction sets may differ in the last bits.
package cpu

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync/atomic"

	"smt/device"
)

// KernelsVariable is the environment variable that names the kernels to use, as [WithKernels] does. A name that this
// machine cannot run is passed over: [Device.Name] tells what was taken.
const KernelsVariable = "SMT_CPU_KERNELS"

// Device implements [device.Device]. It is for one goroutine at a time; it spreads the work of each call over its own
// threads. After the first step of a training run its calls allocate nothing.
type Device struct {
	pool    *pool
	kernels *kernels
	live    *atomic.Int64
	ops     operations
	packedA scratch
	packedB scratch
	rows    scratch
	plan    plan
}

var _ device.Device = (*Device)(nil)

// An Option changes how New sets a device up.
type Option func(*settings)

type settings struct {
	threads int
	kernels string
}

// WithThreads sets how many threads compute; below 1 means GOMAXPROCS, the default.
func WithThreads(n int) Option { return func(s *settings) { s.threads = n } }

// WithKernels forces the kernels of one instruction set, one of [Kernels]. New panics if the machine cannot run them.
func WithKernels(name string) Option { return func(s *settings) { s.kernels = name } }

// Kernels names the kernel sets that this machine can run, the fastest first; "go" is always the last.
func Kernels() []string {
	var names []string
	for _, k := range available() {
		names = append(names, k.name)
	}
	return names
}

// New makes a device. Its threads are parked when idle and end when the device is no longer reachable.
func New(options ...Option) *Device {
	var s settings
	if name := os.Getenv(KernelsVariable); slices.Contains(Kernels(), name) {
		s.kernels = name
	}
	for _, o := range options {
		o(&s)
	}
	if s.threads < 1 {
		s.threads = runtime.GOMAXPROCS(0)
	}
	k := available()[0]
	if s.kernels != "" {
		i := slices.Index(Kernels(), s.kernels)
		if i < 0 {
			panic(fmt.Sprintf("cpu: kernels %q: this machine runs %v", s.kernels, Kernels()))
		}
		k = available()[i]
	}
	d := &Device{kernels: k, pool: newPool(s.threads, k), live: new(atomic.Int64)}
	runtime.AddCleanup(d, func(p *pool) { p.close() }, d.pool)
	return d
}

// Name is "cpu" and the instruction set of the kernels, such as "cpu (avx512)".
func (d *Device) Name() string { return "cpu (" + d.kernels.name + ")" }

// Threads is how many threads compute.
func (d *Device) Threads() int { return len(d.pool.workers) }

// Allocated is the bytes of the tensors made through New and NewIndex that are still alive. A tensor is given back by the
// garbage collector, some time after its last handle is gone.
func (d *Device) Allocated() int64 { return d.live.Load() }
