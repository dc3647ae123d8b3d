package cpu

import (
	"fmt"
	"math"

	"smt/device"
)

// Blocking of matrix products: how deep a block of the shared dimension is at most, and how many floats of packed B stay
// in the second level of a core's cache while the panels of A pass by.
const (
	depth    = 640
	resident = 64 << 10
)

// serialProduct is the number of multiplications below which waking threads costs more than it gains.
const serialProduct = 1 << 18

// MatMul computes c = op(a)·op(b), or c += op(a)·op(b) if add.
//
// A product of more than a few rows is the classic packed scheme (Goto & van de Geijn, 2008): for each block of the shared
// dimension, A is packed once into panels as high as the register tile; then workers take chunks of columns, pack B for
// them, and run the tile over the panels. Transposition and widening happen while packing, so that there is one tile for
// all operands. A product of few rows with a transposed b, as in decoding, reads b where it lies: see skinny.go.
func (d *Device) MatMul(c, a device.Tensor, transA bool, b device.Tensor, transB bool, add bool) {
	m, k := a.Rows, a.Cols
	if transA {
		m, k = k, m
	}
	kb, n := b.Rows, b.Cols
	if transB {
		kb, n = n, kb
	}
	if k != kb || c.Rows != m || c.Cols != n {
		panic(fmt.Sprintf("cpu: MatMul: %v = %v (transposed %v) · %v (transposed %v)", c, a, transA, b, transB))
	}
	if b.DType == device.Int8 {
		if transA {
			panic(fmt.Sprintf("cpu: MatMul: %v (transposed) · %v: a weight in 8-bit integers is multiplied with rows", a, b))
		}
		d.multiplyBytes(c, a, b, !transB, add)
		return
	}
	if b.DType == device.Brain {
		if transA {
			panic(fmt.Sprintf("cpu: MatMul: %v (transposed) · %v: a weight in bfloat16 is multiplied with rows", a, b))
		}
		d.multiplyRounded(c, a, b, !transB, add)
		return
	}
	cv, as, bs := open("MatMul", c), openSource("MatMul", a), openSource("MatMul", b)
	if m <= skinnyRows && as.dtype == device.Float && !transA && transB && k > 0 {
		d.skinny(cv, as.view, bs.operand(true), add)
		return
	}
	d.multiply(m, n, k, as.operand(transA), bs.operand(transB), cv, add)
}

// A gemm is a product on its way: C [m, n] from A [m, k] and B [k, n].
type gemm struct {
	kernels *kernels
	m, n, k int
	a, b    operand
	c       view
	add     bool

	p, depth       int // the block of the shared dimension at work: positions p to p+depth
	packed         []float32
	panels         int // of A
	columns        int // panels of B
	chunks, splits int // the grid of tasks: chunks of columns × parts of the panels of A
}

// What a task costs besides its tiles, in tiles: packing a panel of B, and bringing a panel of A near, which was packed by
// another core as often as not.
const (
	packingB = 6
	loadingA = 0.3
)

// grid cuts a product into tasks: chunks of columns, of which at most fit panels stay in the cache, times parts of the rows,
// each of which packs its columns anew. It weighs that work against the time in which some threads have no task left: half
// a task on average, and more where the tasks do not divide evenly among the threads.
func grid(columns, panels, fit, threads int) (chunks, splits int) {
	fewest := (columns + fit - 1) / fit
	if threads == 1 {
		return fewest, 1
	}
	best, most := math.Inf(1), 8*threads
	for c := fewest; c <= min(columns, max(fewest+threads, most)); c++ {
		wide := float64((columns + c - 1) / c)
		for s := 1; s == 1 || s <= panels && c*s <= most; s++ {
			high := float64((panels + s - 1) / s)
			rounds := float64((c*s+threads-1)/threads) + 0.5
			if cost := rounds * (wide*high + packingB*wide + loadingA*high); cost < best {
				best, chunks, splits = cost, c, s
			}
		}
	}
	return chunks, splits
}

// packGroup is how many panels of A one task packs.
const packGroup = 16

func (d *Device) multiply(m, n, k int, a, b operand, c view, add bool) {
	if m == 0 || n == 0 {
		return
	}
	if k == 0 {
		if !add {
			for r := range m {
				clear(c.row(r))
			}
		}
		return
	}
	kn := d.kernels
	g := &d.ops.gemm
	*g = gemm{kernels: kn, m: m, n: n, k: k, a: a, b: b, c: c, add: add}
	g.panels = (m + kn.height - 1) / kn.height
	g.columns = (n + kn.width() - 1) / kn.width()
	blocks := (k + depth - 1) / depth
	deep := roundUp((k+blocks-1)/blocks, 8)

	threads := d.Threads()
	if m*n*k < serialProduct {
		threads = 1
	}
	g.chunks, g.splits = grid(g.columns, g.panels, max(resident/(deep*kn.width()), 1), threads)

	for g.p = 0; g.p < k; g.p += deep {
		g.depth = min(deep, k-g.p)
		g.packed = d.packedA.take(g.panels * kn.height * g.depth)
		d.pool.runOn(threads, (g.panels+packGroup-1)/packGroup, (*gemmPack)(g))
		d.pool.runOn(threads, g.chunks*g.splits, (*gemmSweep)(g))
		g.add = true
	}
	*g = gemm{}
}

// gemmPack is the phase of a gemm that packs A; a task is a group of panels.
type gemmPack gemm

func (g *gemmPack) do(w *worker, task int) {
	i := task * packGroup * g.kernels.height
	w.pack(g.packed[i*g.depth:], g.kernels.height, g.kernels.height, &g.a, !g.a.transposed,
		i, min(i+packGroup*g.kernels.height, g.m), g.p, g.depth)
}

// gemmSweep is the phase that packs B and multiplies; a task is a rectangle of C.
type gemmSweep gemm

func (g *gemmSweep) do(w *worker, task int) {
	width, height := g.kernels.width(), g.kernels.height
	x, y := task/g.splits, task%g.splits
	j0, j1 := x*g.columns/g.chunks*width, min((x+1)*g.columns/g.chunks*width, g.n)
	q0, q1 := y*g.panels/g.splits, (y+1)*g.panels/g.splits
	b := w.b.take(roundUp(j1-j0, width) * g.depth)
	w.pack(b, width, g.kernels.lanes, &g.b, g.b.transposed, j0, j1, g.p, g.depth)
	for q := q0; q < q1; q++ {
		i := q * height
		w.sweep(g.packed[i*g.depth:], b, g.c, i, min(height, g.m-i), j0, j1, g.depth, g.add)
	}
}

// sweep multiplies one packed panel of A with the packed columns j0 to j1 of B into rows i to i+rows of c. At the edges,
// where the tile is larger than what is left of c, it computes the tile aside.
func (w *worker) sweep(a, b []float32, c view, i, rows, j0, j1, k int, add bool) {
	kn := w.kernels
	width := kn.width()
	for j := j0; j < j1; j += width {
		columns := min(kn.columns, (j1-j+kn.lanes-1)/kn.lanes)
		panel := &b[(j-j0)*k]
		if rows == kn.height && j+columns*kn.lanes <= j1 {
			kn.tile[columns-1](k, &a[0], panel, &c.data[i*c.stride+j], c.stride, add)
			continue
		}
		edge := w.edge()
		kn.tile[columns-1](k, &a[0], panel, &edge[0], width, false)
		w.unloadEdge(c, i, rows, j, min(columns*kn.lanes, j1-j), width, add)
	}
}
