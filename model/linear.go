package model

import "smt/device"

// Linear is one linear layer of the decoder, with its backward pass: y = x Wᵀ + bias, plus whatever an adapter adds.
// x is [T, in] and y [T, out].
type Linear interface {
	// Forward sets y.
	Forward(y, x device.Tensor)
	// Backward adds the gradients of what the layer learns, from dy [T, out] and the x that Forward saw (which may be
	// absent if the layer learns nothing), and sets dx [T, in] if it is wanted, or adds to it.
	Backward(dx, dy, x device.Tensor, add bool)
	// Learns reports whether Backward needs x to compute gradients of its own.
	Learns() bool
}

// Dense is the plain linear layer of the base model: frozen, or fully trained if its parameters learn.
type Dense struct {
	Device device.Device
	Weight *Parameter // [out, in]
	Bias   *Parameter // [1, out] or nil

	stand standIns
}

// Product sets y = x Wᵀ.
func (l *Dense) Product(y, x device.Tensor) {
	l.Device.MatMul(y, x, false, l.stand.in(forwardPass, l.Weight), true, false)
}

// Forward sets y = x Wᵀ + bias.
func (l *Dense) Forward(y, x device.Tensor) {
	l.Product(y, x)
	if l.Bias != nil {
		l.Device.AddRow(y, l.Bias.Value)
	}
}

// Backward computes dx (+)= dy W; dW += dyᵀ x; dbias += Σ_t dy.
func (l *Dense) Backward(dx, dy, x device.Tensor, add bool) {
	if l.Weight.Learns() {
		l.Device.MatMul(l.Weight.Grad, dy, true, x, false, true)
	}
	if l.Bias != nil && l.Bias.Learns() {
		l.Device.ColumnDot(l.Bias.Grad, dy, device.Tensor{})
	}
	if dx.Valid() {
		l.Device.MatMul(dx, dy, false, l.stand.in(backwardPass, l.Weight), false, add)
	}
}

// Learns reports whether the weight or the bias does.
func (l *Dense) Learns() bool {
	return l.Weight.Learns() || l.Bias != nil && l.Bias.Learns()
}
