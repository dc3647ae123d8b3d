package cpu

import (
	"fmt"
	"math"
	"slices"

	"smt/device"
)

// byteKernels are the innermost loops of products of bytes for one instruction set; the Go functions of the portable set
// define what each must do.
//
// A packed panel of a weight is, for each group of four positions of the shared dimension, lanes × 4 unsigned bytes: the
// weights plus bias. Of the activations, signed bytes, no copy in panels is needed.
type byteKernels struct {
	// The tile is height rows by up to columns vectors of lanes. limit is the largest magnitude of a weight whose products
	// are exact, and bias is limit + 1.
	height, lanes, columns int
	limit, bias            int32
	tile                   [3]byteTile
	// turn makes the panels of one direction from those of the other; without it, a weight keeps both.
	turn func(lanes, deep int, src *uint8, ss int, dst *uint8, ds int)
	// peak and quantize take slices whose length is a multiple of 32.
	peak     func(x, s []float32) float32
	quantize func(x, s []float32, inverse float32, q *int8) int32
}

// A byteTile sets or adds to height rows of c, ldc apart, for groups·4 positions of the shared dimension: rows of a lie lda
// bytes apart, b is a packed panel, and element (i, j) is (corrections[i] + Σ a·b)·sx[i]·sw[j] + Σ xs·ws, the latter over n
// groups of height and of lanes floats.
type byteTile = func(groups int, a *int8, lda int, b *uint8, c *float32, ldc int, add bool,
	corrections *int32, sx, sw *float32, n int, xs, ws *float32)

// width is the lanes of a full panel.
func (k *byteKernels) width() int { return k.lanes * k.columns }

// A quantized is a weight W [out, in] in 8-bit integers, as [device.Quantizer] describes it.
type quantized struct {
	out, in  int
	scales   []float32 // s, of the rows; padded like the lanes of the last panel
	forward  []uint8   // panels whose lanes are rows of W
	backward []uint8   // panels whose lanes are columns of W, if they cannot be made from the others fast enough
	factors  []float32 // [in] f, of the columns
	inverses []float32 // [in] 1/f, the scales of the columns in the backward direction; padded like the lanes of the last panel
	keep     []float32 // [in] 1/f for columns that are quantised, 0 for outliers
	outliers []int32
	floats   []float32 // W[:, outliers] in panels like forward, a group of lanes for each outlier
}

// quantizeStep is how many elements the kernels that quantise take at a time.
const quantizeStep = 32

// quantizeRow sets q to round(x·s/σ) and returns σ = max |x·s| / limit and the sum of q. A row with a NaN or an infinity
// has σ = NaN, and one whose quotients might overflow counts as zero.
func (k *byteKernels) quantizeRow(q []int8, x, s []float32, limit float32) (sigma float32, sum int32) {
	whole := len(x) / quantizeStep * quantizeStep
	top := math.Float32bits(k.peak(x[:whole], s[:whole]))
	for i := whole; i < len(x); i++ {
		top = max(top, math.Float32bits(x[i]*s[i])&^(1<<31))
	}
	peak, inverse := math.Float32frombits(top), float32(0)
	switch {
	case peak < 1e-30:
		peak = 0
	case peak <= math.MaxFloat32:
		inverse = limit / peak
	default:
		peak = float32(math.NaN())
	}
	if whole > 0 {
		sum = k.quantize(x[:whole], s[:whole], inverse, &q[0])
	}
	for i := whole; i < len(x); i++ {
		n := int32(math.RoundToEven(float64(x[i] * s[i] * inverse)))
		q[i] = int8(n)
		sum += n
	}
	return peak / limit, sum
}

// Quantize makes an 8-bit copy of a weight. See [device.Quantizer].
func (d *Device) Quantize(w device.Tensor, outliers []int32, magnitudes []float32) device.Tensor {
	source := openSource("Quantize", w)
	k := d.kernels.bytes
	for i, c := range outliers {
		if c < 0 || int(c) >= w.Cols || i > 0 && c <= outliers[i-1] {
			panic(fmt.Sprintf("cpu: Quantize: outliers %v: want ascending columns of %v", outliers, w))
		}
	}
	if magnitudes != nil && len(magnitudes) != w.Cols {
		panic(fmt.Sprintf("cpu: Quantize: %d magnitudes for the columns of %v", len(magnitudes), w))
	}
	out, in := w.Rows, w.Cols
	q := &quantized{out: out, in: in, outliers: slices.Clone(outliers), scales: make([]float32, roundUp(out, k.lanes)),
		factors: slices.Repeat([]float32{1}, in), inverses: slices.Repeat([]float32{1}, roundUp(in, k.lanes)),
		forward: make([]uint8, roundUp(out, k.lanes)*roundUp(in, 4)),
		floats:  make([]float32, roundUp(out, k.lanes)*len(outliers))}
	if magnitudes != nil {
		q.smooth(source.columnPeaks(d.pool.workers[0]), magnitudes)
	}
	q.keep = slices.Clone(q.inverses[:in])
	for _, c := range outliers {
		q.keep[c] = 0
	}
	if k.turn == nil {
		q.backward = make([]uint8, roundUp(in, k.lanes)*roundUp(out, 4))
	}
	// Lanes and positions that do not exist are zero weights: bytes of the bias.
	for _, packed := range [][]uint8{q.forward, q.backward} {
		for i := range packed {
			packed[i] = uint8(k.bias)
		}
	}
	d.pool.run((out+quantizeRows-1)/quantizeRows, &quantizing{k, &source, q})

	b := &buffer{quantized: q}
	d.account(b, len(q.forward)+len(q.backward)+4*(len(q.scales)+len(q.factors)+len(q.inverses)+len(q.keep)+len(q.floats)))
	return device.Tensor{Buffer: b, DType: device.Int8, Rows: out, Cols: in, Stride: in}
}

