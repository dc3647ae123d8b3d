package cpu

import (
	"fmt"
	"math"

	"smt/device"
)

// Attention is computed in tiles of keys × queries that never leave the cache (FlashAttention; Dao et al., 2022). A tile
// lies with the keys as rows and the queries as columns, a full panel of B wide, for three reasons: the running softmax of
// a query goes down a column, so that vectors of queries need no horizontal sums; the tile of probabilities is already
// packed for the product with the values; and the causal edge falls between single keys rather than between tiles.

// A span is a segment with the place of its packed keys: rows start to start+KLen, padded to a full panel, of total.
// Its query tiles are tile to tile+tiles in the plan.
type span struct {
	device.Segment
	start       int
	tile, tiles int
}

// A queryTile is n queries of one segment, from first on: as many as fit a panel, or fewer.
type queryTile struct {
	span     int
	first, n int
}

// A part of a tile is the keys key to key+rows with those queries, from skip on, that see any of them. Only at the causal
// edge does a tile have more than one part: there the vectors of queries that come before all keys are left out.
type part struct {
	key, rows, skip int
	at              int // of its panel in the memory of the tile
}

const (
	// keyRun is how many keys a tile has.
	keyRun = 128
	// edgeRun is how many keys a part at the causal edge has at least.
	edgeRun = 16
	// maxParts is more than the parts of any tile, which has 3 vectors of queries at most.
	maxParts = 4
	// directQueries is the number of queries up to which a segment reads keys and values where they lie: see decode.go.
	directQueries = 4
	// hidden stands for the largest score of a query that has seen no key yet. It is finite, so that differences are too.
	hidden = -1e30
)

// heads is what forward and backward share: the operands and where the packed keys lie.
type heads struct {
	device.Attention
	q, k, v view
	lse     view
	spans   []span
	tiles   []queryTile
	total   int // rows of packed keys
	group   int // query heads for each key/value head
	padded  int // HeadDim, padded to full panels of A
	height  int // of a panel of A
}

// An attention is Attention on its way.
type attention struct {
	heads
	o            view
	keys, values []float32 // packed: see attentionPack
}

// Attention computes o[t, h·d:] = Σ_s softmax_s(Scale·q_t·k_s)·v_s over the keys that the segments allow, and keeps
// lse[t, h] = log Σ_s exp(Scale·q_t·k_s) if lse is wanted. Rows of no segment are left as they are.
func (d *Device) Attention(o, lse, q, k, v device.Tensor, segments []device.Segment, a device.Attention) {
	const op = "Attention"
	job := &d.ops.attention
	*job = attention{heads: d.openHeads(op, q, k, v, segments, a), o: openAs(op, o, q.Rows, q.Cols)}
	if lse.Valid() {
		job.lse = openAs(op, lse, q.Rows, a.Heads)
	}
	d.plan.attention(&job.heads, segments, d.kernels, directQueries)
	if len(job.spans) > 0 {
		size := job.total * a.KVHeads
		packed := d.packedA.take(size * (a.HeadDim + job.padded))
		job.keys, job.values = packed[:size*a.HeadDim], packed[size*a.HeadDim:]
		d.pool.run(len(job.spans)*a.KVHeads, (*attentionPack)(job))
		d.pool.run(len(job.tiles)*a.Heads, (*attentionTile)(job))
	}
	if job.spans = d.plan.direct(segments, directQueries); len(job.spans) > 0 {
		d.pool.run(len(job.spans)*a.KVHeads, (*attentionDirect)(job))
	}
	*job = attention{}
}

