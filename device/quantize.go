package device

// A Quantizer is a device that can multiply frozen weights in 8-bit integers.
type Quantizer interface {
	Device

	// Quantize makes an 8-bit copy of a weight w [out, in] of any float dtype, of type [Int8], with one scale for each
	// output row: Wq[o, i] = round(w[o, i]/s_o), ties to even, and s_o = max_i |w[o, i]| / limit. limit is 127, or 63 on
	// machines whose products of bytes would overflow otherwise. The copy serves both directions, as the operand b of
	// MatMul with a Float a; no other operation takes it.
	//
	// Forward, c [T, out] from a [T, in] with transB: a[t, :] is quantised to q_ti = round(a_ti/σ_t), σ_t = max |a_ti| / 127,
	// over the columns i that are not listed in outliers (ascending), and those that are stay float32:
	//
	//	c_to = s_o·σ_t·Σ_{i not in outliers} q_ti·Wq_oi + Σ_{i in outliers} a_ti·w_oi
	//
	// Backward, c [T, in] from a [T, out] without transB: the scales of the rows of w go into a first, q_to =
	// round(a_to·s_o/σ_t) with σ_t = max_o |a_to·s_o| / 127, and
	//
	//	c_ti = σ_t·Σ_o q_to·Wq_oi    for all i, outliers among them
	//
	// A row of a that holds a NaN or an infinity gives a row of NaN.
	Quantize(w Tensor, outliers []int32) Tensor
}
