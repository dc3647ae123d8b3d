package cpu

import (
	"fmt"
	"math"
	"unsafe"

	"smt/device"
)

// A bfloat16 is the upper half of a float32: its sign, its 8 bits of exponent, and 7 of its 23 bits of fraction.

// roundToBrain rounds to bfloat16 as AVX512_BF16 does: ties to even; subnormal numbers become zero and NaNs quiet ones.
func roundToBrain(x float32) uint16 {
	bits := math.Float32bits(x)
	switch magnitude := bits &^ (1 << 31); {
	case magnitude > 0x7f800000:
		return uint16(bits>>16) | 1<<6
	case magnitude < 1<<23:
		return uint16(bits>>16) & (1 << 15)
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// roundInPlace rounds floats to values that bfloat16 has.
func roundInPlace(x []float32) {
	for i, v := range x {
		x[i] = math.Float32frombits(uint32(roundToBrain(v)) << 16)
	}
}

// NewBF16 makes a zeroed tensor that Narrow writes, aligned to 64 bytes.
func (d *Device) NewBF16(rows, cols int) device.Tensor {
	if rows < 0 || cols < 0 || (cols > 0 && rows > math.MaxInt/8/cols) {
		panic(fmt.Sprintf("cpu: NewBF16: [%d, %d] is no shape", rows, cols))
	}
	b := &buffer{frozen: asBytes(aligned((rows*cols + 1) / 2))[:2*rows*cols], narrow: true}
	d.account(b, 2*rows*cols)
	return device.Tensor{Buffer: b, DType: device.BF16, Rows: rows, Cols: cols, Stride: cols}
}

// A narrowing is Narrow on its way; dst has no floats.
type narrowing struct {
	dst, src view
	bytes    []byte
}

// Narrow sets dst to src rounded to bfloat16.
func (d *Device) Narrow(dst, src device.Tensor) {
	b := bufferOf("Narrow", dst)
	if dst.DType != device.BF16 || !b.narrow {
		panic(fmt.Sprintf("cpu: Narrow: %v is no tensor of NewBF16", dst))
	}
	from, to := extentOf(dst)
	eachRow(d, &d.ops.narrowing, narrowing{src: openAs("Narrow", src, dst.Rows, dst.Cols), bytes: b.frozen[2*from : 2*to],
		dst: view{rows: dst.Rows, cols: dst.Cols, stride: dst.Stride}}, dst.Rows, dst.Cols)
}

func (n *narrowing) row(w *worker, r int) {
	if n.dst.cols > 0 {
		row := (*uint16)(unsafe.Pointer(&n.bytes[2*r*n.dst.stride]))
		w.kernels.roundInto(unsafe.Slice(row, n.dst.cols), n.src.row(r))
	}
}

// roundInto rounds x to dst.
func (k *kernels) roundInto(dst []uint16, x []float32) {
	done := 0
	if k.round != nil {
		if done = len(x) / roundStep * roundStep; done > 0 {
			k.round(&dst[0], x[:done])
		}
	}
	for i := done; i < len(x); i++ {
		dst[i] = roundToBrain(x[i])
	}
}
