package optest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"smt/device"
)

// A series is the tests of one operation. Every trial in it has its own seed and its own layouts.
type series struct {
	*testing.T
	dev       device.Device
	tolerance float64
	trials    int
}

// A layout is the memory around an operand: the operand is a view of a larger tensor with so many rows and columns on
// each side.
type layout struct{ above, below, left, right int }

var layouts = []layout{{1, 1, 3, 5}, {0, 2, 0, 9}, {}, {3, 0, 1, 0}, {1, 1, 8, 8}, {5, 1, 0, 0}, {2, 0, 0, 1}}

// bare is an operand with nothing around it.
var bare = []layout{{}}

// inside reports whether element (r, c) of the larger tensor belongs to the operand of rows × cols.
func (l layout) inside(r, c, rows, cols int) bool {
	return r >= l.above && r < l.above+rows && c >= l.left && c < l.left+cols
}

// A trial is one call of an operation: operands made on the device, and what they must hold afterwards. A result that
// is not checked must be unchanged, and so must the memory around every operand.
type trial struct {
	*series
	label string
	rng   *rand.Rand
	// The operands have these layouts, in turn, beginning with number first. So no two of them agree in their strides.
	layouts []layout
	first   int
	// misalign is how many bytes after an aligned address frozen weights begin.
	misalign int
	operands []*operand
}

// An operand is a tensor on the device with the values it held when the trial began.
type operand struct {
	device.Tensor
	name string
	// host is what the view holds, as the device stores it.
	host matrix
	// whole is the tensor that the operand is a view of, at this layout, and before its values.
	whole  device.Tensor
	layout layout
	before []float64
	// bytes is the memory of a frozen tensor, and frozen a copy of it.
	bytes, frozen []byte
	// checked is set when the trial has looked at the result.
	checked bool
}

// guard is what lies around a result. Around operands that are only read lies NaN, which poisons what it touches.
const guard = 12345.0

func (s *series) trial(format string, args ...any) *trial {
	s.trials++
	tr := &trial{
		series:   s,
		label:    fmt.Sprintf(format, args...),
		rng:      rand.New(rand.NewPCG(uint64(s.trials), 20)),
		layouts:  layouts,
		first:    s.trials,
		misalign: s.trials % 4,
	}
	if s.trials%3 == 0 {
		tr.layouts = bare
	}
	return tr
}

// layout is that of the next operand.
func (tr *trial) layout() layout {
	return tr.layouts[(tr.first+len(tr.operands))%len(tr.layouts)]
}

// random makes a Float operand of normal numbers.
func (tr *trial) random(name string, rows, cols int) *operand {
	return tr.float(name, rows, cols, math.NaN(), func(int, int) float64 { return tr.rng.NormFloat64() })
}

// given makes a Float operand of the values of m, as far as the device's precision holds them.
func (tr *trial) given(name string, m matrix) *operand {
	return tr.float(name, m.rows, m.cols, math.NaN(), m.at)
}

// result makes a Float operand that the operation is to overwrite without reading it: it is full of NaN.
func (tr *trial) result(name string, rows, cols int) *operand {
	return tr.float(name, rows, cols, guard, func(int, int) float64 { return math.NaN() })
}

// target is random if the operation is to add to it, and otherwise a result.
func (tr *trial) target(name string, rows, cols int, add bool) *operand {
	if add {
		return tr.random(name, rows, cols)
	}
	return tr.result(name, rows, cols)
}

// plusIf is m, added to what o held if add is set.
func (o *operand) plusIf(add bool, m matrix) matrix {
	if add {
		return o.host.plus(m)
	}
	return m
}

func (tr *trial) float(name string, rows, cols int, around float64, element func(r, c int) float64) *operand {
	l := tr.layout()
	whole := tr.dev.New(l.above+rows+l.below, l.left+cols+l.right)
	values := build(whole.Rows, whole.Cols, func(r, c int) float64 {
		if !l.inside(r, c, rows, cols) {
			return around
		}
		return element(r-l.above, c-l.left)
	})
	tr.dev.Write(whole, values.values)
	o := tr.add(name, whole, l, rows, cols)
	o.before = make([]float64, whole.Len())
	tr.dev.Read(whole, o.before)
	o.host = o.cut(o.before)
	return o
}

