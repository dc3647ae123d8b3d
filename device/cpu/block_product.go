package cpu

import (
	"fmt"

	"smt/device"
)

// A blockProduct is BlockProduct on its way. D is packed once, as the B operand of every block's product; a task then takes
// some tokens and adds all blocks in their order, so that no two tasks write the same element.
type blockProduct struct {
	y, x, d    view
	blocks     []device.Block
	b          int
	transposed bool
	packed     []float32
	size       int // floats of a packed block
}

// tokenRun is how many tokens a task of BlockProduct takes: a multiple of every tile's height.
const tokenRun = 64

// BlockProduct adds the selected blocks' part of a linear layer: y[:, rows of block k] += x[:, columns of block k]·D_kᵀ,
// or transposed, y[:, columns of block k] += x[:, rows of block k]·D_k.
func (d *Device) BlockProduct(y, x, blocks device.Tensor, list []device.Block, b int, transposed bool) {
	const op = "BlockProduct"
	checkBlockSize(op, b)
	shape(op, blocks, len(list)*b, b)
	out, in := y.Cols, x.Cols
	if transposed {
		out, in = in, out
	}
	checkBlocks(op, list, b, out, in)
	if x.Rows == 0 || len(list) == 0 {
		return
	}
	o := &d.ops.blockProduct
	*o = blockProduct{
		y: openAs(op, y, x.Rows, y.Cols), x: open(op, x), d: open(op, blocks), blocks: list, b: b, transposed: transposed,
	}
	threads := d.Threads()
	if x.Rows*len(list)*b*b < serialProduct {
		threads = 1
	}
	if x.Rows <= skinnyRows && !transposed {
		d.pool.runOn(threads, cells(out, b), (*blockDots)(o))
	} else {
		o.size = roundUp(b, d.kernels.lanes) * b
		o.packed = d.packedB.take(o.size * len(list))
		d.pool.runOn(threads, len(list), (*blockPack)(o))
		d.pool.runOn(threads, (x.Rows+tokenRun-1)/tokenRun, (*blockSweep)(o))
	}
	*o = blockProduct{}
}

// extent gives the outputs r0 to r1 and the inputs c0 to c1 of block k of a matrix [out, in].
func extent(block device.Block, b, out, in int) (r0, r1, c0, c1 int) {
	r0, c0 = int(block.Row)*b, int(block.Col)*b
	return r0, min(r0+b, out), c0, min(c0+b, in)
}

// extent is that of block k with inputs and outputs as the product sees them: columns of x and columns of y.
func (o *blockProduct) extent(k int) (x0, x1, y0, y1 int) {
	if o.transposed {
		return extent(o.blocks[k], o.b, o.x.cols, o.y.cols)
	}
	y0, y1, x0, x1 = extent(o.blocks[k], o.b, o.y.cols, o.x.cols)
	return x0, x1, y0, y1
}

// blockPack is the phase that packs D; a task is a block.
type blockPack blockProduct

func (o *blockPack) do(w *worker, k int) {
	x0, x1, y0, y1 := (*blockProduct)(o).extent(k)
	m := view{o.d.data[k*o.b*o.d.stride:], o.b, o.b, o.d.stride}.operand(!o.transposed)
	w.pack(o.packed[k*o.size:], w.kernels.width(), w.kernels.lanes, &m, m.transposed, 0, y1-y0, 0, x1-x0)
}

// blockSweep is the phase that multiplies; a task is a run of tokens. It packs a column block of x when a block first needs
// it, into the part of the scratch memory that belongs to those columns.
type blockSweep blockProduct

func (o *blockSweep) do(w *worker, task int) {
	height := w.kernels.height
	t0, t1 := task*tokenRun, min((task+1)*tokenRun, o.x.rows)
	panels := (t1 - t0 + height - 1) / height
	part := tokenRun * o.b
	a := w.a.take(cells(o.x.cols, o.b) * part)
	w.marks = append(w.marks[:0], make([]bool, cells(o.x.cols, o.b))...)
	x := o.x.operand(false)
	for k := range o.blocks {
		x0, x1, y0, y1 := (*blockProduct)(o).extent(k)
		packed := a[x0/o.b*part:][:part]
		if cell := x0 / o.b; !w.marks[cell] {
			w.marks[cell] = true
			w.pack(packed, height, height, &x, true, t0, t1, x0, x1-x0)
		}
		c := o.y
		c.data = c.data[y0:]
		for q := range panels {
			i := q * height
			w.sweep(packed[i*(x1-x0):], o.packed[k*o.size:], c, t0+i, min(height, t1-t0-i), 0, y1-y0, x1-x0, true)
		}
	}
}

// blockDots is the only phase for few tokens, as in decoding: dot products with D where it lies. A task is a row of blocks.
type blockDots blockProduct

func (o *blockDots) do(w *worker, row int) {
	m := o.d.operand(true)
	for k, block := range o.blocks {
		if int(block.Row) != row {
			continue
		}
		x0, x1, y0, y1 := (*blockProduct)(o).extent(k)
		x, y := o.x, o.y
		x.data, x.cols = x.data[x0:], x1-x0
		y.data = y.data[y0:]
		at := operand{bytes: m.bytes[k*o.b*m.stride*m.size:], dtype: m.dtype, size: m.size, stride: m.stride}
		for n := 0; n < y1-y0; n += 4 {
			w.dots(y, &at, n, min(4, y1-y0-n), x, true)
		}
	}
}

func checkBlockSize(op string, b int) {
	if b < 1 {
		panic(fmt.Sprintf("cpu: %s: block size %d", op, b))
	}
}

// checkBlocks panics unless all blocks lie in a matrix [out, in].
func checkBlocks(op string, blocks []device.Block, b, out, in int) {
	for k, block := range blocks {
		if block.Row < 0 || block.Col < 0 || int(block.Row) >= cells(out, b) || int(block.Col) >= cells(in, b) {
			panic(fmt.Sprintf("cpu: %s: block %d (%d, %d) of size %d is outside of [%d, %d]",
				op, k, block.Row, block.Col, b, out, in))
		}
	}
}
