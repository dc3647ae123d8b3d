package reference

import (
	"math"

	"smt/device"
)

// SwiGLU computes h = silu(gate)·up.
func (*Device) SwiGLU(h, gate, up device.Tensor) {
	const op = "SwiGLU"
	checkShape(op, "gate", gate, h.Rows, h.Cols)
	checkShape(op, "up", up, h.Rows, h.Cols)
	out, g, u := floats(op, "h", h), floats(op, "gate", gate), floats(op, "up", up)
	for t := range out.rows {
		hRow, gRow, uRow := out.row(t), g.row(t), u.row(t)
		for j, z := range gRow {
			hRow[j] = z * sigmoid(z) * uRow[j]
		}
	}
}

// SwiGLUBackward computes dgate = dh·up·silu'(gate) and dup = dh·silu(gate).
func (*Device) SwiGLUBackward(dgate, dup, dh, gate, up device.Tensor) {
	const op = "SwiGLUBackward"
	for _, operand := range []struct {
		name string
		t    device.Tensor
	}{{"dgate", dgate}, {"dup", dup}, {"gate", gate}, {"up", up}} {
		checkShape(op, operand.name, operand.t, dh.Rows, dh.Cols)
	}
	gradGate, gradUp, gradH := floats(op, "dgate", dgate), floats(op, "dup", dup), floats(op, "dh", dh)
	g, u := floats(op, "gate", gate), floats(op, "up", up)
	for t := range gradH.rows {
		dgRow, duRow, dhRow, gRow, uRow := gradGate.row(t), gradUp.row(t), gradH.row(t), g.row(t), u.row(t)
		for j, dy := range dhRow {
			z, y := gRow[j], uRow[j]
			s := sigmoid(z)
			// silu(z) = z·s and s' = s·(1-s), so silu'(z) = s + z·s·(1-s).
			dgRow[j] = dy * y * (s + z*s*(1-s))
			duRow[j] = dy * z * s
		}
	}
}

// sigmoid is 1/(1+exp(-z)); exp(-z) may overflow to infinity, which gives the right limit, 0.
func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }
