package cpu

import (
	"math"

	"smt/device"
)

// An attentionBackward is AttentionBackward on its way. With P the probabilities of a tile, recomputed from lse:
//
//	dV = Pᵀ·dO   dP = dO·Vᵀ   dS = P∘(dP - delta)   dQ = Scale·dS·K   dK = Scale·dSᵀ·Q
//
// where delta_t = do_t·o_t is the part of the softmax's gradient that all keys of a query share. A task is a segment and a
// query head: dQ is its own, and dK and dV are sums of its own that the last phase adds up over the heads of a group, in
// their order. If there are segments enough for tasks of a whole group, its heads share the sums.
type attentionBackward struct {
	heads
	dq, dk, dv, dout, o view

	keys, values, columns []float32 // packed: K and V as A of K·Qᵀ and V·dOᵀ, and Kᵀ as A of Kᵀ·dS
	keySums, valueSums    []float32 // dK and dV of each task
	stride                int       // floats of a row of these sums
	shared                int       // query heads of a task
}

// groupTasks is the number of tasks from which on they are whole groups. It depends on no number of threads, as the order of
// sums depends on it.
const groupTasks = 24

// AttentionBackward sets dq, dk, dv (each only if wanted) from do, the operands and the results of Attention.
func (d *Device) AttentionBackward(
	dq, dk, dv, do, o, lse, q, k, v device.Tensor, segments []device.Segment, a device.Attention,
) {
	const op = "AttentionBackward"
	job := &d.ops.attentionBackward
	*job = attentionBackward{
		heads: d.openHeads(op, q, k, v, segments, a),
		dout:  openAs(op, do, q.Rows, q.Cols), o: openAs(op, o, q.Rows, q.Cols),
	}
	job.lse = openAs(op, lse, q.Rows, a.Heads)
	for _, g := range []struct {
		t    device.Tensor
		like device.Tensor
		to   *view
	}{{dq, q, &job.dq}, {dk, k, &job.dk}, {dv, v, &job.dv}} {
		if g.t.Valid() {
			*g.to = openAs(op, g.t, g.like.Rows, g.like.Cols)
		}
	}
	d.plan.attention(&job.heads, segments, d.kernels, -1)
	if job.total > 0 {
		size := job.total * a.KVHeads
		packed := d.packedA.take(size * (2*a.HeadDim + job.padded))
		job.keys, packed = packed[:size*a.HeadDim], packed[size*a.HeadDim:]
		job.values, packed = packed[:size*a.HeadDim], packed[size*a.HeadDim:]
		job.columns = packed
		job.stride = roundUp(a.HeadDim, d.kernels.lanes)
		if job.shared = 1; len(job.spans)*a.KVHeads >= groupTasks {
			job.shared = job.group
		}
		sums := job.total * a.Heads / job.shared * job.stride
		packed = d.packedB.take(2 * sums)
		job.keySums, job.valueSums = packed[:sums], packed[sums:]
		d.pool.run(len(job.spans)*a.KVHeads, (*backwardPack)(job))
		d.pool.run(len(job.spans)*a.Heads/job.shared, (*backwardHead)(job))
		if job.shared < job.group {
			d.pool.run(len(job.spans)*a.KVHeads, (*backwardSum)(job))
		}
	}
	*job = attentionBackward{}
}

// backwardPack is the phase that packs keys and values; a task is a segment and a key/value head.
type backwardPack attentionBackward

func (a *backwardPack) do(w *worker, task int) {
	s, kv := &a.spans[task/a.KVHeads], task%a.KVHeads
	k, v := a.head(a.k, s.K, kv).operand(false), a.head(a.v, s.K, kv).operand(false)
	w.pack(a.packedKeys(a.keys, s, kv, a.HeadDim), a.height, a.height, &k, true, 0, s.KLen, 0, a.HeadDim)
	w.pack(a.packedKeys(a.values, s, kv, a.HeadDim), a.height, a.height, &v, true, 0, s.KLen, 0, a.HeadDim)
	w.pack(a.packedKeys(a.columns, s, kv, a.padded), a.height, a.height, &k, false, 0, a.HeadDim, 0, s.KLen)
}