// weight makes an operand of the given dtype: Float, or a frozen one over bytes that may begin at any address.
func (tr *trial) weight(name string, dtype device.DType, rows, cols int) *operand {
	if dtype == device.Float {
		return tr.random(name, rows, cols)
	}
	l := tr.layout()
	wholeRows, wholeCols := l.above+rows+l.below, l.left+cols+l.right
	data := make([]byte, tr.misalign, tr.misalign+wholeRows*wholeCols*dtype.Size())
	values := build(wholeRows, wholeCols, func(r, c int) float64 {
		if !l.inside(r, c, rows, cols) {
			for range dtype.Size() {
				data = append(data, 0xff) // all bits set are a NaN of every dtype
			}
			return math.NaN()
		}
		var v float64
		data, v = appendRandom(data, dtype, tr.rng)
		return v
	})
	data = data[tr.misalign:]
	o := tr.add(name, tr.dev.Bind(dtype, wholeRows, wholeCols, data), l, rows, cols)
	o.bytes, o.frozen = data, bytes.Clone(data)
	o.before = values.values
	o.host = o.cut(o.before)
	return o
}

// appendRandom appends one random element of a frozen dtype to data, and returns its value: all of these are exact in
// float32, of about the size of normal numbers.
func appendRandom(data []byte, dtype device.DType, rng *rand.Rand) ([]byte, float64) {
	switch dtype {
	case device.F32:
		v := float32(rng.NormFloat64())
		return binary.LittleEndian.AppendUint32(data, math.Float32bits(v)), float64(v)
	case device.BF16:
		bits := math.Float32bits(float32(rng.NormFloat64())) >> 16
		return binary.LittleEndian.AppendUint16(data, uint16(bits)), float64(math.Float32frombits(bits << 16))
	case device.F16:
		// ±(1 + fraction/1024)·2^exponent, the exponent stored with a bias of 15.
		sign, exponent, fraction := rng.IntN(2), rng.IntN(6)-4, rng.IntN(1024)
		v := float64(1-2*sign) * (1 + float64(fraction)/1024) * math.Pow(2, float64(exponent))
		return binary.LittleEndian.AppendUint16(data, uint16(sign<<15|(exponent+15)<<10|fraction)), v
	}
	panic(fmt.Sprintf("optest: no frozen dtype: %s", dtype))
}

// index makes an Index operand.
func (tr *trial) index(values []int32) device.Tensor {
	l := tr.layout()
	whole := tr.dev.NewIndex(l.above + len(values) + l.below)
	all := make([]int32, whole.Rows)
	for i := range all {
		// Around the operand lie rows that no tensor has.
		all[i] = -1
	}
	copy(all[l.above:], values)
	tr.dev.WriteIndex(whole, all)
	return whole.Slice(l.above, l.above+len(values))
}

func (tr *trial) add(name string, whole device.Tensor, l layout, rows, cols int) *operand {
	view := whole.Slice(l.above, l.above+rows).Columns(l.left, l.left+cols)
	o := &operand{Tensor: view, name: name, whole: whole, layout: l}
	tr.operands = append(tr.operands, o)
	return o
}

// cut is the part of the whole that the operand is a view of.
func (o *operand) cut(whole []float64) matrix {
	return build(o.Rows, o.Cols, func(r, c int) float64 { return whole[o.Offset-o.whole.Offset+r*o.Stride+c] })
}

// equal checks that o now holds want, and that nothing around it has changed.
func (tr *trial) equal(o *operand, want matrix) {
	tr.Helper()
	tr.near(o, want, 0)
}

// near is equal for results that are differences of numbers as large as floor; see compare.
func (tr *trial) near(o *operand, want matrix, floor float64) {
	tr.Helper()
	o.checked = true
	after := make([]float64, o.whole.Len())
	tr.dev.Read(o.whole, after)
	if want.rows != o.Rows || want.cols != o.Cols {
		tr.Fatalf("%s: %s is %s, and [%d, %d] is expected", tr.label, o.name, o.Tensor, want.rows, want.cols)
	}
	if err := compare(o.cut(after), want, tr.tolerance, floor); err != nil {
		tr.Errorf("%s: %s: %v", tr.label, o.name, err)
	}
	for i := range after {
		r, c := i/o.whole.Cols, i%o.whole.Cols
		if !o.layout.inside(r, c, o.Rows, o.Cols) && !sameNumber(after[i], o.before[i]) {
			tr.Fatalf("%s: %s was written outside its view: [%d, %d] was %v and is %v",
				tr.label, o.name, r-o.layout.above, c-o.layout.left, o.before[i], after[i])
		}
	}
}

// done checks that all operands that were not results are unchanged.
func (tr *trial) done() {
	tr.Helper()
	for _, o := range tr.operands {
		if o.checked {
			continue
		}
		if o.whole.DType != device.Float {
			if !bytes.Equal(o.bytes, o.frozen) {
				tr.Errorf("%s: the bytes of %s have changed", tr.label, o.name)
			}
			continue
		}
		after := make([]float64, o.whole.Len())
		tr.dev.Read(o.whole, after)
		for i := range after {
			if !sameNumber(after[i], o.before[i]) {
				tr.Errorf("%s: %s is only read, but element %d changed from %v to %v", tr.label, o.name, i, o.before[i], after[i])
				break
			}
		}
	}
}
