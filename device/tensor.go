package device

import "fmt"

// DType is how the elements of a tensor are stored.
type DType uint8

const (
	// Float is the device's working precision: float32 on cpu, float64 on reference.
	Float DType = iota
	// F32, F16 and BF16 are the dtypes of frozen weights, little-endian as they lie on disk.
	F32
	F16
	BF16
	// Index holds int32 values: token ids, positions, row numbers.
	Index
	// Int8 is a frozen weight in 8-bit integers with scales: what [Quantizer] makes.
	Int8
	// Brain is a frozen weight whose products are computed in bfloat16: what [Rounder] makes.
	Brain
)

// Size is the bytes of one stored element; 0 for Float, Int8 and Brain, whose form is the device's own.
func (d DType) Size() int {
	switch d {
	case F32, Index:
		return 4
	case F16, BF16:
		return 2
	}
	return 0
}

func (d DType) String() string {
	switch d {
	case Float:
		return "float"
	case F32:
		return "F32"
	case F16:
		return "F16"
	case BF16:
		return "BF16"
	case Index:
		return "index"
	case Int8:
		return "I8"
	case Brain:
		return "brain"
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// A Tensor is a handle to a [Rows, Cols] matrix that lives on a device. It is a small value: views (Slice, Columns,
// Reshape) are made without touching the data or allocating. The zero Tensor means "not there": an optional operand that
// is absent or an optional result that is not wanted.
//
// Buffer belongs to the device that made the tensor; nobody else looks inside. Element (r, c) lies at
// Offset + r*Stride + c, counted in elements.
type Tensor struct {
	Buffer     any
	DType      DType
	Rows, Cols int
	Offset     int
	Stride     int
}

// Valid reports whether t is a tensor at all, rather than the zero value.
func (t Tensor) Valid() bool { return t.Buffer != nil }

// Len is the number of elements.
func (t Tensor) Len() int { return t.Rows * t.Cols }

// Slice is the view of rows r0 to r1, exclusive.
func (t Tensor) Slice(r0, r1 int) Tensor {
	if r0 < 0 || r1 < r0 || r1 > t.Rows {
		panic(fmt.Sprintf("device: rows [%d:%d] of a tensor of %d rows", r0, r1, t.Rows))
	}
	t.Offset += r0 * t.Stride
	t.Rows = r1 - r0
	return t
}

// Columns is the view of columns c0 to c1, exclusive.
func (t Tensor) Columns(c0, c1 int) Tensor {
	if c0 < 0 || c1 < c0 || c1 > t.Cols {
		panic(fmt.Sprintf("device: columns [%d:%d] of a tensor of %d columns", c0, c1, t.Cols))
	}
	t.Offset += c0
	t.Cols = c1 - c0
	return t
}

// Reshape is the view of the same elements as [rows, cols]; t must be contiguous (Stride == Cols).
func (t Tensor) Reshape(rows, cols int) Tensor {
	if t.Stride != t.Cols || rows*cols != t.Len() {
		panic(fmt.Sprintf("device: cannot view [%d, %d] (stride %d) as [%d, %d]", t.Rows, t.Cols, t.Stride, rows, cols))
	}
	t.Rows, t.Cols, t.Stride = rows, cols, cols
	return t
}

func (t Tensor) String() string { return fmt.Sprintf("%s[%d, %d]", t.DType, t.Rows, t.Cols) }
