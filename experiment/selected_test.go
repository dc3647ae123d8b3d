package experiment

import (
	"testing"

	"smt/device"
	"smt/sparse"
)

// TestElements cuts blocks at the edge of a matrix into squares: what lies beyond the matrix is shared with nothing.
func TestElements(t *testing.T) {
	selection := func(size int, blocks ...device.Block) *sparse.Selection {
		m := sparse.MatrixSelection{Matrix: sparse.Matrix{Name: "q", Out: 48, In: 80}}
		for _, b := range blocks {
			m.Blocks = append(m.Blocks, sparse.ScoredBlock{Block: b})
		}
		return &sparse.Selection{BlockSize: size, Matrices: []sparse.MatrixSelection{m}}
	}
	large := selection(64, device.Block{Row: 0, Col: 1}) // 48 rows of 64, 16 columns of 64
	if n := len(elements(large, 16)); n != 3 {
		t.Errorf("%d squares of 16, expected the 3 of rows 0 to 47 and columns 64 to 79", n)
	}
	small := selection(16, device.Block{Row: 0, Col: 4}, device.Block{Row: 1, Col: 4}, device.Block{Row: 2, Col: 4})
	near(t, "overlap of the same elements", Jaccard(elements(large, 16), elements(small, 16)), 1)
}
