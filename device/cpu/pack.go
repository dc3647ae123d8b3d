package cpu

import (
	"unsafe"

	"smt/device"
)

// An operand is a matrix to multiply: stored rows of any float dtype, or the transpose of what is stored.
type operand struct {
	bytes      []byte
	dtype      device.DType
	size       int // bytes of an element
	stride     int // elements from one stored row to the next
	transposed bool
	rounded    bool // packed elements are rounded to bfloat16
}

// at is the address of stored element (r, c).
func (o *operand) at(r, c int) *byte { return &o.bytes[(r*o.stride+c)*o.size] }

// pack lays lanes i0 to i1 of o, at positions p to p+k of the shared dimension, out as panels of width lanes for the tile
// kernels: a panel is k groups of width floats, and group x holds position p+x of every lane. A lane is a stored row if
// byRow, else a stored column. The last panel may be narrower, a multiple of unit lanes; lanes that do not exist are zero.
func (w *worker) pack(dst []float32, width, unit int, o *operand, byRow bool, i0, i1, p, k int) {
	if k == 0 {
		return
	}
	all := dst[:roundUp(i1-i0, unit)*k]
	if full := (i1 - i0) / width; !byRow && full > 0 {
		w.packColumns(dst, width, full, o, i0, p, k)
		dst = dst[full*width*k:]
		i0 += full * width
	}
	for ; i0 < i1; i0 += width {
		panel := min(width, roundUp(i1-i0, unit))
		if n := min(panel, i1-i0); byRow {
			w.packRows(dst, panel, n, o, i0, p, k)
		} else {
			w.packRest(dst, panel, n, o, i0, p, k)
		}
		dst = dst[panel*k:]
	}
	if o.rounded {
		roundInPlace(all)
	}
}

// packColumns packs full panels of stored columns from j on.
func (w *worker) packColumns(dst []float32, width, full int, o *operand, j, p, k int) {
	if deal := w.kernels.deal[o.dtype]; deal != nil {
		deal(k, full, width, o.at(p, j), o.stride, &dst[0], width*k)
		return
	}
	for x := range k {
		row := w.segment(o, p+x, j, full*width)
		for q := range full {
			copy(dst[q*width*k+x*width:][:width], row[q*width:])
		}
	}
}

// packRest packs the n columns from j on as one panel, padded with zeros.
func (w *worker) packRest(dst []float32, width, n int, o *operand, j, p, k int) {
	for x := range k {
		group := dst[x*width:][:width]
		clear(group[copy(group, w.segment(o, p+x, j, n)):])
	}
}

// packRows packs the n stored rows from i on as one panel, padded with zeros.
func (w *worker) packRows(dst []float32, width, n int, o *operand, i, p, k int) {
	lane, done := 0, k&^7
	if transpose := w.kernels.transpose[o.dtype]; transpose != nil && done > 0 {
		group := w.kernels.unit()
		for ; lane+group <= n; lane += group {
			transpose(done, o.at(i+lane, p), o.stride, &dst[lane], width)
		}
		if lane < n {
			// Fewer rows than the kernel takes: those that do not exist are zeros in a copy.
			rows := w.aside.take(group * done)
			for l := range group {
				row := rows[l*done:][:done]
				clear(row)
				if lane+l < n {
					copy(row, w.segment(o, i+lane+l, p, done))
				}
			}
			w.kernels.transpose[device.Float](done, &asBytes(rows)[0], done, &dst[lane], width)
			lane += group
		}
	}
	for l := range width {
		from := 0
		if l < lane {
			from = done
		}
		if l >= n {
			for x := from; x < k; x++ {
				dst[x*width+l] = 0
			}
		} else if from < k {
			for x, v := range w.segment(o, i+l, p+from, k-from) {
				dst[(from+x)*width+l] = v
			}
		}
	}
}

// segment is n elements of stored row r from column c on, as floats.
func (w *worker) segment(o *operand, r, c, n int) []float32 {
	if n == 0 {
		return nil
	}
	if o.dtype == device.Float {
		return unsafe.Slice((*float32)(unsafe.Pointer(o.at(r, c))), n)
	}
	dst := w.widened.take(n)
	w.kernels.widenInto(dst, o.bytes[(r*o.stride+c)*o.size:], o.dtype)
	return dst
}

func roundUp(x, to int) int { return (x + to - 1) / to * to }
