package cpu

import "math"

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
