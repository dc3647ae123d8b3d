package reference

import (
	"encoding/binary"
	"fmt"
	"math"

	"smt/device"
)

// widen sets dst from the little-endian elements of a frozen tensor, beginning with element number first. It reads
// byte by byte, so the data may lie at any address.
func widen(dst []float64, dtype device.DType, data []byte, first int) {
	data = data[first*dtype.Size():]
	switch dtype {
	case device.F32:
		for i := range dst {
			dst[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
		}
	case device.F16:
		for i := range dst {
			dst[i] = fromF16(binary.LittleEndian.Uint16(data[2*i:]))
		}
	case device.BF16:
		for i := range dst {
			// BF16 is the upper half of a float32.
			dst[i] = float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(data[2*i:])) << 16))
		}
	default:
		panic(fmt.Sprintf("reference: a frozen tensor of dtype %s", dtype))
	}
}

// fromF16 widens an IEEE 754 half: 1 bit of sign, 5 of exponent (bias 15), 10 of fraction.
func fromF16(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	var v float64
	switch {
	case exponent == 0: // zero and subnormals: no implicit leading one
		v = math.Ldexp(fraction, -24)
	case exponent < 31:
		v = math.Ldexp(1024+fraction, exponent-25)
	case fraction == 0:
		v = math.Inf(1)
	default:
		return math.NaN()
	}
	if bits>>15 == 1 {
		return -v
	}
	return v
}
