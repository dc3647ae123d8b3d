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

// The limits of block sizes: below MinBlock the products are too small to be worth a call, and PaperBlock is the paper's.
const (
	MinBlock   = 16
	PaperBlock = 256
	// blocksAcross is how many blocks lie side by side across a model: twice as many as the paper's in its smallest, of width
	// 4096. Smaller blocks reach more rows and columns of a matrix, and learn more (docs/results.md).
	blocksAcross = 32
)

// ChooseBlockSize is the block size that is asked for or, if that is 0, the one that fits a model of the given width (hidden_size):
// of the multiples of 16 up to 256 and up to 1/32 of the width, the largest that divides all sides of the matrices, else the
// largest, with ragged edges; never less than 16. reason says why a size that was not asked for is not 256, or is empty.
func ChooseBlockSize(asked int, matrices []Matrix, width int) (size int, reason string) {
	if asked > 0 {
		return asked, ""
	}
	common := 0
	for _, m := range matrices {
		common = gcd(gcd(common, m.Out), m.In)
	}
	most := max(MinBlock, min(PaperBlock, width/blocksAcross/MinBlock*MinBlock))
	for b := most; b >= MinBlock; b -= MinBlock {
		if common%b != 0 {
			continue
		}
		switch {
		case b == PaperBlock:
			return b, ""
		case width < blocksAcross*MinBlock:
			return b, fmt.Sprintf("block_size %d: the smallest, for a width of %d", b, width)
		}
		return b, fmt.Sprintf("block_size %d: the largest multiple of %d that divides the target matrices and lies %d times or more across the width of %d", b, MinBlock, blocksAcross, width)
	}
	return most, fmt.Sprintf("block_size %d with ragged edges: no multiple of %d up to it divides the target matrices", most, MinBlock)
}

// gcd is the greatest common divisor; gcd(0, b) is b.
func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
