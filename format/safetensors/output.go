package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// chunkElements is how many elements the outputs below convert at a time.
const chunkElements = 16 << 10

// Output is t as it is, for a file that copies it.
func (t Tensor) Output() Output { return OutputBytes(t.Name, t.DType, t.Shape, t.Data) }

// OutputBytes is a tensor of bytes that are already in their form.
func OutputBytes(name string, dtype DType, shape []int, data []byte) Output {
	return Output{Name: name, DType: dtype, Shape: shape, Size: int64(len(data)), WriteTo: func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}}
}

// OutputFloat32 is a tensor of float32 values that are stored as dtype F32, F16 or BF16, rounded once to nearest-even. F32
// keeps every bit; in F16 and BF16 a value that is not finite after rounding is an error when it is written.
func OutputFloat32(name string, dtype DType, shape []int, values []float32) Output {
	size := dtype.Size()
	return Output{Name: name, DType: dtype, Shape: shape, Size: int64(len(values) * size), WriteTo: func(w io.Writer) error {
		return inChunks(w, len(values), size, func(dst []byte, first, last int) error {
			if dtype != F32 {
				return Round(dst, dtype, values[first:last])
			}
			for i, x := range values[first:last] {
				binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
			}
			return nil
		})
	}}
}

// OutputInt32 is a tensor of dtype I32.
func OutputInt32(name string, shape []int, values []int32) Output {
	return Output{Name: name, DType: I32, Shape: shape, Size: int64(len(values) * 4), WriteTo: func(w io.Writer) error {
		return inChunks(w, len(values), 4, func(dst []byte, first, last int) error {
			for i, x := range values[first:last] {
				binary.LittleEndian.PutUint32(dst[4*i:], uint32(x))
			}
			return nil
		})
	}}
}

// inChunks writes n elements of the given size, each chunk of which encode puts into dst.
func inChunks(w io.Writer, n, size int, encode func(dst []byte, first, last int) error) error {
	buffer := make([]byte, min(n, chunkElements)*size)
	for first := 0; first < n; first += chunkElements {
		last := min(first+chunkElements, n)
		dst := buffer[:(last-first)*size]
		if err := encode(dst, first, last); err != nil {
			return fmt.Errorf("elements from %d: %w", first, err)
		}
		if _, err := w.Write(dst); err != nil {
			return err
		}
	}
	return nil
}