// openHeads checks and opens the operands of attention.
func (d *Device) openHeads(op string, q, k, v device.Tensor, segments []device.Segment, a device.Attention) heads {
	if a.Heads < 1 || a.KVHeads < 1 || a.HeadDim < 1 || a.Heads%a.KVHeads != 0 || a.Window < 0 {
		panic(fmt.Sprintf("cpu: %s: %d heads, %d key/value heads of size %d, window %d",
			op, a.Heads, a.KVHeads, a.HeadDim, a.Window))
	}
	shape(op, q, q.Rows, a.Heads*a.HeadDim)
	shape(op, k, k.Rows, a.KVHeads*a.HeadDim)
	shape(op, v, k.Rows, a.KVHeads*a.HeadDim)
	for i, s := range segments {
		if s.Q < 0 || s.K < 0 || s.QLen < 0 || s.KLen < s.QLen || s.Q > q.Rows-s.QLen || s.K > k.Rows-s.KLen {
			panic(fmt.Sprintf("cpu: %s: segment %d %+v of %d queries and %d keys", op, i, s, q.Rows, k.Rows))
		}
	}
	return heads{
		Attention: a, q: open(op, q), k: open(op, k), v: open(op, v),
		group: a.Heads / a.KVHeads, padded: roundUp(a.HeadDim, d.kernels.height),
		height: d.kernels.height,
	}
}

// attention lists the segments of more than least queries and their query tiles, which differ by one vector of queries at
// most. The later tiles of a segment come first: they see more keys, and long tasks at the end would leave threads idle.
func (p *plan) attention(h *heads, segments []device.Segment, kn *kernels, least int) {
	p.spans, p.tiles = p.spans[:0], p.tiles[:0]
	for _, s := range segments {
		if s.QLen <= least {
			continue
		}
		vectors := cells(s.QLen, kn.lanes)
		tiles := cells(vectors, kn.columns)
		p.spans = append(p.spans, span{Segment: s, start: h.total, tile: len(p.tiles), tiles: tiles})
		for i := tiles - 1; i >= 0; i-- {
			first, end := vectors*i/tiles*kn.lanes, vectors*(i+1)/tiles*kn.lanes
			p.tiles = append(p.tiles, queryTile{span: len(p.spans) - 1, first: first, n: min(end, s.QLen) - first})
		}
		h.total += roundUp(s.KLen, kn.height)
	}
	h.spans, h.tiles = p.spans, p.tiles
}

// direct lists the segments of 1 to most queries.
func (p *plan) direct(segments []device.Segment, most int) []span {
	p.spans = p.spans[:0]
	for _, s := range segments {
		if s.QLen > 0 && s.QLen <= most {
			p.spans = append(p.spans, span{Segment: s})
		}
	}
	return p.spans
}

// head is the columns of head i of x, rows from row on.
func (h *heads) head(x view, row, i int) view {
	return view{x.data[min(row*x.stride+i*h.HeadDim, len(x.data)):], x.rows - row, h.HeadDim, x.stride}
}

// packedKeys is where keys of a span and a key/value head lie, packed with size floats for each.
func (h *heads) packedKeys(packed []float32, s *span, kv, size int) []float32 {
	return packed[(kv*h.total+s.start)*size:][:roundUp(s.KLen, h.height)*size]
}

// attentionPack is the phase that packs keys and values; a task is a segment and a key/value head. Keys become the panels
// of A in scores = K·Qᵀ, values those in oᵀ = Vᵀ·P.
type attentionPack attention

func (a *attentionPack) do(w *worker, task int) {
	s, kv := &a.spans[task/a.KVHeads], task%a.KVHeads
	height := w.kernels.height
	k, v := a.head(a.k, s.K, kv).operand(false), a.head(a.v, s.K, kv).operand(true)
	w.pack(a.packedKeys(a.keys, s, kv, a.HeadDim), height, height, &k, true, 0, s.KLen, 0, a.HeadDim)
	w.pack(a.packedKeys(a.values, s, kv, a.padded), height, height, &v, false, 0, a.HeadDim, 0, s.KLen)
}

// attentionTile is the phase that computes; a task is a head and a tile of queries. The tasks of a segment lie together, since
// its heads share memory pages, and those of a head, since its tiles share keys.
type attentionTile attention

