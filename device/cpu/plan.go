package cpu

import "smt/device"

// A plan is what a call works out on the host before the workers start: lists that grow to the largest size ever needed
// and are kept.
type plan struct {
	partials []float64

	// For a list of blocks: the distinct rows and columns in the order of their first block, and for each block row and
	// block column of the matrix its place in those lists.
	blockRows, blockColumns []int32
	rowPlace, columnPlace   []int32

	// For attention: see attention.go.
	tiles []queryTile
	spans []span
}

// distinct lists the different numbers of blocks, all below limit, in the order of their first block; place gets the
// position of each number in the list, or -1.
func distinct(list, place []int32, blocks []device.Block, limit int, number func(device.Block) int32) ([]int32, []int32) {
	list, place = list[:0], place[:0]
	for range limit {
		place = append(place, -1)
	}
	for _, b := range blocks {
		if v := number(b); place[v] < 0 {
			place[v] = int32(len(list))
			list = append(list, v)
		}
	}
	return list, place
}
