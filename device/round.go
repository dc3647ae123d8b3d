package device

// A Rounder is a device that can multiply frozen weights in bfloat16.
type Rounder interface {
	Device

	// Rounded is a handle of type [Brain] to the same elements as w [out, in], a tensor of any float dtype. As the operand b
	// of MatMul with a Float a that is not transposed, it asks for a product of rounded operands:
	//
	//	c_ij = Σ_k r(a_ik)·r(op(w)_kj)
	//
	// where r rounds to bfloat16, ties to even, and takes subnormal numbers for zero, and sums are float32 or better. Nothing
	// is copied; no other operation takes the handle.
	Rounded(w Tensor) Tensor
}