func (a *attentionTile) do(w *worker, task int) {
	kn := w.kernels
	s := &a.spans[a.tiles[task/a.Heads].span]
	task -= s.tile * a.Heads
	head, tile := task/s.tiles, a.tiles[s.tile+task%s.tiles]
	first, n := tile.first, tile.n
	width := roundUp(n, kn.lanes)

	memory := w.a.take(keyRun*width + a.HeadDim*panels(width, kn) + a.padded*width + 4*(width+cacheLine))
	scores, memory := carve(memory, keyRun*width)
	q, memory := carve(memory, a.HeadDim*panels(width, kn))
	o, memory := carve(memory, a.padded*width)
	top, memory := carve(memory, width)
	sum, memory := carve(memory, width)
	alpha, memory := carve(memory, width)
	spare, _ := carve(memory, width)

	w.packQueries(q, &a.heads, s, first, n, head)
	clear(sum)
	for i := range top {
		top[i] = hidden
	}
	keys := a.packedKeys(a.keys, s, head/a.group, a.HeadDim)
	values := a.packedKeys(a.values, s, head/a.group, a.padded)
	var list [maxParts]part
	from, to := a.visible(s, first, n, kn.height)
	for k0 := from; k0 < to; k0 += keyRun {
		// The largest score of all parts comes first, so that the outputs are scaled once.
		copy(alpha, top)
		parts := a.parts(kn, list[:0], s, first, width, k0, min(k0+keyRun, to))
		for _, p := range parts {
			panel := scores[p.at:]
			w.scores(panel, keys[p.key*a.HeadDim:], q, p, a.HeadDim, width)
			a.mask(panel, width-p.skip, s, p.key, p.rows, first+p.skip, n-p.skip)
			kn.peakPanel(p.rows, width-p.skip, &panel[0], &top[p.skip])
		}
		if k0 > from {
			kn.expPanel(1, width, &alpha[0], &top[0], &spare[0])
			kn.multiply(sum, sum, alpha)
			kn.scalePanel(a.padded, width, &o[0], &alpha[0])
		}
		for i, p := range parts {
			tile := kn.tile[(width-p.skip)/kn.lanes-1]
			panel, add := &scores[p.at], k0 > from || i > 0
			kn.expPanel(p.rows, width-p.skip, panel, &top[p.skip], &sum[p.skip])
			for c := 0; c < a.padded; c += kn.height {
				tile(p.rows, &values[c*s.KLen+p.key*kn.height], panel, &o[c*width+p.skip], width, add)
			}
		}
	}

	for i := range alpha {
		alpha[i] = 1 / sum[i]
	}
	kn.scalePanel(a.padded, width, &o[0], &alpha[0])
	w.unpack(a.head(a.o, s.Q+first, head), o, n, width)
	if a.lse.data != nil {
		for i := range n {
			a.lse.row(s.Q + first + i)[head] = float32(float64(top[i]) + math.Log(float64(sum[i])))
		}
	}
}

// parts appends to list the parts of the tile of keys k0 to end and the queries of a panel from first on. The first part of a
// query's first tile has the whole panel.
func (h *heads) parts(kn *kernels, list []part, s *span, first, width, k0, end int) []part {
	seen := first + s.KLen - s.QLen // keys before the one of the first query
	for at := 0; k0 < end; {
		p := part{key: k0, skip: max(0, k0-seen) / kn.lanes * kn.lanes, at: at}
		p.rows = min(end, roundUp(max(seen+p.skip+kn.lanes, k0+edgeRun), kn.height)) - k0
		list = append(list, p)
		at += p.rows * (width - p.skip)
		k0 += p.rows
	}
	return list
}

// panels is how many floats a row takes in all the panels that parts of a tile may have: width, and one vector less each.
func panels(width int, kn *kernels) int { return width * (width/kn.lanes + 1) / 2 }

// narrower packs, after a panel of rows × width floats, the same without the first vector, the first two, and so on.
func (w *worker) narrower(memory []float32, rows, width int) {
	panel := view{memory[:rows*width], rows, width, width}.operand(false)
	for at, skip := rows*width, w.kernels.lanes; skip < width; skip += w.kernels.lanes {
		w.packColumns(memory[at:], width-skip, 1, &panel, skip, 0, rows)
		at += rows * (width - skip)
	}
}

