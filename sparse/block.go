package sparse

import (
	"fmt"

	"smt/device"
)

// A Matrix is a weight that blocks may be selected from.
type Matrix struct {
	Name    string // "model.layers.0.self_attn.v_proj"
	Layer   int
	Module  string // "v_proj"
	Out, In int
}

// Grid is the number of blocks of size b down and across the matrix; blocks at the lower and right edge may be ragged.
func (m Matrix) Grid(b int) (rows, cols int) { return (m.Out + b - 1) / b, (m.In + b - 1) / b }

// BlockSize returns the rows and columns that block k really has: less than b × b at a ragged edge.
func (m Matrix) BlockSize(k device.Block, b int) (rows, cols int) {
	return min(b, m.Out-int(k.Row)*b), min(b, m.In-int(k.Col)*b)
}

// The limits of block sizes: below MinBlock the products are too small to be worth a call, and DefaultBlock is the paper's.
const (
	MinBlock     = 16
	DefaultBlock = 256
	// minCommon is the least common divisor that is taken in place of DefaultBlock.
	minCommon = 32
)

// ChooseBlockSize is the block size to use when none is asked for: 256 if it divides every matrix, else the largest common
// divisor of all their sides that is at most 256 and at least 32, else 256 with ragged edges. reason says why it is not
// 256, or is empty.
func ChooseBlockSize(matrices []Matrix) (size int, reason string) {
	g := 0
	for _, m := range matrices {
		g = gcd(gcd(g, m.Out), m.In)
	}
	if g%DefaultBlock == 0 {
		return DefaultBlock, ""
	}
	for b := min(g, DefaultBlock); b >= minCommon; b-- {
		if g%b == 0 {
			return b, fmt.Sprintf("block_size %d: %d does not divide the target matrices, %d is the largest common divisor of their sides up to %d",
				b, DefaultBlock, b, DefaultBlock)
		}
	}
	return DefaultBlock, fmt.Sprintf("block_size %d with ragged edges: the target matrices have no common divisor from %d to %d", DefaultBlock, minCommon, DefaultBlock)
}

// gcd is the greatest common divisor; gcd(0, b) is b.
func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
