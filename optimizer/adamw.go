// Package optimizer turns gradients into updates: AdamW, learning-rate schedules and clipping by the global norm.
package optimizer

import (
	"fmt"
	"math"

	"smt/device"
	"smt/internal/finite"
)

// A Tensor is one trained tensor with its gradient and Adam moments, all of one shape.
type Tensor struct {
	Name                          string
	Value, Grad, Moment1, Moment2 device.Tensor
	// NoDecay leaves the tensor out of weight decay.
	NoDecay bool
}

// AdamW holds the trained tensors and the constants of AdamW (Loshchilov & Hutter, arXiv 1711.05101), with decoupled weight
// decay. The formula is that of [device.Device.AdamW].
type AdamW struct {
	Beta1, Beta2, Epsilon, WeightDecay float64
	// MaxNorm bounds the global norm of the gradients; 0 leaves them as they are.
	MaxNorm float64

	device  device.Device
	tensors []Tensor
	step    int
	rate    float64       // of the step between Begin and End
	norm    device.Tensor // [1, 1]
	host    []float64
}

// New makes an optimizer for tensors whose moments may be given (then they are used as they are) or are made here.
func New(dev device.Device, tensors []Tensor) *AdamW {
	o := &AdamW{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, device: dev, norm: dev.New(1, 1), host: make([]float64, 1)}
	for _, t := range tensors {
		if !t.Moment1.Valid() {
			t.Moment1, t.Moment2 = dev.New(t.Value.Rows, t.Value.Cols), dev.New(t.Value.Rows, t.Value.Cols)
		}
		o.tensors = append(o.tensors, t)
	}
	return o
}

// Tensors lists the trained tensors.
func (o *AdamW) Tensors() []Tensor { return o.tensors }

// Steps is how many updates have been made; SetSteps continues from a checkpoint.
func (o *AdamW) Steps() int { return o.step }

// SetSteps continues after n updates.
func (o *AdamW) SetSteps(n int) { o.step = n }

// GradientNorm is the global norm sqrt(Σ g²) over all trained tensors.
func (o *AdamW) GradientNorm() float64 {
	o.device.Fill(o.norm, 0)
	for i := range o.tensors {
		o.device.SquaredNorm(o.norm, o.tensors[i].Grad)
	}
	o.device.Read(o.norm, o.host)
	return math.Sqrt(o.host[0])
}

// ErrNotFinite is returned by Step when the gradients hold a NaN or an infinity; nothing has been changed then. End returns it
// too.
type ErrNotFinite struct{ Norm float64 }

func (e ErrNotFinite) Error() string {
	return fmt.Sprintf("optimizer: the norm of the gradients is %g", e.Norm)
}

// clipEpsilon keeps the clipping factor finite, as in PyTorch's clip_grad_norm_.
const clipEpsilon = 1e-6

// Step clips, updates every trained tensor with the learning rate and clears the gradients. It returns the norm before
// clipping; the factor is min(1, MaxNorm/(norm+1e-6)).
func (o *AdamW) Step(learningRate float64) (float64, error) {
	norm := o.GradientNorm()
	if !finite.Is(norm) {
		return norm, ErrNotFinite{norm}
	}
	scale := 1.0
	if o.MaxNorm > 0 {
		scale = min(1, o.MaxNorm/(norm+clipEpsilon))
	}
	o.step++
	for i := range o.tensors {
		o.update(i, learningRate, scale)
	}
	return norm, nil
}

// update changes tensor i by its gradient times scale and clears the gradient.
func (o *AdamW) update(i int, learningRate, scale float64) {
	t, decay := &o.tensors[i], o.WeightDecay
	if t.NoDecay {
		decay = 0
	}
	o.device.AdamW(t.Value, t.Grad, t.Moment1, t.Moment2, device.AdamW{LearningRate: learningRate, Beta1: o.Beta1, Beta2: o.Beta2,
		Epsilon: o.Epsilon, WeightDecay: decay, Step: o.step, GradientScale: scale})
	o.device.Fill(t.Grad, 0)
}

// Begin starts a step whose tensors are updated one at a time, by Apply, as soon as their gradients are complete; tensors may
// share a gradient then. End closes the step. The values and moments are those of Step with MaxNorm 0: to clip, the norm of
// all gradients must be known before the first update, so MaxNorm is not read.
func (o *AdamW) Begin(learningRate float64) {
	o.rate = learningRate
	o.step++
	o.device.Fill(o.norm, 0)
}

// Apply updates tensor i of Tensors and clears its gradient.
func (o *AdamW) Apply(i int) {
	o.device.SquaredNorm(o.norm, o.tensors[i].Grad)
	o.update(i, o.rate, 1)
}

// End returns the global norm of the gradients that were applied since Begin. (Their squares are added up in the order of the
// calls, so the last bits may differ from GradientNorm's.) Unlike Step, it finds a NaN or an infinity when values have been
// changed already: after an ErrNotFinite, they are of no use.
func (o *AdamW) End() (float64, error) {
	o.device.Read(o.norm, o.host)
	norm := math.Sqrt(o.host[0])
	if !finite.Is(norm) {
		return norm, ErrNotFinite{norm}
	}
	return norm, nil
}

// ClearGradients sets all gradients to zero.
func (o *AdamW) ClearGradients() {
	for i := range o.tensors {
		o.device.Fill(o.tensors[i].Grad, 0)
	}
}
