// Package device is the seam between the mathematics of a decoder and the machine that computes it.
//
// A [Device] makes tensors and runs a small, fixed set of operations on them: what a Llama-family decoder needs forward
// and backward, what Sparse Matrix Tuning adds (products and gradients of selected blocks, block scores), and AdamW.
// Everything else is composed of these. Two devices exist: device/reference, naive loops in float64, the oracle; and
// device/cpu, float32 with SIMD kernels on all cores. device/optest holds one table of tests that both must pass.
//
// Notation: T tokens (rows), D hidden size, F MLP size, V vocabulary, H query heads, G key/value heads, d head size,
// b block size. x[t, j] is an element; all matrices are row-major. A weight W is [out, in], as Hugging Face stores it.
//
// Operands never overlap unless the doc comment of an operation says that they may. A wrong shape or a tensor of another
// device is a programmer's error and panics; nothing here depends on the contents of a file.
package device

// A Block is one selected sub-matrix of a weight W [out, in] cut into squares of b × b: rows Row*b to Row*b+b and columns
// Col*b to Col*b+b of W. Blocks at the lower and right edge may be smaller (ragged); their values lie in the upper left
// corner of the b × b square that stores them, and the rest stays zero.
type Block struct{ Row, Col int32 }

// A Segment is a run of tokens that attend to each other and to nothing else: rows Q to Q+QLen of the queries and rows K
// to K+KLen of keys and values. Query i of the segment sees keys 0 to i+KLen-QLen: in training QLen == KLen, and with a
// cache of earlier keys QLen is the number of new tokens.
type Segment struct{ Q, QLen, K, KLen int }

// Attention describes the heads of grouped-query attention: query head h reads key/value head h / (Heads/KVHeads).
type Attention struct {
	Heads, KVHeads, HeadDim int
	// Window is how many keys a query sees at most, itself included (sliding window); 0 means all before it.
	Window int
	// Scale multiplies the scores before the softmax, usually 1/sqrt(HeadDim).
	Scale float64
}

// AdamW holds the constants of one step of AdamW (Loshchilov & Hutter, 2019).
type AdamW struct {
	LearningRate, Beta1, Beta2, Epsilon, WeightDecay float64
	// Step counts from 1.
	Step int
	// GradientScale multiplies the gradient first: the clipping factor.
	GradientScale float64
}

// Reduction is how [Device.BlockScores] turns the elements of a block into one number.
type Reduction uint8

const (
	// MeanAbs is the mean of |g| over the block's real elements.
	MeanAbs Reduction = iota
	// SumSquares is the sum of g² over the block.
	SumSquares
)

