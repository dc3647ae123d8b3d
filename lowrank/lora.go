// Package lowrank holds the low-rank adapters that SMT is compared with: LoRA (arXiv 2106.09685) and DoRA
// (arXiv 2402.09353), with the semantics of PEFT. Each takes the place of a linear layer with frozen weight W [out, in].
package lowrank

import (
	"smt/device"
	"smt/model"
)

// PaperModules are what the LLM-Adapters and DoRA papers put their adapters on.
var PaperModules = []string{"q_proj", "k_proj", "v_proj", "up_proj", "down_proj"}

// Factors are the trained matrices of an adapter and their gradients, which are absent when it does not learn.
type Factors struct {
	A, B         device.Tensor // [r, in], [out, r]
	GradA, GradB device.Tensor
}

// LoRA is y = x Wᵀ + bias + s·(x Aᵀ) Bᵀ.
type LoRA struct {
	Device device.Device
	Base   *model.Dense
	Factors
	Scale float64 // s = alpha/r

	down device.Tensor // [T, r], scratch for x Aᵀ and for its gradient
}

// Forward sets y [T, out] from x [T, in].
func (l *LoRA) Forward(y, x device.Tensor) {
	l.Base.Forward(y, x)
	l.Device.MatMul(y, l.project(x), false, l.B, true, true)
}

// reserve makes scratch memory for batches of so many tokens.
func (l *LoRA) reserve(tokens int) {
	if l.down.Rows < tokens {
		l.down = l.Device.New(tokens, l.A.Rows)
	}
}

// project returns s·x Aᵀ [T, r] in scratch memory.
func (l *LoRA) project(x device.Tensor) device.Tensor {
	l.reserve(x.Rows)
	u := l.down.Slice(0, x.Rows)
	l.Device.MatMul(u, x, false, l.A, true, false)
	l.Device.Combine(u, u, l.Scale, 0)
	return u
}

// Backward computes dB += dyᵀ (s·x Aᵀ); du = s·dy B; dA += duᵀ x; dX (+)= dy W + du A.
func (l *LoRA) Backward(dx, dy, x device.Tensor, add bool) {
	if dx.Valid() {
		l.Base.Backward(dx, dy, device.Tensor{}, add)
	}
	l.factorsBackward(dx, dy, x)
}

// factorsBackward adds the gradients of A and B and their part of dx.
func (l *LoRA) factorsBackward(dx, dy, x device.Tensor) {
	if l.GradB.Valid() {
		l.Device.MatMul(l.GradB, dy, true, l.project(x), false, true)
	} else {
		l.reserve(dy.Rows)
	}
	du := l.down.Slice(0, dy.Rows)
	l.Device.MatMul(du, dy, false, l.B, false, false)
	l.Device.Combine(du, du, l.Scale, 0)
	if l.GradA.Valid() {
		l.Device.MatMul(l.GradA, du, true, x, false, true)
	}
	if dx.Valid() {
		l.Device.MatMul(dx, du, false, l.A, false, true)
	}
}

// Learns reports whether A and B are being trained.
func (l *LoRA) Learns() bool { return l.GradA.Valid() }

// Delta sets delta [out, in] to s·B A: what merging adds to W.
func (l *LoRA) Delta(delta device.Tensor) {
	l.Device.MatMul(delta, l.B, false, l.A, false, false)
	l.Device.Combine(delta, delta, l.Scale, 0)
}
