package cpu

import (
	"smt/device"
)

// dtypes is how many float dtypes a kernel may have to read: Float, F32, F16 and BF16, in the order of [device.DType].
const dtypes = 4

// A kernels table holds the innermost loops for one instruction set. The Go functions of the set "go" (kernels_go.go)
// define what each must do; the others do the same on vectors. All slices of a call have the length of the first, unless
// a comment says otherwise.
type kernels struct {
	name string

	// The register tile of matrix products is height rows by up to columns vectors of lanes floats. tile[v-1] multiplies a
	// packed panel of A (k groups of height floats) with a packed panel of B (k groups of v·lanes floats) and sets c, rows
	// ldc apart, to the product, or adds it.
	height, lanes, columns int
	tile                   [3]func(k int, a, b, c *float32, ldc int, add bool)

	// transpose turns unit() rows of k elements, ld elements apart, into k groups of as many floats that lie stride floats
	// apart; k is a multiple of 8. deal copies k rows of n·w elements, ld elements apart, to n panels of k groups of w
	// floats that lie stride floats apart; w is a multiple of unit(). Both widen. They are nil in the set "go".
	transpose [dtypes]func(k int, src *byte, ld int, dst *float32, stride int)
	deal      [dtypes]func(k, n, w int, src *byte, ld int, dst *float32, stride int)

	// dots sets out[r*4+i] = Σ_k x[r*ldx+k]·w[i*ldw+k] for the rows r of a group (dotRows for dots, one for dot1) and four
	// rows i of w; k is a multiple of lanes. They are nil in the set "go".
	dotRows int
	dots    [dtypes]func(k int, x *float32, ldx int, w *byte, ldw int, out *float32)
	dot1    [dtypes]func(k int, x *float32, ldx int, w *byte, ldw int, out *float32)

	// bytes are the kernels of products with weights in 8-bit integers.
	bytes *byteKernels
	// pairs are those of products in bfloat16; without them, rounded floats are multiplied.
	pairs *pairKernels

	// round rounds x, whose length is a multiple of roundStep, to bfloat16. It is nil in some sets.
	round func(dst *uint16, x []float32)

	// weigh sets dst[c] = Σ_j w[j]·v[j*ld+c].
	weigh func(dst, w []float32, v *float32, ld int)

	scale             func(dst, a []float32, alpha float32)         // dst = alpha·a
	combine           func(dst, a []float32, alpha, beta float32)   // dst = alpha·a + beta·dst
	multiply          func(dst, a, b []float32)                     // dst = a·b
	multiplyAdd       func(dst, a, b []float32, s float32)          // dst += s·a·b
	normalize         func(dst, x, w []float32, r float32)          // dst = r·x·w
	normalizeGradient func(dx, dy, x, w []float32, r, c float32)    // dx = r·dy·w - c·x
	rotate            func(lo, hi, cos, sin []float32, s float32)   // lo, hi = lo·cos - s·hi·sin, hi·cos + s·lo·sin
	swiglu            func(h, gate, up []float32)                   // h = silu(gate)·up
	swigluGradient    func(dgate, dup, dh, gate, up []float32)      // dgate = dh·up·silu'(gate), dup = dh·silu(gate)
	adamw             func(p, g, m, v []float32, c *adamwConstants) // see [device.AdamW]

	sum      func(x []float32) float32                    // Σ x
	sumAbs   func(x []float32) float32                    // Σ |x|
	dot      func(a, b []float32) float32                 // Σ a·b
	dot3     func(a, b, c []float32) float32              // Σ a·b·c
	max      func(x []float32) float32                    // max x; -inf if there is none
	expSum   func(x []float32, shift float32) float32     // Σ exp(x - shift)
	expScale func(dst, x []float32, shift, scale float32) // dst = scale·exp(x - shift)

	// The panels of attention are rows × width floats, a row for each key and a column for each query; width is a multiple
	// of lanes. peakPanel raises top to the largest element of the column. expPanel sets s = exp(s - top) and adds the column
	// to sum. scalePanel multiplies every column by its alpha. gradientPanel sets s = exp(s - lse) and then dp = s·(dp -
	// delta).
	peakPanel     func(rows, width int, s, top *float32)
	expPanel      func(rows, width int, s, top, sum *float32)
	scalePanel    func(rows, width int, s, alpha *float32)
	gradientPanel func(rows, width int, s, dp, lse, delta *float32)
}

// adamwConstants are the factors of one AdamW step, in the order that the kernels expect.
type adamwConstants struct {
	gradient                   float32 // factor of g
	beta1, rest1, beta2, rest2 float32 // β1, 1-β1, β2, 1-β2
	decay                      float32 // lr·weight decay
	rate                       float32 // lr/(1-β1^step)
	correction                 float32 // 1/(1-β2^step)
	epsilon                    float32
}

// width is the floats of a full panel of B.
func (k *kernels) width() int { return k.lanes * k.columns }

// unit is how many rows transpose takes: it divides the height of a panel of A and every width of a panel of B.
func (k *kernels) unit() int { return min(k.height, k.lanes) }

// widenInto widens len(dst) elements.
func (k *kernels) widenInto(dst []float32, src []byte, dtype device.DType) {
	done := 0
	if deal := k.deal[dtype]; deal != nil {
		if done = len(dst) &^ 7; done > 0 {
			deal(1, 1, done, &src[0], 0, &dst[0], 0)
		}
	}
	widen(dst[done:], src[done*max(dtype.Size(), 0):], dtype)
}

// chunk is how many elements are summed in float32; longer sums add up chunks in float64.
const chunk = 4096

// totalSquares is Σ x².
func (k *kernels) totalSquares(x []float32) float64 {
	var s float64
	for ; len(x) > chunk; x = x[chunk:] {
		s += float64(k.dot(x[:chunk], x[:chunk]))
	}
	return s + float64(k.dot(x, x))
}
