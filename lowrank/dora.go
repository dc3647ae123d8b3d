package lowrank

import (
	"fmt"
	"math"

	"smt/device"
)

// DoRA is y_j = (m_j/n_j)·(x Wᵀ + s·(x Aᵀ) Bᵀ)_j + bias_j with n_j = ‖(W + s·B A)_j‖₂, the norm of output row j. As in PEFT,
// n is treated as a constant in the backward pass (paper section 4.3).
type DoRA struct {
	LoRA
	Magnitude     device.Tensor // m [1, out]
	GradMagnitude device.Tensor

	pre       device.Tensor // [T, out], s·B A and base together, before scaling; kept for m's gradient
	scaled    device.Tensor // [T, out], dy·m/n
	merged    device.Tensor // [out, in], W + s·B A
	squares   device.Tensor // [out, 1]
	ratio     device.Tensor // m/n [1, out]
	inverse   device.Tensor // 1/n [1, out]
	dm        device.Tensor // [1, out]
	host      []float64
	magnitude []float64
	stale     bool
}

// NewDoRA wraps a LoRA; call Changed whenever A, B or m have been changed.
func NewDoRA(l LoRA, magnitude, gradient device.Tensor) *DoRA {
	out := magnitude.Cols
	dev := l.Device
	return &DoRA{LoRA: l, Magnitude: magnitude, GradMagnitude: gradient, stale: true,
		squares: dev.New(out, 1), ratio: dev.New(1, out), inverse: dev.New(1, out), dm: dev.New(1, out),
		host: make([]float64, out), magnitude: make([]float64, out)}
}

// Changed says that the parameters have new values, so the norms must be computed again.
func (d *DoRA) Changed() { d.stale = true }

// norms brings m/n and 1/n up to date.
func (d *DoRA) norms() {
	if !d.stale {
		return
	}
	d.stale = false
	dev := d.Device
	if !d.merged.Valid() {
		d.merged = dev.New(d.Base.Weight.Rows, d.Base.Weight.Cols)
	}
	d.Delta(d.merged)
	dev.Combine(d.merged, d.Base.Weight.Value, 1, 1)
	dev.RowSquares(d.squares, d.merged)
	dev.Read(d.squares, d.host)
	dev.Read(d.Magnitude, d.magnitude)
	for j, s := range d.host {
		d.host[j] = 1 / math.Sqrt(s)
		d.magnitude[j] *= d.host[j]
	}
	dev.Write(d.inverse, d.host)
	dev.Write(d.ratio, d.magnitude)
}

// Forward sets y [T, out] from x [T, in].
func (d *DoRA) Forward(y, x device.Tensor) {
	d.norms()
	dev := d.Device
	if d.pre.Rows < x.Rows {
		d.pre, d.scaled = dev.New(x.Rows, y.Cols), dev.New(x.Rows, y.Cols)
	}
	pre := d.pre.Slice(0, x.Rows)
	d.Base.Product(pre, x)
	dev.MatMul(pre, d.project(x), false, d.B, true, true)
	dev.ScaleColumns(y, pre, d.ratio, false)
	if d.Base.Bias != nil {
		dev.AddRow(y, d.Base.Bias.Value)
	}
}

// Backward adds dm_j += Σ_t dy_tj·pre_tj/n_j and goes on with dy·m/n as LoRA does.
func (d *DoRA) Backward(dx, dy, x device.Tensor, add bool) {
	dev := d.Device
	if d.GradMagnitude.Valid() {
		dev.Fill(d.dm, 0)
		dev.ColumnDot(d.dm, dy, d.pre.Slice(0, dy.Rows))
		dev.ScaleColumns(d.GradMagnitude, d.dm, d.inverse, true)
	}
	scaled := d.scaled.Slice(0, dy.Rows)
	dev.ScaleColumns(scaled, dy, d.ratio, false)
	if dx.Valid() {
		d.Base.Backward(dx, scaled, device.Tensor{}, add)
	}
	d.factorsBackward(dx, scaled, x)
}

// MergedRows calls row with each row j of m_j/n_j·(W + s·B A), the weight that merging writes.
func (d *DoRA) MergedRows(row func(j int, values []float64) error) error {
	d.norms()
	values := make([]float64, d.Base.Weight.Cols)
	ratio := make([]float64, d.Base.Weight.Rows)
	d.Device.Read(d.ratio, ratio)
	for j, r := range ratio {
		if math.IsNaN(r) || math.IsInf(r, 0) {
			return fmt.Errorf("lowrank: row %d of W + s·B·A has norm 0: DoRA cannot scale it", j)
		}
		d.Device.Read(d.merged.Slice(j, j+1), values)
		for i := range values {
			values[i] *= r
		}
		if err := row(j, values); err != nil {
			return err
		}
	}
	return nil
}
