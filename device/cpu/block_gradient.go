package cpu

import "smt/device"

// A blockGradient is BlockGradient on its way: for each run of tokens, every row block of dY and every column block of X
// that any block needs is packed once, and then the blocks are products of packed panels.
type blockGradient struct {
	g, dy, x      view
	blocks        []device.Block
	b             int
	rows, columns []int32 // the distinct ones
	rowPlace      []int32 // of a row among rows, where its packed panels lie
	columnPlace   []int32
	packedA       []float32
	packedB       []float32
	sizeA, sizeB  int // floats of a packed row block or column block, for each token
	p, depth      int // the run of tokens at work
	group, strips int // blocks of a task; column strips of a block
}

// BlockGradient adds dY[:, rows of block k]ᵀ·X[:, columns of block k] to block k of g [n·b, b], for all tokens.
func (d *Device) BlockGradient(g, dy, x device.Tensor, blocks []device.Block, b int) {
	const op = "BlockGradient"
	checkBlockSize(op, b)
	shape(op, g, len(blocks)*b, b)
	checkBlocks(op, blocks, b, dy.Cols, x.Cols)
	tokens := x.Rows
	if tokens == 0 || len(blocks) == 0 {
		return
	}
	kn, p := d.kernels, &d.plan
	p.blockRows, p.rowPlace = distinct(p.blockRows, p.rowPlace, blocks, cells(dy.Cols, b), rowOf)
	p.blockColumns, p.columnPlace = distinct(p.blockColumns, p.columnPlace, blocks, cells(x.Cols, b), columnOf)
	o := &d.ops.blockGradient
	*o = blockGradient{
		g: open(op, g), dy: openAs(op, dy, tokens, dy.Cols), x: open(op, x), blocks: blocks, b: b,
		rows: p.blockRows, columns: p.blockColumns, rowPlace: p.rowPlace, columnPlace: p.columnPlace,
		sizeA: roundUp(b, kn.height), sizeB: roundUp(b, kn.lanes),
	}
	runs := cells(tokens, depth)
	deep := roundUp(cells(tokens, runs), 8)
	// A strip of packed columns should stay in the cache while the rows pass by.
	o.strips = cells(cells(b, kn.width()), max(resident/(deep*kn.width()), 1))
	o.group = max(1, serialProduct/(b*b*deep))
	threads := d.Threads()
	if tokens*len(blocks)*b*b < serialProduct {
		threads = 1
	}
	for o.p = 0; o.p < tokens; o.p += deep {
		o.depth = min(deep, tokens-o.p)
		o.packedA = d.packedA.take(len(o.rows) * o.sizeA * o.depth)
		o.packedB = d.packedB.take(len(o.columns) * o.sizeB * o.depth)
		d.pool.runOn(threads, len(o.rows)+len(o.columns), (*gradientPack)(o))
		d.pool.runOn(threads, cells(len(blocks), o.group)*o.strips, (*gradientSweep)(o))
	}
	*o = blockGradient{}
}

func rowOf(b device.Block) int32    { return b.Row }
func columnOf(b device.Block) int32 { return b.Col }

// gradientPack is the phase that packs; a task is a row block of dY or a column block of X.
type gradientPack blockGradient

func (o *gradientPack) do(w *worker, task int) {
	if task < len(o.rows) {
		r0 := int(o.rows[task]) * o.b
		m := o.dy.operand(true)
		w.pack(o.packedA[task*o.sizeA*o.depth:], w.kernels.height, w.kernels.height, &m, false,
			r0, min(r0+o.b, o.dy.cols), o.p, o.depth)
		return
	}
	task -= len(o.rows)
	c0 := int(o.columns[task]) * o.b
	m := o.x.operand(false)
	w.pack(o.packedB[task*o.sizeB*o.depth:], w.kernels.width(), w.kernels.lanes, &m, false,
		c0, min(c0+o.b, o.x.cols), o.p, o.depth)
}

// gradientSweep is the phase that multiplies; a task is a strip of columns of a group of blocks.
type gradientSweep blockGradient

func (o *gradientSweep) do(w *worker, task int) {
	height, width := w.kernels.height, w.kernels.width()
	first, strip := task/o.strips*o.group, task%o.strips
	for k := first; k < min(first+o.group, len(o.blocks)); k++ {
		r0, r1, c0, c1 := extent(o.blocks[k], o.b, o.dy.cols, o.x.cols)
		panels := cells(c1-c0, width)
		j0, j1 := strip*panels/o.strips*width, min((strip+1)*panels/o.strips*width, c1-c0)
		a := o.packedA[int(o.rowPlace[o.blocks[k].Row])*o.sizeA*o.depth:]
		b := o.packedB[int(o.columnPlace[o.blocks[k].Col])*o.sizeB*o.depth:][j0*o.depth:]
		for i := 0; i < r1-r0; i += height {
			w.sweep(a[i*o.depth:], b, o.g, k*o.b+i, min(height, r1-r0-i), j0, j1, o.depth, true)
		}
	}
}
