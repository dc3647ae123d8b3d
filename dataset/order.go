package dataset

import "math/bits"

// counter is a random generator whose n-th number is a pure function of the key and n, so that an order can be
// computed again from the seed and the epoch alone, with no state to save: SplitMix64's output function over a Weyl
// sequence (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
type counter struct {
	key uint64
	n   uint64
}

// golden is 2^64 over the golden ratio, the increment of the sequence.
const golden = 0x9e3779b97f4a7c15

// mix is SplitMix64's finalizer, a bijection that spreads every input bit over all output bits.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// purposeKey keeps the numbers drawn for different purposes independent.
type purposeKey uint64

const (
	keyShuffle purposeKey = iota + 1
	keyPacks
	keySplit
)

// newCounter returns the generator for one purpose in one epoch.
func newCounter(seed uint64, purpose purposeKey, epoch int) counter {
	return counter{key: mix(mix(mix(seed+golden)+uint64(purpose)*golden) + uint64(epoch)*golden)}
}

func (c *counter) next() uint64 {
	c.n++
	return mix(c.key + c.n*golden)
}

// below returns a number in [0, n), every one equally likely (Lemire's multiplication with rejection, 2019).
func (c *counter) below(n int) int {
	bound := uint64(n)
	for threshold := -bound % bound; ; {
		if high, low := bits.Mul64(c.next(), bound); low >= threshold {
			return int(high)
		}
	}
}

// shuffle permutes list in place (Fisher and Yates).
func (c *counter) shuffle(list []int) {
	for i := len(list) - 1; i > 0; i-- {
		j := c.below(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}

// Order returns the order of n examples in an epoch, a permutation of 0 .. n-1 that depends on nothing but its
// arguments.
func Order(n int, seed uint64, epoch int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	c := newCounter(seed, keyShuffle, epoch)
	c.shuffle(order)
	return order
}
