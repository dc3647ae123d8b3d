package reference

import (
	"fmt"

	"smt/device"
)

// The three kinds of buffer that a tensor of this device may have. They are pointers so that two tensors compare with
// ==.
type (
	floatBuffer  struct{ values []float64 }
	frozenBuffer struct{ bytes []byte }
	indexBuffer  struct{ values []int32 }
)

// New makes a zeroed Float tensor.
func (*Device) New(rows, cols int) device.Tensor {
	checkSize("New", rows, cols)
	return device.Tensor{Buffer: &floatBuffer{make([]float64, rows*cols)}, Rows: rows, Cols: cols, Stride: cols}
}

// NewIndex makes a zeroed Index tensor of one column.
func (*Device) NewIndex(rows int) device.Tensor {
	checkSize("NewIndex", rows, 1)
	return device.Tensor{
		Buffer: &indexBuffer{make([]int32, rows)}, DType: device.Index, Rows: rows, Cols: 1, Stride: 1,
	}
}

// Bind makes a read-only tensor over the little-endian bytes of a frozen weight; the bytes are kept, not copied.
func (*Device) Bind(dtype device.DType, rows, cols int, data []byte) device.Tensor {
	checkSize("Bind", rows, cols)
	if dtype != device.F32 && dtype != device.F16 && dtype != device.BF16 {
		panic(fmt.Sprintf("reference: Bind: dtype %s, want F32, F16 or BF16", dtype))
	}
	if want := rows * cols * dtype.Size(); len(data) != want {
		panic(fmt.Sprintf("reference: Bind: %d bytes for %s[%d, %d], want %d", len(data), dtype, rows, cols, want))
	}
	return device.Tensor{Buffer: &frozenBuffer{data}, DType: dtype, Rows: rows, Cols: cols, Stride: cols}
}

// Write sets a Float tensor from host values, row by row.
func (*Device) Write(t device.Tensor, values []float64) {
	m := floats("Write", "t", t)
	checkCount("Write", t, len(values))
	for r := range m.rows {
		copy(m.row(r), values[r*m.cols:])
	}
}

// WriteIndex sets an Index tensor from host values.
func (*Device) WriteIndex(t device.Tensor, values []int32) {
	checkCount("WriteIndex", t, len(values))
	buffer := indexBufferOf("WriteIndex", "t", t)
	for i, v := range values {
		buffer.values[t.Offset+i*t.Stride] = v
	}
}

// Read copies any Float or frozen tensor out, row by row.
func (*Device) Read(t device.Tensor, values []float64) {
	m := anyFloats("Read", "t", t)
	checkCount("Read", t, len(values))
	for r := range m.rows {
		copy(values[r*m.cols:], m.row(r))
	}
}

// matrix is a tensor opened for an operation: values starts at its first element.
type matrix struct {
	values             []float64
	rows, cols, stride int
}

// newMatrix makes a zeroed matrix in fresh memory.
func newMatrix(rows, cols int) matrix {
	return matrix{values: make([]float64, rows*cols), rows: rows, cols: cols, stride: cols}
}

func (m matrix) row(r int) []float64 {
	start := r * m.stride
	return m.values[start : start+m.cols : start+m.cols]
}

// transpose copies m into its transpose.
func (m matrix) transpose() matrix {
	t := newMatrix(m.cols, m.rows)
	for r := range m.rows {
		for c, v := range m.row(r) {
			t.values[c*t.stride+r] = v
		}
	}
	return t
}

// floats opens a Float tensor; the matrix is the tensor's own memory.
func floats(op, name string, t device.Tensor) matrix {
	buffer, ok := t.Buffer.(*floatBuffer)
	if !ok || t.DType != device.Float {
		panic(fmt.Sprintf("reference: %s: %s is %s, want a float tensor of this device", op, name, describe(t)))
	}
	if t.Len() == 0 {
		// An empty view may begin past the end of its buffer.
		return newMatrix(t.Rows, t.Cols)
	}
	return matrix{values: buffer.values[t.Offset:], rows: t.Rows, cols: t.Cols, stride: t.Stride}
}

// optionalFloats opens a Float tensor that may be absent.
func optionalFloats(op, name string, t device.Tensor) (m matrix, wanted bool) {
	if !t.Valid() {
		return matrix{}, false
	}
	return floats(op, name, t), true
}

// anyFloats opens a tensor of any dtype but Index for reading. A frozen tensor is widened into fresh memory, once, so
// that the loops of an operation see nothing but float64.
func anyFloats(op, name string, t device.Tensor) matrix {
	buffer, ok := t.Buffer.(*frozenBuffer)
	if !ok {
		return floats(op, name, t)
	}
	m := newMatrix(t.Rows, t.Cols)
	for r := range t.Rows {
		widen(m.row(r), t.DType, buffer.bytes, t.Offset+r*t.Stride)
	}
	return m
}

// indices copies out the column of an Index tensor.
func indices(op, name string, t device.Tensor) []int32 {
	buffer := indexBufferOf(op, name, t)
	values := make([]int32, t.Rows)
	for i := range values {
		values[i] = buffer.values[t.Offset+i*t.Stride]
	}
	return values
}

func indexBufferOf(op, name string, t device.Tensor) *indexBuffer {
	buffer, ok := t.Buffer.(*indexBuffer)
	if !ok || t.DType != device.Index || t.Cols != 1 {
		panic(fmt.Sprintf("reference: %s: %s is %s, want a column of indices of this device", op, name, describe(t)))
	}
	return buffer
}
