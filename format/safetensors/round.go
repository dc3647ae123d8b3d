package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"

	"smt/internal/finite"
)

// BF16FromFloat32 rounds x to the nearest BF16, ties to the one with an even last bit. What is beyond the largest finite
// BF16 by half a step or more becomes an infinity; a NaN stays one.
func BF16FromFloat32(x float32) uint16 {
	bits := math.Float32bits(x)
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40 // the fraction's upper bits may be zero, so one is set to keep it a NaN
	}
	// Adding just under half a step, plus the last bit that stays, carries exactly when nearest-even rounds up.
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// BF16ToFloat32 is exact.
func BF16ToFloat32(bits uint16) float32 { return math.Float32frombits(uint32(bits) << 16) }

// F16FromFloat32 rounds x to the nearest F16, ties to the one with an even last bit, subnormal numbers included. What is
// 65520 or more becomes an infinity; a NaN stays one.
func F16FromFloat32(x float32) uint16 {
	bits := math.Float32bits(x)
	sign := uint16(bits >> 16 & 0x8000)
	magnitude := bits & 0x7fffffff
	switch {
	case magnitude > 0x7f800000: // NaN
		return sign | 0x7e00 | uint16(magnitude>>13&0x3ff)
	case magnitude >= 0x477ff000: // 65520, halfway between the largest F16, 65504, and what would be the next
		return sign | 0x7c00
	case magnitude >= 0x38800000: // 2^-14, the smallest normal F16
		// As for BF16, 13 bits are cut; then the exponent's bias goes from 127 to 15.
		return sign | uint16((magnitude+0xfff+magnitude>>13&1)>>13-(127-15)<<10)
	}
	// A subnormal F16 is a multiple of 2^-24. In [0.5, 1) the steps of float32 are 2^-24, so adding 0.5 rounds to such a
	// multiple, nearest-even, and leaves it in the low bits.
	shifted := math.Float32frombits(magnitude) + 0.5
	return sign | uint16(math.Float32bits(shifted)-math.Float32bits(0.5))
}

// F16ToFloat32 is exact.
func F16ToFloat32(bits uint16) float32 {
	sign := uint32(bits&0x8000) << 16
	exponent, fraction := uint32(bits>>10&0x1f), uint32(bits&0x3ff)
	switch exponent {
	case 0: // zero and the subnormal multiples of 2^-24
		return math.Float32frombits(math.Float32bits(float32(fraction)*0x1p-24) | sign)
	case 0x1f: // infinities and NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// Widen sets dst to the elements of src, of dtype F32, F16 or BF16, which is exact. src holds len(dst) elements.
func Widen(dst []float32, dtype DType, src []byte) error {
	if err := checkLength(len(dst), dtype, src); err != nil {
		return err
	}
	switch dtype {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = F16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = BF16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	}
	return nil
}

// Round sets dst to the values of src as dtype F32, F16 or BF16, each rounded once to nearest-even. dst has room for
// len(src) elements. A value that is not finite, or not any more after rounding, is an error that names its index.
func Round(dst []byte, dtype DType, src []float32) error {
	if err := checkLength(len(src), dtype, dst); err != nil {
		return err
	}
	bad := -1
	switch dtype {
	case F32:
		for i, x := range src {
			if x-x != 0 && bad < 0 { // Inf-Inf and NaN-NaN are NaN
				bad = i
			}
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
		}
	case F16:
		for i, x := range src {
			bits := F16FromFloat32(x)
			if bits&0x7c00 == 0x7c00 && bad < 0 {
				bad = i
			}
			binary.LittleEndian.PutUint16(dst[2*i:], bits)
		}
	case BF16:
		for i, x := range src {
			bits := BF16FromFloat32(x)
			if bits&0x7f80 == 0x7f80 && bad < 0 {
				bad = i
			}
			binary.LittleEndian.PutUint16(dst[2*i:], bits)
		}
	}
	if bad >= 0 {
		return fmt.Errorf("safetensors: value %d is %g, which is %w in %s", bad, src[bad], finite.ErrNot, dtype)
	}
	return nil
}

// checkLength compares n elements of a float type of at most 32 bits with the bytes that hold them.
func checkLength(n int, dtype DType, data []byte) error {
	switch dtype {
	case F32, F16, BF16:
	default:
		return fmt.Errorf("safetensors: dtype is %s, expected F32, F16 or BF16", dtype)
	}
	if len(data) != n*dtype.Size() {
		return fmt.Errorf("safetensors: %d elements of %s take %d bytes, got %d", n, dtype, n*dtype.Size(), len(data))
	}
	return nil
}
