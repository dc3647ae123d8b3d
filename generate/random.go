package generate

import "math/bits"

// uniform returns the number of [0, 1) that belongs to a seed, a prompt's place in its batch, and a token's place in its
// sequence. There is no state, so what is drawn does not depend on the order in which sequences are computed.
func uniform(seed, prompt, token uint64) float64 {
	x, _ := philox(seed, prompt, token)
	return float64(x>>11) / (1 << 53)
}

// philox is the counter-based generator Philox 2×64 with ten rounds (Salmon et al., Parallel random numbers: as easy as
// 1, 2, 3; 2011).
func philox(key, c0, c1 uint64) (uint64, uint64) {
	const multiplier, weyl = 0xD2B74407B1CE6E93, 0x9E3779B97F4A7C15
	for range 10 {
		high, low := bits.Mul64(multiplier, c0)
		c0, c1 = high^key^c1, low
		key += weyl
	}
	return c0, c1
}
