package cpu

import (
	"fmt"
	"unsafe"

	"smt/device"
)

// A view is a Float tensor opened for computing: element (r, c) is data[r*stride+c], and data ends with the last element.
type view struct {
	data               []float32
	rows, cols, stride int
}

// open checks that t is a Float tensor of this device and opens it; op names the operation in the panic otherwise.
func open(op string, t device.Tensor) view {
	b := bufferOf(op, t)
	if t.DType != device.Float {
		panic(fmt.Sprintf("cpu: %s: got %v, want a float tensor", op, t))
	}
	from, to := extentOf(t)
	return view{data: b.floats[from:to:to], rows: t.Rows, cols: t.Cols, stride: t.Stride}
}

// openAs is open for an operand that must be [rows, cols].
func openAs(op string, t device.Tensor, rows, cols int) view {
	shape(op, t, rows, cols)
	return open(op, t)
}

// row is row r; the last row of a flattened view may be shorter than the others.
func (v view) row(r int) []float32 {
	o := r * v.stride
	return v.data[o:min(o+v.cols, len(v.data))]
}

// contiguous reports whether rows follow each other without a gap.
func (v view) contiguous() bool { return v.stride == v.cols || v.rows <= 1 }

// stripe is how many elements a row of a flattened view has: enough to make a call worth while, few enough to stay in the
// first level of cache.
const stripe = 2048

// flatten cuts views of the same shape into rows of stripe elements, whatever their rows were, if all are contiguous: an
// operation on single elements then runs at the same speed for narrow and for wide tensors.
func flatten(views ...*view) {
	for _, v := range views {
		if !v.contiguous() {
			return
		}
	}
	for _, v := range views {
		v.rows, v.cols, v.stride = (len(v.data)+stripe-1)/stripe, stripe, stripe
	}
}

// A source is a tensor of any dtype but Index, opened for reading.
type source struct {
	view          // set for Float
	bytes  []byte // set for frozen dtypes
	dtype  device.DType
	stored int // bytes of an element
}

func openSource(op string, t device.Tensor) source {
	if t.DType == device.Float {
		v := open(op, t)
		return source{view: v, dtype: device.Float, stored: 4}
	}
	b := bufferOf(op, t)
	if t.DType == device.Index || t.DType == device.Int8 || t.DType == device.Brain {
		panic(fmt.Sprintf("cpu: %s: got %v, want a float tensor", op, t))
	}
	size := t.DType.Size()
	from, to := extentOf(t)
	return source{
		view:   view{rows: t.Rows, cols: t.Cols, stride: t.Stride},
		bytes:  b.frozen[from*size : to*size],
		dtype:  t.DType,
		stored: size,
	}
}

// row is row r as floats; a frozen row is widened into the worker's scratch memory, where it stays until the next.
func (s *source) row(w *worker, r int) []float32 {
	if s.dtype == device.Float {
		return s.view.row(r)
	}
	dst := w.widened.take(s.cols)
	s.widen(w.kernels, dst, r, 0)
	return dst
}

// widen copies len(dst) elements of row r from column c on to dst.
func (s *source) widen(k *kernels, dst []float32, r, c int) {
	o := r*s.stride + c
	if s.dtype == device.Float {
		copy(dst, s.data[o:])
		return
	}
	k.widenInto(dst, s.bytes[o*s.stored:], s.dtype)
}

// operand opens the source for the packing kernels.
func (s *source) operand(transposed bool) operand {
	b := s.bytes
	if s.dtype == device.Float {
		b = asBytes(s.data)
	}
	return operand{bytes: b, dtype: s.dtype, size: s.stored, stride: s.stride, transposed: transposed}
}

// operandOf is the operand of a view.
func (v view) operand(transposed bool) operand {
	return operand{bytes: asBytes(v.data), dtype: device.Float, size: 4, stride: v.stride, transposed: transposed}
}

// indices opens an Index tensor.
func indices(op string, t device.Tensor) []int32 {
	b := bufferOf(op, t)
	if t.DType != device.Index || t.Cols != 1 || t.Stride != 1 {
		panic(fmt.Sprintf("cpu: %s: got %v, want an index tensor of one column", op, t))
	}
	return b.ints[t.Offset : t.Offset+t.Rows]
}

// bufferOf is the buffer of a tensor of this device.
func bufferOf(op string, t device.Tensor) *buffer {
	b, ok := t.Buffer.(*buffer)
	if !ok {
		panic(fmt.Sprintf("cpu: %s: the buffer is a %T, of no tensor of this device", op, t.Buffer))
	}
	return b
}

// extentOf gives the first element of t in its buffer and one past the last; an empty tensor lies nowhere.
func extentOf(t device.Tensor) (from, to int) {
	if t.Len() == 0 {
		return 0, 0
	}
	return t.Offset, t.Offset + (t.Rows-1)*t.Stride + t.Cols
}

// shape panics unless t is [rows, cols].
func shape(op string, t device.Tensor, rows, cols int) {
	if t.Rows != rows || t.Cols != cols {
		panic(fmt.Sprintf("cpu: %s: got %v, want [%d, %d]", op, t, rows, cols))
	}
}

// cast is the memory of f as elements of another type.
func cast[T byte | int8 | uint16 | int32](f []float32) []T {
	if len(f) == 0 {
		return nil
	}
	var element T
	return unsafe.Slice((*T)(unsafe.Pointer(&f[0])), 4*len(f)/int(unsafe.Sizeof(element)))
}

func asBytes(f []float32) []byte    { return cast[byte](f) }
func asInt8(f []float32) []int8     { return cast[int8](f) }
func asUint16(f []float32) []uint16 { return cast[uint16](f) }
func asInt32(f []float32) []int32   { return cast[int32](f) }
