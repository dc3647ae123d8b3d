package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Float64s are the elements of t as float64, row-major. Every dtype is widened exactly, except that I64 is rounded beyond
// 2^53. It is a copy of eight bytes an element, meant for small tensors and tests.
func (t Tensor) Float64s() ([]float64, error) {
	return t.AppendFloat64s(nil, 0, t.Len())
}

// AppendFloat64s appends elements first to last-1 to dst, widened as Float64s does.
func (t Tensor) AppendFloat64s(dst []float64, first, last int) ([]float64, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if first < 0 || last < first || last > t.Len() {
		return nil, fmt.Errorf("safetensors: tensor %q: elements %d to %d of %d", t.Name, first, last, t.Len())
	}
	dst = slices.Grow(dst, last-first)
	for i := first; i < last; i++ {
		dst = append(dst, t.at(i))
	}
	return dst, nil
}

// at is element i.
func (t Tensor) at(i int) float64 {
	data := t.Data[i*t.DType.Size():]
	switch t.DType {
	case F64:
		return math.Float64frombits(binary.LittleEndian.Uint64(data))
	case F32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
	case F16:
		return float64(F16ToFloat32(binary.LittleEndian.Uint16(data)))
	case BF16:
		return float64(BF16ToFloat32(binary.LittleEndian.Uint16(data)))
	case I64:
		return float64(int64(binary.LittleEndian.Uint64(data)))
	case I32:
		return float64(int32(binary.LittleEndian.Uint32(data)))
	case I16:
		return float64(int16(binary.LittleEndian.Uint16(data)))
	case I8:
		return float64(int8(data[0]))
	}
	return float64(data[0]) // U8, BOOL
}

// Float32s are the elements of a tensor of dtype F32, F16 or BF16 as float32, row-major, in a copy.
func (t Tensor) Float32s() ([]float32, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	values := make([]float32, len(t.Data)/t.DType.Size())
	if err := Widen(values, t.DType, t.Data); err != nil {
		return nil, fmt.Errorf("safetensors: tensor %q: dtype is %s, expected F32, F16 or BF16", t.Name, t.DType)
	}
	return values, nil
}

// Int32s are the elements of a tensor of dtype I32, row-major, in a copy.
func (t Tensor) Int32s() ([]int32, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if t.DType != I32 {
		return nil, fmt.Errorf("safetensors: tensor %q: dtype is %s, expected I32", t.Name, t.DType)
	}
	values := make([]int32, len(t.Data)/4)
	for i := range values {
		values[i] = int32(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return values, nil
}

// check is for tensors that were not read from a file, where it holds already.
func (t Tensor) check() error {
	size, ok := byteSize(t.DType, t.Shape)
	if t.DType.Size() == 0 || !ok || size != uint64(len(t.Data)) {
		return fmt.Errorf("safetensors: tensor %q: %s of shape %v does not take %d bytes", t.Name, t.DType, t.Shape, len(t.Data))
	}
	return nil
}
