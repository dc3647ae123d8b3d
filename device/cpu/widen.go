package cpu

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unsafe"

	"smt/device"
)

// widen turns len(dst) stored elements into floats. The bytes may lie at any address, and frozen dtypes are little-endian
// whatever the machine is.
func widen(dst []float32, src []byte, dtype device.DType) {
	switch dtype {
	case device.Float:
		if len(dst) > 0 {
			copy(dst, unsafe.Slice((*float32)(unsafe.Pointer(&src[0])), len(dst)))
		}
	case device.F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case device.F16:
		for i := range dst {
			dst[i] = half(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case device.BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	}
}

// half is the value of an IEEE 754 binary16 number: sign, 5 bits of exponent, 10 of fraction.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h&0x8000)<<16, uint32(h>>10&31), uint32(h&0x3ff)
	switch {
	case exponent == 31: // infinity and NaN
		exponent = 255
		if fraction != 0 {
			fraction |= 0x200 // quiet, as the hardware makes it
		}
	case exponent > 0:
		exponent += 127 - 15
	case fraction > 0: // subnormal: shift the leading one out
		shift := uint32(bits.LeadingZeros32(fraction)) - 21
		exponent, fraction = 127-14-shift, fraction<<shift&0x3ff
	}
	return math.Float32frombits(sign | exponent<<23 | fraction<<13)
}
