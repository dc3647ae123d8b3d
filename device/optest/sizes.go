package optest

import "smt/device"

// ragged are sizes around the widths of SIMD registers and of the tiles made of them.
var ragged = []int{1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 63, 65}

// anyDType are the dtypes of an operand that may be frozen.
var anyDType = []device.DType{device.Float, device.F32, device.F16, device.BF16}

// shapes are matrices of ragged sizes: each size as rows and as columns, with partners that differ, a few large ones,
// and one of no rows, as when no position of a batch is supervised.
func shapes() [][2]int {
	var all [][2]int
	for i, rows := range ragged {
		all = append(all, [2]int{rows, ragged[(5*i+3)%len(ragged)]}, [2]int{rows, ragged[(7*i+11)%len(ragged)]})
	}
	return append(all, [2]int{0, 9}, [2]int{1, 300}, [2]int{257, 1}, [2]int{211, 263})
}
