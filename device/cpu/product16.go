package cpu

import (
	"unsafe"

	"smt/device"
)

// pairKernels are the innermost loops of products of bfloat16, in tiles as high and wide as those of floats. A packed panel
// of a weight is, for each pair of positions of the shared dimension, lanes × 2 elements. Of the activations no copy in
// panels is needed.
type pairKernels struct {
	tile [3]pairTile
	// interleave sets dst[2i] = low[i] and dst[2i+1] = high[i] for n elements, a multiple of lanes.
	interleave func(n int, low, high, dst *uint16)
}

// A pairTile sets or adds to height rows of c, ldc apart: rows of a lie lda elements apart, b is a packed panel.
type pairTile = func(pairs int, a *uint16, lda int, b *uint16, c *float32, ldc int, add bool)

const (
	// roundStep is how many elements the kernel that rounds takes at a time.
	roundStep = 32
	// roundRows is how many rows of activations one task rounds: a multiple of every tile's height.
	roundRows = 16
	// pairDepth is how deep a block of the shared dimension is at most, so that a panel stays in the second level of cache.
	pairDepth = 4096
)

// Rounded is a handle to a weight whose products are computed in bfloat16. See [device.Rounder].
func (d *Device) Rounded(w device.Tensor) device.Tensor {
	openSource("Rounded", w)
	handle := w
	handle.Buffer, handle.DType = &buffer{rounded: &w}, device.Brain
	return handle
}

// A product16 is a product in bfloat16 on its way: for each block of the shared dimension, the rows of activations are
// rounded, then workers take rectangles of C, each packing the columns of its own.
type product16 struct {
	kernels         *kernels
	w               source
	backward        bool
	x, c            view
	add             bool
	lanes           int // columns of C
	p, depth        int // the block of the shared dimension at work
	panels, columns int // of rows, and of the weight
	chunks, splits  int
	rounded         []uint16
	stride          int // elements of a rounded row
}

// multiplyRounded computes c = x·Wᵀ, or x·W if backward, or adds it, with both operands rounded to bfloat16.
func (d *Device) multiplyRounded(c, x, handle device.Tensor, backward, add bool) {
	weight := handle
	inner := bufferOf("MatMul", handle).rounded
	weight.Buffer, weight.DType = inner.Buffer, inner.DType
	source, xv, cv := openSource("MatMul", weight), open("MatMul", x), open("MatMul", c)
	k := d.kernels
	if k.pairs == nil {
		a, b := xv.operand(false), source.operand(!backward)
		a.rounded, b.rounded = true, true
		d.multiply(c.Rows, c.Cols, x.Cols, a, b, cv, add)
		return
	}
	if c.Rows == 0 || c.Cols == 0 {
		return
	}
	p := &d.ops.product16
	*p = product16{kernels: k, w: source, backward: backward, x: xv, c: cv, add: add, lanes: c.Cols}
	p.panels, p.columns = (c.Rows+k.height-1)/k.height, (p.lanes+k.width()-1)/k.width()
	blocks := (x.Cols + pairDepth - 1) / pairDepth
	deep := roundUp((x.Cols+blocks-1)/blocks, roundStep)
	// An odd number of cache lines to a row lets rows fall into different sets of the first level of cache.
	p.stride = (roundUp(2*deep, cacheLine)/cacheLine | 1) * cacheLine / 2
	p.rounded = asUint16(d.packedA.take(p.panels * k.height * p.stride / 2))

	threads := d.Threads()
	if c.Rows*p.lanes*x.Cols < serialProduct {
		threads = 1
	}
	p.chunks, p.splits = grid(p.columns, p.panels, max(residentBytes/(2*deep*k.width()), 1), threads)
	for p.p = 0; p.p < x.Cols; p.p += deep {
		p.depth = min(deep, x.Cols-p.p)
		d.pool.runOn(threads, (c.Rows+roundRows-1)/roundRows, (*product16Rows)(p))
		d.pool.runOn(threads, p.chunks*p.splits, (*product16Sweep)(p))
		p.add = true
	}
	*p = product16{}
}

// pairs is the pairs of positions of the block at work; the last may have zeros for a second position.
func (p *product16) pairs() int { return (p.depth + 1) / 2 }

// product16Rows is the phase that rounds rows of x.
type product16Rows product16

func (p *product16Rows) do(w *worker, task int) {
	for r := task * roundRows; r < min((task+1)*roundRows, p.x.rows); r++ {
		w.round(p.rounded[r*p.stride:][:p.stride], p.x.row(r)[p.p:p.p+p.depth])
	}
}

// round rounds x to dst, and pads it with a zero to whole pairs.
func (w *worker) round(dst []uint16, x []float32) {
	w.kernels.roundInto(dst, x)
	if len(x)%2 == 1 {
		dst[len(x)] = 0
	}
}

// product16Sweep is the phase that packs the weight and multiplies; a task is a rectangle of C.
type product16Sweep product16

