package cpu

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smt/device"
)

// counter is a job that notes how often each task was done.
type counter struct{ done []atomic.Int32 }

func (c *counter) do(_ *worker, task int) { c.done[task].Add(1) }

func TestPoolDoesEveryTaskOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 5} {
		p := newPool(threads, &portable)
		for n := range 100 {
			c := &counter{make([]atomic.Int32, n)}
			p.runOn(1+n%6, n, c)
			for i := range c.done {
				if got := c.done[i].Load(); got != 1 {
					t.Fatalf("%d threads: task %d of %d done %d times", threads, i, n, got)
				}
			}
		}
		p.close()
	}
}

// eventually waits for what the garbage collector does in its own time.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 200 {
		runtime.GC()
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%s does not come", what)
}

func TestThreadsEndWithTheDevice(t *testing.T) {
	d := New(WithThreads(8))
	d.Fill(d.New(100, 1000), 1)
	p := d.pool
	runtime.KeepAlive(d)
	eventually(t, "the end of the threads", func() bool {
		select {
		case _, open := <-p.helpers[6].wake:
			return !open
		default:
			return false
		}
	})
}

func TestAllocated(t *testing.T) {
	d := New(WithThreads(1))
	kept := d.New(10, 10)
	func() {
		lost := d.New(1000, 10)
		d.Fill(lost, 2)
		d.NewIndex(5)
		if got := d.Allocated(); got != 400+40000+20 {
			t.Errorf("%d bytes allocated, want 40420", got)
		}
	}()
	eventually(t, "the memory of lost tensors", func() bool { return d.Allocated() == 400 })
	d.Fill(kept, 1)
}

func TestOptions(t *testing.T) {
	t.Setenv(KernelsVariable, "go")
	if d := New(WithThreads(3)); d.Name() != "cpu (go)" || d.Threads() != 3 {
		t.Errorf("%s with %d threads", d.Name(), d.Threads())
	}
	t.Setenv(KernelsVariable, "abacus")
	if d := New(); d.Name() != "cpu ("+Kernels()[0]+")" || d.Threads() != runtime.GOMAXPROCS(0) {
		t.Errorf("%s with %d threads", d.Name(), d.Threads())
	}
	defer func() {
		if r, _ := recover().(string); !strings.HasPrefix(r, `cpu: kernels "abacus"`) {
			t.Errorf("got %q", r)
		}
	}()
	New(WithKernels("abacus"))
}

// TestForeignTensor makes sure that a tensor of another device is refused by name.
func TestForeignTensor(t *testing.T) {
	defer func() {
		if r, _ := recover().(string); !strings.HasPrefix(r, "cpu: Fill: the buffer is a string") {
			t.Errorf("got %q", r)
		}
	}()
	New().Fill(device.Tensor{Buffer: "elsewhere", Rows: 1, Cols: 1, Stride: 1}, 0)
}
