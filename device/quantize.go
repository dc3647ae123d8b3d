package device

// A Quantizer is a device that can multiply frozen weights in 8-bit integers.
type Quantizer interface {
	Device

	// Quantize makes an 8-bit copy of a weight w [out, in] of any float dtype, of type [Int8], with one scale for each
	// output row: Wq[o, i] = round(w[o, i]·f_i/s_o), ties to even, and s_o = max_i |w[o, i]·f_i| / limit. limit is 127, or
	// 63 on machines whose products of bytes would overflow otherwise. The copy serves both directions, as the operand b of
	// MatMul with a Float a; no other operation takes it.
	//
	// magnitudes, if not nil, are the typical sizes m_i > 0 of the columns of a, and f_i = sqrt(m_i / max_o |w_oi|) shares
	// the difficulty of large columns between a and w (SmoothQuant; Xiao et al., 2023). Without them f is 1.
	//
	// Forward, c [T, out] from a [T, in] with transB: a[t, :]/f is quantised to q_ti = round(a_ti/(f_i·σ_t)), with σ_t = max
	// |a_ti/f_i| / 127, over the columns i that are not listed in outliers (ascending), and those that are stay float32:
	//
	//	c_to = s_o·σ_t·Σ_{i not in outliers} q_ti·Wq_oi + Σ_{i in outliers} a_ti·w_oi
	//
	// Outliers have no say in the scales of the rows: their f_i makes them as large as the median of the other columns.
	//
	// Backward, c [T, in] from a [T, out] without transB: the scales of the rows of w go into a first, q_to =
	// round(a_to·s_o/σ_t) with σ_t = max_o |a_to·s_o| / 127, and
	//
	//	c_ti = σ_t/f_i·Σ_o q_to·Wq_oi    for all i, outliers among them
	//
	// A row of a that holds a NaN or an infinity gives a row of NaN.
	Quantize(w Tensor, outliers []int32, magnitudes []float32) Tensor
}