func (p *product16Sweep) do(w *worker, task int) {
	k, pairs := p.kernels, (*product16)(p).pairs()
	width, height := k.width(), k.height
	x, y := task/p.splits, task%p.splits
	j0, j1 := x*p.columns/p.chunks*width, min((x+1)*p.columns/p.chunks*width, p.lanes)
	q0, q1 := y*p.panels/p.splits, (y+1)*p.panels/p.splits
	packed := w.b.take(roundUp(j1-j0, k.lanes) * pairs)
	if p.backward {
		(*product16)(p).packRows(w, asUint16(packed), j0, j1)
	} else {
		(*product16)(p).packLanes(w, packed, j0, j1)
	}
	b := asUint16(packed)
	for q := q0; q < q1; q++ {
		i := q * height
		rows := min(height, p.c.rows-i)
		for j := j0; j < j1; j += width {
			vectors := min(k.columns, (j1-j+k.lanes-1)/k.lanes)
			tile, panel := k.pairs.tile[vectors-1], &b[2*(j-j0)*pairs]
			if rows == height && j+vectors*k.lanes <= j1 {
				tile(pairs, &p.rounded[i*p.stride], p.stride, panel, &p.c.data[i*p.c.stride+j], p.c.stride, p.add)
				continue
			}
			edge := w.edge()
			tile(pairs, &p.rounded[i*p.stride], p.stride, panel, &edge[0], width, false)
			w.unloadEdge(p.c, i, rows, j, min(vectors*k.lanes, j1-j), width, p.add)
		}
	}
}

// packLanes packs the rows j0 to j1 of the weight as lanes: a transposition of pairs, which are as large as floats.
func (p *product16) packLanes(w *worker, dst []float32, j0, j1 int) {
	k, pairs := p.kernels, p.pairs()
	if p.w.dtype == device.BF16 && p.w.stride%2 == 0 && p.depth%2 == 0 {
		o := operand{bytes: p.w.bytes, dtype: device.F32, size: 4, stride: p.w.stride / 2}
		w.pack(dst, k.width(), k.lanes, &o, true, j0, j1, p.p/2, pairs)
		return
	}
	for ; j0 < j1; j0 += k.width() {
		rows := min(k.width(), j1-j0)
		stride := roundUp(pairs, cacheLine/4)
		floats := w.a.take(rows * stride)
		for r := range rows {
			w.round(asUint16(floats[r*stride:][:stride]), p.floats(w, j0+r, p.p, p.depth))
		}
		o := operand{bytes: asBytes(floats), dtype: device.Float, size: 4, stride: stride}
		w.pack(dst, k.width(), k.lanes, &o, true, 0, rows, 0, pairs)
		dst = dst[roundUp(rows, k.lanes)*pairs:]
	}
}

// packRows packs the columns j0 to j1 of the weight as lanes: two rows make the pairs of one position.
func (p *product16) packRows(w *worker, dst []uint16, j0, j1 int) {
	k, pairs, n := p.kernels, p.pairs(), j1-j0
	lanes := roundUp(n, k.lanes)
	stride := roundUp(lanes, roundStep)
	scratch := asUint16(w.a.take(3 * stride / 2))
	zero := scratch[2*stride:][:stride]
	clear(zero)
	for x := range pairs {
		low, high := p.brainRow(w, p.p+2*x, j0, n, scratch[:stride]), &zero[0]
		if 2*x+1 < p.depth {
			high = p.brainRow(w, p.p+2*x+1, j0, n, scratch[stride:2*stride])
		}
		for j := 0; j < lanes; j += k.width() {
			width := min(k.width(), lanes-j)
			k.pairs.interleave(width, advance(low, j), advance(high, j), &dst[2*(j*pairs+x*width)])
		}
	}
}

// brainRow is n elements of row r of the weight from column c on, in bfloat16 and padded with zeros to full vectors: where
// they lie if it can be, else in scratch.
func (p *product16) brainRow(w *worker, r, c, n int, scratch []uint16) *uint16 {
	if p.w.dtype != device.BF16 {
		clear(scratch[n:])
		w.round(scratch, p.floats(w, r, c, n))
		return &scratch[0]
	}
	src := &p.w.bytes[2*(r*p.w.stride+c)]
	if n%p.kernels.lanes == 0 {
		return (*uint16)(unsafe.Pointer(src))
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&scratch[0])), 2*len(scratch))
	clear(bytes[copy(bytes, unsafe.Slice(src, 2*n)):])
	return &scratch[0]
}

// floats is n elements of row r of the weight from column c on, as floats.
func (p *product16) floats(w *worker, r, c, n int) []float32 {
	if p.w.dtype == device.Float {
		return p.w.data[r*p.w.stride+c:][:n]
	}
	dst := w.widened.take(n)
	p.w.widen(w.kernels, dst, r, c)
	return dst
}

// advance is the address n elements on.
func advance(p *uint16, n int) *uint16 { return (*uint16)(unsafe.Add(unsafe.Pointer(p), 2*n)) }
