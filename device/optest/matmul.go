package optest

import (
	"math"

	"smt/device"
)

// testMatMul tries every transposition, dtype and add on ragged sizes, a row times a matrix as in decoding, a few
// large products, and empty sizes: no rows, and sums of no terms.
func testMatMul(s *series) {
	type size struct{ m, n, k int }
	var sizes []size
	for i, m := range ragged {
		for j := range 3 {
			sizes = append(sizes, size{m, ragged[(5*i+3+j)%len(ragged)], ragged[(7*i+1+4*j)%len(ragged)]})
		}
	}
	sizes = append(sizes, size{1, 300, 257}, size{1, 211, 1}, size{3, 1, 300}, size{0, 5, 7}, size{5, 7, 0},
		size{200, 257, 67}, size{67, 200, 257}, size{130, 96, 300},
		// Longer in one direction than the pieces a product is cut into to fit the caches.
		size{33, 70, 1037}, size{11, 3001, 5}, size{1103, 7, 9}, size{1, 1501, 521}, size{6, 13, 4099})
	dtypes := [][2]device.DType{
		{device.Float, device.Float}, {device.Float, device.F32}, {device.Float, device.BF16}, {device.F16, device.Float},
		{device.Float, device.F16}, {device.BF16, device.Float}, {device.F32, device.Float}, {device.BF16, device.BF16},
		{device.Float, device.Float},
	}
	count := 0
	for _, z := range sizes {
		for mode := range 4 {
			transA, transB := mode&1 != 0, mode&2 != 0
			kind := dtypes[count%len(dtypes)]
			add := count/len(dtypes)%2 == 1
			count++
			tr := s.trial("M=%d N=%d K=%d a=%s(%t) b=%s(%t) add=%t", z.m, z.n, z.k, kind[0], transA, kind[1], transB, add)
			tr.matMul(z.m, z.n, z.k, kind[0], kind[1], transA, transB, add)
		}
	}
	// Every pair of dtypes with every mode, at one size with edges.
	for _, a := range anyDType {
		for _, b := range anyDType {
			for mode := range 8 {
				tr := s.trial("M=19 N=35 K=21 a=%s b=%s mode=%d", a, b, mode)
				tr.matMul(19, 35, 21, a, b, mode&1 != 0, mode&2 != 0, mode&4 != 0)
			}
		}
	}
}

// testRounded tries the products of [device.Rounder] with every dtype of weight in both directions.
func testRounded(s *series) {
	if _, ok := s.dev.(device.Rounder); !ok {
		return
	}
	for _, z := range [][3]int{{1, 1, 1}, {5, 7, 3}, {19, 35, 21}, {64, 96, 48}, {33, 130, 257}, {300, 17, 64}, {0, 5, 7}} {
		for _, dtype := range anyDType {
			for mode := range 4 {
				tr := s.trial("M=%d N=%d K=%d b=%s mode=%d", z[0], z[1], z[2], dtype, mode)
				tr.rounded(z[0], z[1], z[2], dtype, mode&1 != 0, mode&2 != 0)
			}
		}
	}
}

func (tr *trial) rounded(m, n, k int, dtype device.DType, transB, add bool) {
	tr.Helper()
	rows, cols := k, n
	if transB {
		rows, cols = n, k
	}
	a, b, c := tr.weight("a", device.Float, m, k), tr.weight("b", dtype, rows, cols), tr.target("c", m, n, add)
	tr.dev.MatMul(c.Tensor, a.Tensor, false, tr.dev.(device.Rounder).Rounded(b.Tensor), transB, add)
	right := b.host
	if !transB {
		right = right.transpose()
	}
	tr.equal(c, c.plusIf(add, build(m, n, func(i, j int) float64 {
		x, y, sum := a.host.part(i, 0, k), right.part(j, 0, k), 0.0
		for p := range x {
			sum += toBF16(x[p]) * toBF16(y[p])
		}
		return sum
	})))
	tr.done()
}

// toBF16 rounds a number in the normal range of float32 to 8 bits of significand, ties to even: of the 52 bits of a float64's
// fraction, 45 go.
func toBF16(v float64) float64 {
	bits := math.Float64bits(v)
	return math.Float64frombits((bits + 1<<44 - 1 + bits>>45&1) &^ (1<<45 - 1))
}

func (tr *trial) matMul(m, n, k int, typeA, typeB device.DType, transA, transB, add bool) {
	tr.Helper()
	swapped := func(rows, cols int, swap bool) (int, int) {
		if swap {
			return cols, rows
		}
		return rows, cols
	}
	aRows, aCols := swapped(m, k, transA)
	bRows, bCols := swapped(k, n, transB)
	a, b := tr.weight("a", typeA, aRows, aCols), tr.weight("b", typeB, bRows, bCols)
	c := tr.target("c", m, n, add)
	tr.dev.MatMul(c.Tensor, a.Tensor, transA, b.Tensor, transB, add)
	// Element (i, j) is row i of op(a) times column j of op(b), which is a row of its transpose.
	left, right := a.host, b.host
	if transA {
		left = left.transpose()
	}
	if !transB {
		right = right.transpose()
	}
	tr.equal(c, c.plusIf(add, build(m, n, func(i, j int) float64 { return dot(left.part(i, 0, k), right.part(j, 0, k)) })))
	tr.done()
}