// narrow is where the panel without the first skip floats of a row lies.
func narrow(memory []float32, rows, width, skip int, kn *kernels) []float32 {
	for at := 0; at < skip; at += kn.lanes {
		memory = memory[rows*(width-at):]
	}
	return memory
}

// packQueries packs n queries from first on, times Scale, as a panel of B and the narrower ones.
func (w *worker) packQueries(dst []float32, h *heads, s *span, first, n, head int) {
	q := h.head(h.q, s.Q+first, head).operand(true)
	width := roundUp(n, w.kernels.lanes)
	w.pack(dst, width, w.kernels.lanes, &q, true, 0, n, 0, h.HeadDim)
	if panel := dst[:h.HeadDim*width]; h.Scale != 1 {
		w.kernels.scale(panel, panel, float32(h.Scale))
	}
	w.narrower(dst, h.HeadDim, width)
}

// scores multiplies the packed keys of a part with its packed queries; dst gets full panels of keys, the last ones zero.
func (w *worker) scores(dst, keys, q []float32, p part, size, width int) {
	kn := w.kernels
	q = narrow(q, size, width, p.skip, kn)
	width -= p.skip
	tile := kn.tile[width/kn.lanes-1]
	for r := 0; r < p.rows; r += kn.height {
		tile(size, &keys[r*size], &q[0], &dst[r*width], width, false)
	}
}

// visible gives the keys, from a full panel on, that any of n queries from first on sees.
func (h *heads) visible(s *span, first, n, height int) (from, to int) {
	shift := s.KLen - s.QLen
	to = first + n + shift
	if h.Window > 0 {
		from = max(0, first+shift-h.Window+1) / height * height
	}
	return from, to
}

// mask hides, in scores of the keys k0 to k0+rows and n queries from first on, the keys that a query must not see: those
// after it and those that have left its window.
func (h *heads) mask(scores []float32, width int, s *span, k0, rows, first, n int) {
	shift := s.KLen - s.QLen
	inf := float32(math.Inf(-1))
	if k0+rows-1 > first+shift {
		for r := max(0, first+shift-k0+1); r < rows; r++ {
			row := scores[r*width:][:min(n, k0+r-shift-first)]
			for i := range row {
				row[i] = inf
			}
		}
	}
	if h.Window > 0 && first+n-1+shift-h.Window >= k0 {
		for r := range rows {
			row := scores[r*width:][:n]
			for i := max(0, k0+r-shift+h.Window-first); i < n; i++ {
				row[i] = inf
			}
		}
	}
}

// unpack writes the columns of a panel [HeadDim, width], transposed, to the n rows of dst.
func (w *worker) unpack(dst view, panel []float32, n, width int) {
	transpose, group := w.kernels.transpose[device.Float], w.kernels.unit()
	if transpose == nil || dst.cols%group != 0 {
		for r := range n {
			for i := range dst.row(r) {
				dst.data[r*dst.stride+i] = panel[i*width+r]
			}
		}
		return
	}
	done := n &^ 7
	for c := 0; c < dst.cols; c += group {
		if done > 0 {
			transpose(done, &asBytes(panel)[4*c*width], width, &dst.data[c], dst.stride)
		}
		if done < n {
			// The kernel writes 8 rows. From a narrower panel it reads on in the scratch memory that follows, to no effect.
			rows := w.aside.take(8 * dst.cols)
			transpose(8, &asBytes(panel)[4*(c*width+done)], width, &rows[c], dst.cols)
		}
	}
	for r := done; r < n; r++ {
		copy(dst.row(r), w.aside.floats[(r-done)*dst.cols:])
	}
}

// carve cuts n floats off memory and leaves the rest at a cache line.
func carve(memory []float32, n int) (part, rest []float32) {
	return memory[:n:n], memory[min(roundUp(n, cacheLine/4), len(memory)):]
}