// backwardHead is the phase that computes; a task is a segment and a query head, or a group of them.
type backwardHead attentionBackward

func (a *backwardHead) do(w *worker, task int) {
	tasks := a.Heads / a.shared
	s, set := &a.spans[task/tasks], task%tasks
	kv := set * a.shared / a.group
	all := (*attentionBackward)(a)
	b := backwardTile{
		attentionBackward: all, s: s, fresh: a.Window == 0,
		keys:    a.packedKeys(a.keys, s, kv, a.HeadDim),
		values:  a.packedKeys(a.values, s, kv, a.HeadDim),
		columns: a.packedKeys(a.columns, s, kv, a.padded),
		dk:      all.packedSums(a.keySums, s, set),
		dv:      all.packedSums(a.valueSums, s, set),
	}
	if !b.fresh {
		clear(b.dk)
		clear(b.dv)
	}
	for b.index = set * a.shared; b.index < (set+1)*a.shared; b.index++ {
		for _, t := range a.tiles[s.tile : s.tile+s.tiles] {
			b.run(w, t.first, t.n)
			b.fresh = false
		}
	}
	if a.shared == a.group {
		all.sum(w, s, kv)
	}
}

// packedSums is where the sums of a task lie, which is the set-th of a span.
func (a *attentionBackward) packedSums(sums []float32, s *span, set int) []float32 {
	return sums[(set*a.total+s.start)*a.stride:][:roundUp(s.KLen, a.height)*a.stride]
}

// A backwardTile goes over the tiles of one segment and one head.
type backwardTile struct {
	*attentionBackward
	s                     *span
	index                 int // of the head
	keys, values, columns []float32
	dk, dv                []float32
	fresh                 bool // nothing is in dk and dv yet: the first tile, which sees all keys, sets them
}

// run adds the part of n queries from first on to dk and dv, and sets their dq.
func (b *backwardTile) run(w *worker, first, n int) {
	kn, s := w.kernels, b.s
	width := roundUp(n, kn.lanes)
	// q and do twice: with the queries as lanes, for the scores, and with the columns as lanes, for dk and dv.
	memory := w.a.take(4*keyRun*width + 2*b.HeadDim*panels(width, kn) + b.padded*width + 2*b.stride*n + 2*width + 11*cacheLine)
	p, memory := carve(memory, keyRun*width)
	ds, memory := carve(memory, keyRun*width)
	packed, memory := carve(memory, keyRun*n)
	q, memory := carve(memory, b.HeadDim*panels(width, kn))
	do, memory := carve(memory, b.HeadDim*panels(width, kn))
	dq, memory := carve(memory, b.padded*width)
	qRows, memory := carve(memory, b.stride*n)
	doRows, memory := carve(memory, b.stride*n)
	lse, memory := carve(memory, width)
	delta, _ := carve(memory, width)

	w.packQueries(q, &b.heads, s, first, n, b.index)
	gradient := b.mine(b.dout, s.Q+first)
	m := gradient.operand(true)
	w.pack(do, width, kn.lanes, &m, true, 0, n, 0, b.HeadDim)
	w.narrower(do, b.HeadDim, width)
	panel := columnPanel(b.stride, kn)
	w.pack(doRows, panel, kn.lanes, &m, false, 0, b.HeadDim, 0, n)
	m = b.mine(b.q, s.Q+first).operand(true)
	w.pack(qRows, panel, kn.lanes, &m, false, 0, b.HeadDim, 0, n)
	kn.scale(qRows, qRows, float32(b.Scale))
	out := b.mine(b.o, s.Q+first)
	for i := range width {
		if i < n {
			lse[i] = b.lse.row(s.Q + first + i)[b.index]
			delta[i] = kn.dot(gradient.row(i), out.row(i))
		} else {
			lse[i], delta[i] = math.MaxFloat32, 0 // a lane without a query has no probability
		}
	}

	var list [maxParts]part
	from, to := b.visible(s, first, n, kn.height)
	for k0 := from; k0 < to; k0 += keyRun {
		for _, t := range b.parts(kn, list[:0], s, first, width, k0, min(k0+keyRun, to)) {
			w.scores(p, b.keys[t.key*b.HeadDim:], q, t, b.HeadDim, width)
			w.scores(ds, b.values[t.key*b.HeadDim:], do, t, b.HeadDim, width)
			b.mask(p, width-t.skip, s, t.key, t.rows, first+t.skip, n-t.skip)
			kn.gradientPanel(t.rows, width-t.skip, &p[0], &ds[0], &lse[t.skip], &delta[t.skip])
			b.addRows(w, b.dv, p, packed, doRows, t, n, width, panel)
			b.addRows(w, b.dk, ds, packed, qRows, t, n, width, panel)
			tile := kn.tile[(width-t.skip)/kn.lanes-1]
			for c := 0; c < b.padded; c += kn.height {
				tile(t.rows, &b.columns[c*s.KLen+t.key*kn.height], &ds[0], &dq[c*width+t.skip], width, t.key > from)
			}
		}
	}
	if b.dq.data != nil {
		kn.scale(dq, dq, float32(b.Scale))
		w.unpack(b.mine(b.dq, s.Q+first), dq, n, width)
	}
}

