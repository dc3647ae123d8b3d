package cpu

import "math"

// exp32 is e^x in float32 to about one unit in the last place, by the method that the vector kernels share: x = n·ln 2 + r
// with |r| <= ln(2)/2, a polynomial of degree 7 for e^r (the coefficients of Cephes' expf), and 2^n put in the exponent.
// Results below the smallest normal number are 0, above the largest +Inf; NaN stays NaN.
func exp32(x float32) float32 {
	switch {
	case x != x:
		return x
	case x < expLow:
		return 0
	case x > expHigh:
		return float32(math.Inf(1))
	}
	n := float32(math.RoundToEven(float64(x * log2E)))
	r := x - n*ln2High
	r -= n * ln2Low
	p := float32(1.9875691500e-4)
	p = p*r + 1.3981999507e-3
	p = p*r + 8.3334519073e-3
	p = p*r + 4.1665795894e-2
	p = p*r + 1.6666665459e-1
	p = p*r + 5.0000001201e-1
	p = p*(r*r) + r
	p++
	// Two factors, since 2^n itself may be no normal number.
	h := int32(n) >> 1
	return p * pow2(h) * pow2(int32(n)-h)
}

const (
	expLow  = -87.33654 // ln 2^-126
	expHigh = 89
	log2E   = 1.44269504088896341
	// ln 2 in two parts; n·ln2High is exact for all n that occur.
	ln2High = 0.693359375
	ln2Low  = -2.12194440e-4
)

// pow2 is 2^n for -126 <= n <= 127.
func pow2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }
