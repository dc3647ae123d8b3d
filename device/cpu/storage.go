package cpu

import (
	"fmt"
	"math"
	"runtime"
	"unsafe"

	"smt/device"
)

// cacheLine is the alignment of tensors and scratch memory, in bytes: a cache line, and the widest vector.
const cacheLine = 64

// A buffer is what the Buffer field of a tensor of this device holds: exactly one of the five is set.
type buffer struct {
	floats    []float32
	ints      []int32
	frozen    []byte
	quantized *quantized
	rounded   *device.Tensor // the weight that products round
	narrow    bool           // frozen is memory of this device, which Narrow may write
}

// aligned makes n zeroed floats that start at a cache line.
func aligned(n int) []float32 {
	const floats = cacheLine / 4
	s := make([]float32, n+floats-1)
	skip := 0
	for n > 0 && uintptr(unsafe.Pointer(&s[skip]))%cacheLine != 0 {
		skip++
	}
	return s[skip : skip+n : skip+n]
}

// New makes a zeroed Float tensor, aligned to 64 bytes.
func (d *Device) New(rows, cols int) device.Tensor {
	if rows < 0 || cols < 0 || (cols > 0 && rows > math.MaxInt/8/cols) {
		panic(fmt.Sprintf("cpu: New: [%d, %d] is no shape", rows, cols))
	}
	b := &buffer{floats: aligned(rows * cols)}
	d.account(b, rows*cols*4)
	return device.Tensor{Buffer: b, DType: device.Float, Rows: rows, Cols: cols, Stride: cols}
}

// NewIndex makes a zeroed Index tensor of one column.
func (d *Device) NewIndex(rows int) device.Tensor {
	if rows < 0 {
		panic(fmt.Sprintf("cpu: NewIndex: %d rows", rows))
	}
	b := &buffer{ints: make([]int32, rows)}
	d.account(b, rows*4)
	return device.Tensor{Buffer: b, DType: device.Index, Rows: rows, Cols: 1, Stride: 1}
}

// account counts the bytes of b until the garbage collector takes it.
func (d *Device) account(b *buffer, bytes int) {
	live := d.live
	live.Add(int64(bytes))
	runtime.AddCleanup(b, func(bytes int64) { live.Add(-bytes) }, int64(bytes))
}

// Bind makes a read-only tensor over data, which stays where it is and is never copied whole.
func (d *Device) Bind(dtype device.DType, rows, cols int, data []byte) device.Tensor {
	if dtype != device.F32 && dtype != device.F16 && dtype != device.BF16 {
		panic(fmt.Sprintf("cpu: Bind: dtype %v; only F32, F16 and BF16 are frozen", dtype))
	}
	if rows < 0 || cols < 0 || len(data) != rows*cols*dtype.Size() {
		panic(fmt.Sprintf("cpu: Bind: %d bytes for %v[%d, %d]", len(data), dtype, rows, cols))
	}
	return device.Tensor{Buffer: &buffer{frozen: data}, DType: dtype, Rows: rows, Cols: cols, Stride: cols}
}

// Write sets a Float tensor from host values, row by row.
func (d *Device) Write(t device.Tensor, values []float64) {
	v := open("Write", t)
	if len(values) != t.Len() {
		panic(fmt.Sprintf("cpu: Write: %d values for %v", len(values), t))
	}
	for r := range v.rows {
		for c, x := range values[r*v.cols : (r+1)*v.cols] {
			v.row(r)[c] = float32(x)
		}
	}
}

// WriteIndex sets an Index tensor from host values.
func (d *Device) WriteIndex(t device.Tensor, values []int32) {
	if len(values) != t.Rows {
		panic(fmt.Sprintf("cpu: WriteIndex: %d values for %v", len(values), t))
	}
	copy(indices("WriteIndex", t), values)
}

// Read copies a tensor of any dtype but Index out, row by row.
func (d *Device) Read(t device.Tensor, values []float64) {
	s := openSource("Read", t)
	if len(values) != t.Len() {
		panic(fmt.Sprintf("cpu: Read: %d values for %v", len(values), t))
	}
	w := d.pool.workers[0]
	for r := range s.rows {
		for c, x := range s.row(w, r) {
			values[r*s.cols+c] = float64(x)
		}
	}
}