// columnPeaks is the largest magnitude in every column.
func (s *source) columnPeaks(w *worker) []float32 {
	peaks := make([]float32, s.cols)
	for r := range s.rows {
		for c, v := range s.row(w, r) {
			peaks[c] = max(peaks[c], v, -v)
		}
	}
	return peaks
}

// smooth sets the factors of the columns from the largest weights in them and the sizes of what they are multiplied with.
func (q *quantized) smooth(peaks, magnitudes []float32) {
	// Nothing is divided by zero, and a column that does nothing gets no say.
	const least = 1e-6
	var sizes []float32 // of the columns after smoothing: the same for weights and activations
	outlier := make([]bool, q.in)
	for _, c := range q.outliers {
		outlier[c] = true
	}
	for c := range q.factors {
		m, p := max(magnitudes[c], least), max(peaks[c], least)
		q.factors[c] = float32(math.Sqrt(float64(m) / float64(p)))
		if !outlier[c] {
			sizes = append(sizes, p*q.factors[c])
		}
	}
	if len(sizes) > 0 {
		slices.Sort(sizes)
		for _, c := range q.outliers {
			q.factors[c] = sizes[len(sizes)/2] / max(peaks[c], least)
		}
	}
	for c, f := range q.factors {
		q.inverses[c] = 1 / f
	}
}

// quantizeRows is how many rows of a weight, or of activations, one task quantises: a multiple of four, since four rows
// share a group of the backward panels, and of every tile's height.
const quantizeRows = 16

// quantizing packs the rows of a weight.
type quantizing struct {
	kernels *byteKernels
	source  *source
	q       *quantized
}

func (z *quantizing) do(w *worker, task int) {
	k, q := z.kernels, z.q
	bytes := asInt8(w.a.take(q.in/4 + 1))[:q.in]
	for r := task * quantizeRows; r < min((task+1)*quantizeRows, q.out); r++ {
		row := z.source.row(w, r)
		q.scales[r], _ = k.quantizeRow(bytes, row, q.factors, float32(k.limit))
		panel, lanes := k.panel(r, q.out)
		lane := r - panel
		packed := q.forward[panel*roundUp(q.in, 4):]
		for i, v := range bytes {
			packed[(i&^3)*lanes+lane*4+i&3] = uint8(int32(v) + k.bias)
		}
		for i, c := range q.outliers {
			q.floats[panel*len(q.outliers)+i*lanes+lane] = row[c]
		}
		if q.backward == nil {
			continue
		}
		for from := 0; from < q.in; from += k.width() {
			_, lanes := k.panel(from, q.in)
			packed := q.backward[from*roundUp(q.out, 4)+(r&^3)*lanes+r&3:]
			for i, v := range bytes[from:min(from+k.width(), q.in)] {
				packed[4*i] = uint8(int32(v) + k.bias)
			}
		}
	}
}

// panel returns the first lane of the panel that a lane of n lies in, and how many lanes it has.
func (k *byteKernels) panel(lane, n int) (first, lanes int) {
	first = lane / k.width() * k.width()
	return first, min(k.width(), roundUp(n-first, k.lanes))
}

// turned sets dst to the backward panels of the columns j0 to j1 of W; j0 begins a panel.
func (q *quantized) turned(k *byteKernels, dst []uint8, j0, j1 int) {
	deepForward, deepBackward := roundUp(q.in, 4), roundUp(q.out, 4)
	for ; j0 < j1; j0 += k.width() {
		n := min(k.width(), j1-j0)
		lanes := roundUp(n, k.lanes)
		for r0 := 0; r0 < deepBackward; r0 += k.width() {
			_, wide := k.panel(r0, q.out)
			src, to := q.forward[r0*deepForward+j0*wide:], dst[r0*lanes:]
			rows := min(wide, deepBackward-r0)
			if rows >= 16 && n >= 16 {
				k.turn(rows/16, n/16, &src[0], 4*wide, &to[0], 4*lanes)
			}
			for r := range rows {
				c := 0
				if r < rows&^15 {
					c = n &^ 15
				}
				for ; c < lanes; c++ {
					v := uint8(k.bias)
					if c < n {
						v = src[(c&^3)*wide+4*r+c&3]
					}
					to[(r&^3)*lanes+4*c+r&3] = v
				}
			}
		}
		dst = dst[lanes*deepBackward:]
	}
}
