package model

import "smt/device"

// A Parameter is one weight of the model under the name that its file gives it. Its value is frozen, the bytes of the file
// in their own dtype, until Thaw makes a Float copy that may be trained.
type Parameter struct {
	Name       string
	Rows, Cols int           // a vector is [1, Cols]
	Value      device.Tensor // what forward and backward read
	Grad       device.Tensor // d loss / d Value, summed until zeroed; not there unless the parameter learns
	frozen     device.Tensor
}

// Learns reports whether gradients of the parameter are computed.
func (p *Parameter) Learns() bool { return p.Grad.Valid() }

// Len is the number of elements.
func (p *Parameter) Len() int { return p.Rows * p.Cols }

// WantGradient makes a zeroed gradient, so that the backward pass adds to it.
func (p *Parameter) WantGradient(dev device.Device) { p.Grad = dev.New(p.Rows, p.Cols) }

// Thaw replaces the frozen value by a Float copy that an optimizer may change.
func (p *Parameter) Thaw(dev device.Device) {
	if p.Value.Buffer == p.frozen.Buffer {
		p.Value = dev.New(p.Rows, p.Cols)
		dev.Combine(p.Value, p.frozen, 1, 0)
	}
}

// Freeze goes back to the bytes of the file, forgetting the copy and the gradient.
func (p *Parameter) Freeze() { p.Value, p.Grad = p.frozen, device.Tensor{} }

// StopGradient drops the gradient but keeps the value as it is.
func (p *Parameter) StopGradient() { p.Grad = device.Tensor{} }