// addRows adds tile·m to sums, for a part of a tile of keys × queries and packed rows m of queries.
func (b *backwardTile) addRows(w *worker, sums, tile, packed, m []float32, p part, n, width, panel int) {
	kn, queries := w.kernels, n-p.skip
	t := view{tile, p.rows, queries, width - p.skip}.operand(false)
	w.pack(packed, kn.height, kn.height, &t, true, 0, p.rows, 0, queries)
	for c := 0; c < b.stride; c += panel {
		columns := min(panel, b.stride-c)
		product, from := kn.tile[columns/kn.lanes-1], &m[c*n+p.skip*columns]
		for r := 0; r < p.rows; r += kn.height {
			product(queries, &packed[r*queries], from, &sums[(p.key+r)*b.stride+c], b.stride, !b.fresh)
		}
	}
}

// mine is the columns of the head in x, rows from row on.
func (b *backwardTile) mine(x view, row int) view { return b.head(x, row, b.index) }

// columnPanel is the width of panels that share size floats evenly: 64 floats are better two panels of two vectors than one
// of three and one of one.
func columnPanel(size int, kn *kernels) int {
	vectors := size / kn.lanes
	return cells(vectors, cells(vectors, kn.columns)) * kn.lanes
}

// backwardSum is the phase that adds up dk and dv over the heads of a group; a task is a segment and a key/value head.
type backwardSum attentionBackward

func (a *backwardSum) do(w *worker, task int) {
	(*attentionBackward)(a).sum(w, &a.spans[task/a.KVHeads], task%a.KVHeads)
}

// sum sets dk and dv of a span and a key/value head to their sums.
func (a *attentionBackward) sum(w *worker, s *span, kv int) {
	a.addUp(w, a.dk, a.keySums, s, kv)
	a.addUp(w, a.dv, a.valueSums, s, kv)
}

func (a *attentionBackward) addUp(w *worker, dst view, sums []float32, s *span, kv int) {
	if dst.data == nil {
		return
	}
	dst = a.head(dst, s.K, kv)
	sets := a.group / a.shared
	for r := range s.KLen {
		for i := range sets {
			row := a.packedSums(sums, s, kv*sets+i)[r*a.stride:][:a.HeadDim]
			if i == 0 {
				copy(dst.row(r), row)
			} else {
				w.kernels.combine(dst.row(r), row, 1, 1)
			}
		}
	}
}
