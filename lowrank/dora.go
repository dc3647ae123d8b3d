package lowrank

import (
	"fmt"
	"math"

	"smt/device"
	"smt/internal/finite"
)

// DoRA is y_j = (m_j/n_j)·(x Wᵀ + s·(x Aᵀ) Bᵀ)_j + bias_j with n_j = ‖(W + s·B A)_j‖₂, the norm of output row j. As in PEFT,
// n is treated as a constant in the backward pass (paper section 4.3). The sum W + s·B A, which is as large as the model, is
// not made for its norms: with w_j and b_j the rows of W and B,
//
//	n_j² = ‖w_j‖² + 2s·b_j·(A w_j) + s²·b_j (A Aᵀ) b_jᵀ
type DoRA struct {
	LoRA
	Magnitude     device.Tensor // m [1, out]
	GradMagnitude device.Tensor

	shared  *Shared
	pre     device.Tensor // [T, out], s·B A and base together, before scaling; kept for m's gradient
	cross   device.Tensor // [r, out], A Wᵀ
	gram    device.Tensor // [r, r], A Aᵀ
	ratio   device.Tensor // m/n [1, out]
	inverse device.Tensor // 1/n [1, out]
	dm      device.Tensor // [1, out]
	weights []float64     // ‖w_j‖²
	host    struct{ cross, gram, b, magnitude, inverse []float64 }
	stale   bool
}

// Shared is scratch memory that the layers of a decoder take in turns.
type Shared struct {
	scaled map[int]device.Tensor // by out: [T, out], dy·m/n
}

// rows returns scratch memory [n, out].
func (s *Shared) rows(dev device.Device, n, out int) device.Tensor {
	if s.scaled[out].Rows < n {
		if s.scaled == nil {
			s.scaled = map[int]device.Tensor{}
		}
		s.scaled[out] = dev.New(n, out)
	}
	return s.scaled[out].Slice(0, n)
}

// NewDoRA wraps a LoRA; call Changed whenever A, B or m have been changed.
func NewDoRA(l LoRA, magnitude, gradient device.Tensor, shared *Shared) *DoRA {
	out, rank := magnitude.Cols, l.A.Rows
	dev := l.Device
	d := &DoRA{LoRA: l, Magnitude: magnitude, GradMagnitude: gradient, stale: true, shared: shared,
		cross: dev.New(rank, out), gram: dev.New(rank, rank), ratio: dev.New(1, out), inverse: dev.New(1, out), dm: dev.New(1, out),
		weights: make([]float64, out)}
	d.host.cross, d.host.gram, d.host.b = make([]float64, rank*out), make([]float64, rank*rank), make([]float64, out*rank)
	d.host.magnitude, d.host.inverse = make([]float64, out), make([]float64, out)
	squares := dev.New(out, 1)
	dev.RowSquares(squares, l.Base.Weight.Value)
	dev.Read(squares, d.weights)
	return d
}

// reserve makes scratch memory for batches of so many tokens.
func (d *DoRA) reserve(tokens int) {
	d.LoRA.reserve(tokens)
	if d.pre.Rows < tokens {
		d.pre = d.Device.New(tokens, d.Magnitude.Cols)
	}
	d.shared.rows(d.Device, tokens, d.Magnitude.Cols)
}

// Changed says that the parameters have new values, so the norms must be computed again.
func (d *DoRA) Changed() { d.stale = true }

// norms brings m/n and 1/n up to date.
func (d *DoRA) norms() {
	if !d.stale {
		return
	}
	d.stale = false
	dev, h, rank := d.Device, &d.host, d.A.Rows
	dev.MatMul(d.cross, d.A, false, d.Base.Weight.Value, true, false)
	dev.MatMul(d.gram, d.A, false, d.A, true, false)
	dev.Read(d.cross, h.cross)
	dev.Read(d.gram, h.gram)
	dev.Read(d.B, h.b)
	dev.Read(d.Magnitude, h.magnitude)
	out := len(d.weights)
	for j, square := range d.weights {
		b := h.b[j*rank:][:rank]
		for p, bp := range b {
			around := 0.0
			for q, bq := range b {
				around += h.gram[p*rank+q] * bq
			}
			square += d.Scale * bp * (2*h.cross[p*out+j] + d.Scale*around)
		}
		h.inverse[j] = 1 / math.Sqrt(max(square, 0))
		h.magnitude[j] *= h.inverse[j]
	}
	dev.Write(d.inverse, h.inverse)
	dev.Write(d.ratio, h.magnitude)
}

// Forward sets y [T, out] from x [T, in].
func (d *DoRA) Forward(y, x device.Tensor) {
	d.norms()
	dev := d.Device
	d.reserve(x.Rows)
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
	scaled := d.shared.rows(dev, dy.Rows, dy.Cols)
	dev.ScaleColumns(scaled, dy, d.ratio, false)
	if dx.Valid() {
		d.Base.Backward(dx, scaled, device.Tensor{}, add)
	}
	d.factorsBackward(dx, scaled, x)
}

// MergedRows calls row with each row j of m_j/n_j·(W + s·B A), the weight that merging writes.
func (d *DoRA) MergedRows(row func(j int, values []float64) error) error {
	d.norms()
	values, ratio := make([]float64, d.Base.Weight.Cols), make([]float64, d.Base.Weight.Rows)
	merged := d.Device.New(d.Base.Weight.Rows, d.Base.Weight.Cols)
	d.Delta(merged)
	d.Device.Combine(merged, d.Base.Weight.Value, 1, 1)
	d.Device.Read(d.ratio, ratio)
	for j, r := range ratio {
		if !finite.Is(r) {
			return fmt.Errorf("lowrank: row %d of W + s·B·A has norm 0: DoRA cannot scale it", j)
		}
		d.Device.Read(merged.Slice(j, j+1), values)
		for i := range values {
			values[i] *= r
		}
		if err := row(j, values); err != nil {
			return err
		}
	}
	return nil
}
