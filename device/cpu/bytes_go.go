package cpu

import (
	"math"
	"unsafe"
)

// portableBytes multiplies bytes on every machine.
var portableBytes = byteKernels{height: 2, lanes: 4, columns: 1, limit: 127, bias: 128, tile: [3]byteTile{byteTileGo}, peak: peakGo,
	quantize: quantizeGo}

func byteTileGo(groups int, a *int8, lda int, b *uint8, c *float32, ldc int, add bool,
	corrections *int32, sx, sw *float32, n int, xs, ws *float32) {
	as, bs := unsafe.Slice(a, lda+4*groups), unsafe.Slice(b, 16*groups)
	var sums [2][4]int32
	for g := range groups {
		group := bs[16*g:][:16]
		for i := range sums {
			x := as[i*lda+4*g:][:4]
			x0, x1, x2, x3 := int32(x[0]), int32(x[1]), int32(x[2]), int32(x[3])
			for j := range sums[i] {
				sums[i][j] += x0*int32(group[4*j]) + x1*int32(group[4*j+1]) + x2*int32(group[4*j+2]) + x3*int32(group[4*j+3])
			}
		}
	}
	correction, rows, lanes := unsafe.Slice(corrections, 2), unsafe.Slice(sx, 2), unsafe.Slice(sw, 4)
	floats, weights := unsafe.Slice(xs, 2*n), unsafe.Slice(ws, 4*n)
	for i := range sums {
		dst := unsafe.Slice(c, ldc+4)[i*ldc:][:4]
		for j, s := range sums[i] {
			f := float32(s+correction[i]) * rows[i] * lanes[j]
			for x := range n {
				f += floats[2*x+i] * weights[4*x+j]
			}
			if add {
				f += dst[j]
			}
			dst[j] = f
		}
	}
}

func peakGo(x, s []float32) float32 {
	var top uint32
	for i := range x {
		top = max(top, math.Float32bits(x[i]*s[i])&^(1<<31))
	}
	return math.Float32frombits(top)
}

func quantizeGo(x, s []float32, inverse float32, q *int8) (sum int32) {
	dst := unsafe.Slice(q, len(x))
	for i := range x {
		n := int32(math.RoundToEven(float64(x[i] * s[i] * inverse)))
		dst[i] = int8(n)
		sum += n
	}
	return sum
}
