// Package reference is the oracle among the devices: every operation of [device.Device] as the plain float64 loops
// that its doc comment describes, on one core, in an order that never changes. It is meant to be read and trusted, not
// to be fast; it is fast enough for models of a few million parameters.
//
// The formulas stand at the methods of [device.Device] and are not repeated here. Wrong shapes, tensors of another
// device and rows out of range panic with the operation, the operand, what was got and what was expected.
package reference

import "smt/device"

// Device computes in float64. It has no state of its own: all of it is in the tensors.
type Device struct{}

var _ interface {
	device.Device
	device.Rounder
} = (*Device)(nil)

// New returns the reference device.
func New() *Device { return &Device{} }

// Name tells the device.
func (*Device) Name() string { return "reference (float64)" }
