package device

// A Rounder is a device that can multiply frozen weights, and keep numbers, in bfloat16. r(x) rounds to bfloat16, ties to
// even, and takes subnormal numbers for zero.
type Rounder interface {
	Device

	// Rounded is a handle of type [Brain] to the same elements as w [out, in], a tensor of any float dtype. As the operand b
	// of MatMul with a Float a that is not transposed, it asks for a product of rounded operands:
	//
	//	c_ij = Σ_k r(a_ik)·r(op(w)_kj)
	//
	// with sums in float32 or better. Nothing is copied; no other operation takes the handle.
	Rounded(w Tensor) Tensor
	// NewBF16 makes a zeroed tensor of dtype BF16, which Narrow can write. All other operations read it as they read a frozen
	// weight.
	NewBF16(rows, cols int) Tensor
	// Narrow sets dst, a tensor of NewBF16, to r(src), for a Float src of the same shape.
	Narrow(dst, src Tensor)
}
