package reference

import (
	"encoding/binary"
	"math"

	"smt/device"
)

// roundedBuffer marks the handle of a weight whose products are rounded.
type roundedBuffer struct{ of device.Tensor }

// Rounded is a handle to a weight whose products are computed from operands rounded to bfloat16, with sums in float64.
func (*Device) Rounded(w device.Tensor) device.Tensor {
	anyFloats("Rounded", "w", w)
	handle := w
	handle.Buffer, handle.DType = &roundedBuffer{w}, device.Brain
	return handle
}

// unrounded is the weight behind a handle.
func unrounded(t device.Tensor) (w device.Tensor, isHandle bool) {
	b, ok := t.Buffer.(*roundedBuffer)
	if ok {
		t.Buffer, t.DType = b.of.Buffer, b.of.DType
	}
	return t, ok
}

// rounded is a copy of m, rounded to bfloat16.
func (m matrix) rounded() matrix {
	r := newMatrix(m.rows, m.cols)
	for i := range m.rows {
		for j, v := range m.row(i) {
			r.values[i*r.stride+j] = toBF16(v)
		}
	}
	return r
}

// NewBF16 makes a zeroed tensor that Narrow writes.
func (d *Device) NewBF16(rows, cols int) device.Tensor {
	checkSize("NewBF16", rows, cols)
	return d.Bind(device.BF16, rows, cols, make([]byte, 2*rows*cols))
}

// Narrow sets dst to src rounded to bfloat16.
func (*Device) Narrow(dst, src device.Tensor) {
	buffer, ok := dst.Buffer.(*frozenBuffer)
	check(ok && dst.DType == device.BF16 && dst.Rows == src.Rows && dst.Cols == src.Cols, "Narrow",
		"dst %s and src %s: want a tensor of NewBF16 and floats of its shape", describe(dst), describe(src))
	m := floats("Narrow", "src", src)
	for r := range m.rows {
		for c, v := range m.row(r) {
			at := 2 * (dst.Offset + r*dst.Stride + c)
			binary.LittleEndian.PutUint16(buffer.bytes[at:], uint16(math.Float32bits(float32(toBF16(v)))>>16))
		}
	}
}

// toBF16 rounds to the nearest number of 8 bits of significand, ties to even; those below the normal range of float32
// become zero, and those above it infinite.
func toBF16(v float64) float64 {
	const smallest = 0x1p-126
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	if math.Abs(v) < smallest {
		return math.Copysign(0, v)
	}
	fraction, exponent := math.Frexp(v) // |fraction| in [0.5, 1)
	v = math.Ldexp(math.RoundToEven(fraction*(1<<8)), exponent-8)
	if math.Abs(v) > math.MaxFloat32 {
		return math.Inf(int(math.Copysign(1, v)))
	}
	return v
}
