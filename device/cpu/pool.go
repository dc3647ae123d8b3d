package cpu

import (
	"sync"
	"sync/atomic"
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
type pool struct {
	workers []*worker
	wake    chan *worker
	current job
	tasks   int64
	next    atomic.Int64
	running sync.WaitGroup
}

func newPool(threads int, k *kernels) *pool {
	p := &pool{wake: make(chan *worker, threads)}
	for range threads {
		p.workers = append(p.workers, &worker{kernels: k})
	}
	for range threads - 1 {
		go p.serve()
	}
	return p
}

// serve is the life of a worker goroutine: it takes part in one job for every worker that it receives.
func (p *pool) serve() {
	for w := range p.wake {
		p.work(w)
		p.running.Done()
	}
}

func (p *pool) close() { close(p.wake) }

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
	p.running.Add(helpers)
	for _, w := range p.workers[1 : helpers+1] {
		p.wake <- w
	}
	p.work(p.workers[0])
	p.running.Wait()
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