// A Device computes. Calls take effect in the order they are made. Results are the same bits for the same operands on
// the same machine, whatever GOMAXPROCS.
//
// The methods are the whole interface, and stay at 30 or fewer (see docs/method.md).
type Device interface {
	// Name tells the device and its kernels, such as "cpu (avx512)".
	Name() string

	// New makes a zeroed Float tensor; NewIndex a zeroed Index tensor of one column.
	New(rows, cols int) Tensor
	NewIndex(rows int) Tensor
	// Bind makes a read-only tensor of dtype F32, F16 or BF16 over bytes that stay where they are (a mapped file). The
	// bytes may lie at any address.
	Bind(dtype DType, rows, cols int, data []byte) Tensor
	// Write sets a Float tensor from host values, row by row; Read copies any Float, F32, F16 or BF16 tensor out.
	Write(t Tensor, values []float64)
	WriteIndex(t Tensor, values []int32)
	Read(t Tensor, values []float64)

	// Fill sets every element of t to v.
	Fill(t Tensor, v float64)
	// Combine computes dst = alpha·a + beta·dst, element by element; with beta 0, dst is not read. a may be of any dtype
	// but Index (so Combine(w, frozen, 1, 0) widens a weight), and may be dst itself.
	Combine(dst, a Tensor, alpha, beta float64)
	// MatMul computes c = op(a)·op(b), or c += op(a)·op(b) if add; op transposes where transA, transB say so. c is
	// [M, N], op(a) [M, K], op(b) [K, N]; a and b are Float or a frozen dtype. Sums run over K in float32 or better.
	MatMul(c, a Tensor, transA bool, b Tensor, transB bool, add bool)
	// AddRow adds the vector row [1, C] (any float dtype) to every row of x [T, C].
	AddRow(x, row Tensor)
	// ColumnDot adds Σ_t a[t, j]·b[t, j] to dst[0, j]; with b the zero Tensor, Σ_t a[t, j].
	ColumnDot(dst, a, b Tensor)
	// ScaleColumns computes dst[t, j] = x[t, j]·s[0, j], or adds it; dst may be x.
	ScaleColumns(dst, x, s Tensor, add bool)
	// RowSquares sets dst[r, 0] = Σ_j a[r, j]², a of any float dtype.
	RowSquares(dst, a Tensor)
	// GatherRows sets dst[i, :] = src[rows[i], :], widening src (any float dtype): embedding look-up, and the hidden
	// states of supervised positions.
	GatherRows(dst, src, rows Tensor)
	// ScatterAddRows adds src[i, :] to dst[rows[i], :]; rows may repeat. The order of the sums is that of i.
	ScatterAddRows(dst, src, rows Tensor)

	// RMSNorm computes y[t, :] = x[t, :]·r_t·w with r_t = 1/sqrt(mean_j x[t, j]² + eps), and keeps r in rstd [T, 1] if it
	// is wanted. w is [1, D] of any float dtype. y may be x if x is not needed again. (Zhang & Sennrich, 2019)
	RMSNorm(y, rstd, x, w Tensor, eps float64)
	// RMSNormBackward sets (or, if add, adds to) dx = r·(dy·w) - x·r³/D·Σ_j(dy·w·x)_j, and adds Σ_t dy·x·r to dw [1, D] if
	// it is wanted. dx may be dy if not add.
	RMSNormBackward(dx, dw, dy, x, w, rstd Tensor, add bool)
	// Rope rotates, in place, every head of x [T, heads·d] by the angles of its position: with (c, s) the two halves of
	// table[positions[t], :] (table [P, d] holds d/2 cosines then d/2 sines), the pair (x_i, x_{i+d/2}) becomes
	// (x_i·c_i - x_{i+d/2}·s_i, x_{i+d/2}·c_i + x_i·s_i). inverse turns the other way: the backward pass. (RoFormer; the
	// half-split layout of transformers)
	Rope(x, table, positions Tensor, inverse bool)
	// Attention computes o[t, h·d:] = Σ_s softmax_s(Scale·q_t·k_s)·v_s over the keys that the segments allow, for q, o
	// [Tq, H·d] and k, v [Tk, G·d], and keeps lse[t, h] = log Σ_s exp(Scale·q_t·k_s) in lse [Tq, H] if it is wanted. No
	// T × T scores are stored: tiles with a running softmax (FlashAttention).
	Attention(o, lse, q, k, v Tensor, segments []Segment, a Attention)
	// AttentionBackward sets dq, dk, dv (each only if wanted) from do, the operands and the results of Attention. Rows
	// of no segment are left as they are.
	AttentionBackward(dq, dk, dv, do, o, lse, q, k, v Tensor, segments []Segment, a Attention)
	// SwiGLU computes h = silu(gate)·up, silu(z) = z/(1+exp(-z)). h may be gate or up.
	SwiGLU(h, gate, up Tensor)
	// SwiGLUBackward computes dgate = dh·up·silu'(gate) and dup = dh·silu(gate). dgate may be gate and dup may be up.
	SwiGLUBackward(dgate, dup, dh, gate, up Tensor)
	// CrossEntropy sets loss[i, 0] = log Σ_j exp(logits[i, j]) - logits[i, targets[i]] and, if scale is not 0, overwrites
	// logits with scale·(softmax(logits) - onehot(target)), the gradient of scale·Σ_i loss_i.
	CrossEntropy(loss, logits, targets Tensor, scale float64)

	// BlockProduct adds the selected blocks' part of a linear layer, D_k being rows k·b to k·b+b of d [n·b, b]:
	// forward, y[:, rows of block k] += x[:, columns of block k]·D_kᵀ; and if transposed, backward with y = dX [T, in] and
	// x = dY [T, out]: y[:, columns of block k] += x[:, rows of block k]·D_k.
	BlockProduct(y, x, d Tensor, blocks []Block, b int, transposed bool)
	// BlockGradient adds dY[:, rows of block k]ᵀ·X[:, columns of block k] to block k of g [n·b, b], for all tokens.
	BlockGradient(g, dy, x Tensor, blocks []Block, b int)
	// BlockSums sets dst[t, c] = Σ_{j in column block c} x[t, j], or of x² if squares; dst is [T, ceil(D/b)].
	BlockSums(dst, x Tensor, b int, squares bool)
	// BlockScores sets (or adds to) dst[r, c], [ceil(out/b), ceil(in/b)], by reducing every block of g [out, in].
	BlockScores(dst, g Tensor, b int, how Reduction, add bool)

	// SquaredNorm adds Σ x² to dst[0, 0].
	SquaredNorm(dst, x Tensor)
	// AdamW updates p, m and v in place from the gradient g, s = GradientScale·g:
	// m = β1·m + (1-β1)·s; v = β2·v + (1-β2)·s²; p -= lr·weight_decay·p; p -= lr·m̂/(sqrt(v̂)+eps), with
	// m̂ = m/(1-β1^step) and v̂ = v/(1-β2^step).
	AdamW(p, g, m, v Tensor, a AdamW)
}
