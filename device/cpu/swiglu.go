package cpu

import "smt/device"

type swiglu struct{ h, gate, up view }

// SwiGLU computes h = silu(gate)·up, silu(z) = z/(1+exp(-z)).
func (d *Device) SwiGLU(h, gate, up device.Tensor) {
	o := swiglu{openAs("SwiGLU", h, gate.Rows, gate.Cols), open("SwiGLU", gate), openAs("SwiGLU", up, gate.Rows, gate.Cols)}
	flatten(&o.h, &o.gate, &o.up)
	eachRow(d, &d.ops.swiglu, o, o.h.rows, o.h.cols)
}

func (o *swiglu) row(w *worker, r int) { w.kernels.swiglu(o.h.row(r), o.gate.row(r), o.up.row(r)) }

type swigluBackward struct{ dgate, dup, dh, gate, up view }

// SwiGLUBackward computes dgate = dh·up·silu'(gate) and dup = dh·silu(gate).
func (d *Device) SwiGLUBackward(dgate, dup, dh, gate, up device.Tensor) {
	const op = "SwiGLUBackward"
	rows, cols := gate.Rows, gate.Cols
	o := swigluBackward{
		openAs(op, dgate, rows, cols), openAs(op, dup, rows, cols),
		openAs(op, dh, rows, cols), open(op, gate), openAs(op, up, rows, cols),
	}
	flatten(&o.dgate, &o.dup, &o.dh, &o.gate, &o.up)
	eachRow(d, &d.ops.swigluBackward, o, o.dgate.rows, o.dgate.cols)
}

func (o *swigluBackward) row(w *worker, r int) {
	w.kernels.swigluGradient(o.dgate.row(r), o.dup.row(r), o.dh.row(r), o.gate.row(r), o.up.row(r))
}
