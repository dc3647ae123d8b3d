package cpu

import (
	"fmt"

	"smt/device"
)

// residentBytes is how much of a packed weight stays in the second level of a core's cache while the rows pass by.
const residentBytes = 320 << 10

// A product8 is a product with a weight in 8-bit integers on its way: first the rows of activations are quantised, then
// workers take rectangles of C. Integer sums are exact, so the order of the sums does not matter.
type product8 struct {
	kernels    *byteKernels
	w          *quantized
	backward   bool
	x, c       view
	add        bool
	lanes      int // columns of C
	depth      int // the shared dimension
	scales     []float32
	panels     int // of rows
	columns    int // panels of the weight
	chunks     int // of columns
	splits     int // of the panels of rows
	bytes      []int8
	stride     int       // bytes of a quantised row
	sigmas     []float32 // of the rows
	correction []int32   // -bias·Σ q, of the rows
	floats     []float32 // outlier columns: for each panel of rows, a group of height floats for each outlier
}

// multiplyBytes computes c = x·Wᵀ, or x·W if backward, or adds it.
func (d *Device) multiplyBytes(c, x device.Tensor, weight device.Tensor, backward, add bool) {
	b := bufferOf("MatMul", weight)
	if b.quantized == nil || weight.Rows != b.quantized.out || weight.Cols != b.quantized.in {
		panic(fmt.Sprintf("cpu: MatMul: %v is a view; a weight in 8-bit integers is multiplied whole", weight))
	}
	p := &d.ops.product8
	*p = product8{kernels: d.kernels.bytes, w: b.quantized, backward: backward, x: open("MatMul", x), c: open("MatMul", c), add: add,
		lanes: b.quantized.out, depth: b.quantized.in, scales: b.quantized.scales}
	if backward {
		p.lanes, p.depth, p.scales = p.depth, p.lanes, p.w.inverses
	}
	if c.Rows == 0 || c.Cols == 0 {
		*p = product8{}
		return
	}
	k, m := p.kernels, c.Rows
	p.panels, p.columns = (m+k.height-1)/k.height, (p.lanes+k.width()-1)/k.width()
	// An odd number of cache lines to a row lets rows fall into different sets of the first level of cache.
	p.stride = (roundUp(p.depth, cacheLine)/cacheLine | 1) * cacheLine
	rows := p.panels * k.height
	p.bytes = asInt8(d.packedA.take(rows * p.stride / 4))
	outliers := 0
	if !backward {
		outliers = len(p.w.outliers)
	}
	buffer := d.rows.take(rows * (2 + outliers))
	p.sigmas, p.correction, p.floats = buffer[:rows], asInt32(buffer[rows:2*rows]), buffer[2*rows:]

	threads := d.Threads()
	if m*p.lanes*p.depth < serialProduct {
		threads = 1
	}
	p.chunks, p.splits = grid(p.columns, p.panels, max(residentBytes/(roundUp(p.depth, 4)*k.width()), 1), threads)
	d.pool.runOn(threads, (m+quantizeRows-1)/quantizeRows, (*product8Rows)(p))
	d.pool.runOn(threads, p.chunks*p.splits, (*product8Sweep)(p))
	*p = product8{}
}

// product8Rows is the phase that quantises rows of x.
type product8Rows product8

func (p *product8Rows) do(_ *worker, task int) {
	k := p.kernels
	scales, outliers := p.w.keep, p.w.outliers
	if p.backward {
		scales, outliers = p.w.scales[:p.w.out], nil
	}
	for r := task * quantizeRows; r < min((task+1)*quantizeRows, p.x.rows); r++ {
		row, q := p.x.row(r), p.bytes[r*p.stride:][:p.stride]
		sigma, sum := k.quantizeRow(q, row, scales, 127)
		clear(q[p.depth:roundUp(p.depth, 4)])
		p.sigmas[r], p.correction[r] = sigma, -k.bias*sum
		panel := p.floats[r/k.height*k.height*len(outliers):]
		for i, c := range outliers {
			panel[i*k.height+r%k.height] = row[c]
		}
	}
}

// product8Sweep is the phase that multiplies; a task is a rectangle of C.
type product8Sweep product8

func (p *product8Sweep) do(w *worker, task int) {
	k, deep := p.kernels, roundUp(p.depth, 4)
	width, height := k.width(), k.height
	x, y := task/p.splits, task%p.splits
	j0, j1 := x*p.columns/p.chunks*width, min((x+1)*p.columns/p.chunks*width, p.lanes)
	q0, q1 := y*p.panels/p.splits, (y+1)*p.panels/p.splits
	packed := p.w.forward
	if p.backward {
		packed = p.w.backward
	}
	if packed != nil {
		packed = packed[j0*deep:]
	} else {
		packed = asBytes(w.b.take(roundUp(j1-j0, k.lanes) * deep / 4))
		p.w.turned(k, packed, j0, j1)
	}
	outliers := 0
	if !p.backward {
		outliers = len(p.w.outliers)
	}
	for q := q0; q < q1; q++ {
		i := q * height
		rows := min(height, p.c.rows-i)
		var xs, ws *float32
		for j := j0; j < j1; j += width {
			vectors := min(k.columns, (j1-j+k.lanes-1)/k.lanes)
			if outliers > 0 {
				xs, ws = &p.floats[i*outliers], &p.w.floats[j*outliers]
			}
			a, b := &p.bytes[i*p.stride], &packed[(j-j0)*deep]
			if rows == height && j+vectors*k.lanes <= j1 {
				k.tile[vectors-1](deep/4, a, p.stride, b, &p.c.data[i*p.c.stride+j], p.c.stride, p.add,
					&p.correction[i], &p.sigmas[i], &p.scales[j], outliers, xs, ws)
				continue
			}
			edge := w.edge()
			k.tile[vectors-1](deep/4, a, p.stride, b, &edge[0], width, false,
				&p.correction[i], &p.sigmas[i], &p.scales[j], outliers, xs, ws)
			w.unloadEdge(p.c, i, rows, j, min(vectors*k.lanes, j1-j), width, p.add)
		}
	}
}

// unloadEdge copies rows × columns of the worker's tile, width apart, to c at (i, j), or adds them.
func (w *worker) unloadEdge(c view, i, rows, j, columns, width int, add bool) {
	edge := w.edge()
	for r := range rows {
		dst := c.data[(i+r)*c.stride+j:][:columns]
		if src := edge[r*width:]; add {
			for x := range dst {
				dst[x] += src[x]
			}
		} else {
			copy(dst, src)
		}
	}
}
