package cpu

import (
	"runtime"
	"sync/atomic"
	"time"
)

// A job is one parallel phase of an operation: do is called once for every task from 0 to n, in any order and on any
// worker, so no task may depend on another.
type job interface {
	do(w *worker, task int)
}

// A worker is one thread of the pool with memory of its own.
type worker struct {
	kernels *kernels
	// Scratch memory: what lies in it means nothing to the next task. An operation gives the first ones names of its own;
	// widened is the place of a frozen row, aside that of a few rows on their way into a panel or out of one.
	a, b, widened, aside scratch
	marks                []bool
	tile                 [maxTile + cacheLine/4]float32
}

// maxTile is the floats of the largest register tile.
const maxTile = 8 * 48

// edge is memory for one register tile.
func (w *worker) edge() []float32 { return w.tile[:maxTile] }

// A pool keeps the worker goroutines of a device. Starting a goroutine for each call would cost about as much as the
// smaller operations themselves, and would allocate.
//
// Between jobs a worker watches for the next one for a while before it sleeps. Waking a thread takes longer than many a
// job, and the kernel may put it beside its waker on one core, where it stays until the scheduler next balances.
type pool struct {
	workers []*worker
	helpers []*helper // all workers but the first, which is the caller's
	current job
	tasks   int64
	next    atomic.Int64
	pending atomic.Int64 // helpers at work, and callerSleeps
	done    chan struct{}
	watch   time.Duration // how long a thread without work watches before it sleeps
}

// watchTime bounds the time a thread spends watching: longer than the serial stretches between the operations of a step,
// shorter than anything a person or another program would notice.
const watchTime = 200 * time.Microsecond

// callerSleeps is added to pool.pending by a caller that has stopped watching: the last helper must wake it.
const callerSleeps = 1 << 32

// A helper is a worker with a goroutine of its own.
type helper struct {
	*worker
	state atomic.Int32
	wake  chan struct{}
}

// The states of a helper.
const (
	asleep   int32 = iota // a job must be announced through wake
	watching              // setting called is enough
	called                // at work, or about to be
)

func newPool(threads int, k *kernels) *pool {
	p := &pool{done: make(chan struct{}, 1)}
	if threads <= runtime.GOMAXPROCS(0) {
		p.watch = watchTime // otherwise the thread that is waited for may need the very core
	}
	for i := range threads {
		p.workers = append(p.workers, &worker{kernels: k})
		if i > 0 {
			h := &helper{worker: p.workers[i], wake: make(chan struct{}, 1)}
			h.state.Store(watching)
			p.helpers = append(p.helpers, h)
			go p.serve(h)
		}
	}
	return p
}

// serve is the life of a helper's goroutine.
func (p *pool) serve(h *helper) {
	for h.wait(p.watch) {
		p.work(h.worker)
		h.state.Store(watching) // before the caller learns that the job is done, since it may then call again
		if p.pending.Add(-1) == callerSleeps {
			p.done <- struct{}{}
		}
	}
}

// wait returns when the helper is called; false ends it.
func (h *helper) wait(watch time.Duration) bool {
	if watchFor(watch, func() bool { return h.state.Load() == called }) {
		return true
	}
	if !h.state.CompareAndSwap(watching, asleep) {
		return true // called at the last moment
	}
	_, open := <-h.wake
	return open
}

// call sends the helper to work.
func (h *helper) call() {
	if !h.state.CompareAndSwap(watching, called) {
		h.state.Store(called)
		h.wake <- struct{}{}
	}
}

// watchFor waits until something holds, for about the given time at most, and reports whether it does.
func watchFor(limit time.Duration, holds func() bool) bool {
	for began := time.Now(); ; {
		for range 100 {
			if holds() {
				return true
			}
		}
		if time.Since(began) >= limit {
			return false
		}
	}
}

// close ends the helpers, which must be idle.
func (p *pool) close() {
	for _, h := range p.helpers {
		close(h.wake)
	}
}

// run does the tasks 0 to n of j on all workers, the caller among them, and returns when all are done. Workers take the
// next task as they become free, so that tasks of unequal length even out.
func (p *pool) run(n int, j job) { p.runOn(len(p.workers), n, j) }

// runOn is run on at most the given number of workers.
func (p *pool) runOn(threads, n int, j job) {
	helpers := min(threads, n, len(p.workers)) - 1
	if helpers < 1 {
		for i := range n {
			j.do(p.workers[0], i)
		}
		return
	}
	p.current, p.tasks = j, int64(n)
	p.next.Store(0)
	p.pending.Store(int64(helpers))
	for _, h := range p.helpers[:helpers] {
		h.call()
	}
	p.work(p.workers[0])
	if !watchFor(p.watch, func() bool { return p.pending.Load() == 0 }) && p.pending.Add(callerSleeps) != callerSleeps {
		<-p.done
	}
	p.current = nil
}

func (p *pool) work(w *worker) {
	for {
		i := p.next.Add(1) - 1
		if i >= p.tasks {
			return
		}
		p.current.do(w, int(i))
	}
}

// A scratch is memory that grows to the largest size ever asked of it and is kept.
type scratch struct{ floats []float32 }

// take returns n floats, aligned to a cache line, with whatever they held.
func (s *scratch) take(n int) []float32 {
	if len(s.floats) < n {
		s.floats = aligned(n)
	}
	return s.floats[:n]
}
