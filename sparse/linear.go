package sparse

import "smt/device"

// Base is the linear layer under a sparse one: its frozen product. It is part of model.Linear.
type Base interface {
	Forward(y, x device.Tensor)
	Backward(dx, dy, x device.Tensor, add bool)
}

// Linear is the custom sparse linear layer, the fourth part of SMT (paper section 3.2):
//
//	y = x Wᵀ + bias + Σ_k x[:, cols of block k] D_kᵀ       into the rows of block k
//	dX = dY W + Σ_k dY[:, rows of block k] D_k              into the columns of block k
//	dD_k = dY[:, rows of block k]ᵀ X[:, cols of block k]
//
// W is the untouched base and D_k [b, b] what has been learnt on top of it, zero at first. The gradient of D_k is that of
// W's block, so this is the paper's method with the base left as it is. Only the selected blocks have gradients, and of x
// only the columns of selected blocks are read in the backward pass.
type Linear struct {
	Device device.Device
	Base   Base
	Blocks []device.Block // sorted by column, then row
	Size   int            // b
	Delta  device.Tensor  // [n·b, b], a view into the gatherer's parameters
	Grad   device.Tensor  // [n·b, b], zero tensor when not training
}

// Forward sets y [T, out] from x [T, in].
func (l *Linear) Forward(y, x device.Tensor) {
	l.Base.Forward(y, x)
	l.Device.BlockProduct(y, x, l.Delta, l.Blocks, l.Size, false)
}

// Backward adds the gradients of the selected blocks and sets, or adds to, dx if it is wanted.
func (l *Linear) Backward(dx, dy, x device.Tensor, add bool) {
	if l.Grad.Valid() {
		l.Device.BlockGradient(l.Grad, dy, x, l.Blocks, l.Size)
	}
	if dx.Valid() {
		l.Base.Backward(dx, dy, device.Tensor{}, add)
		l.Device.BlockProduct(dx, dy, l.Delta, l.Blocks, l.Size, true)
	}
}

// Learns reports whether the blocks are being trained.
func (l *Linear) Learns() bool { return l.Grad.Valid() }
