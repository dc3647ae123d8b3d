package optimizer_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"smt/device"
	"smt/device/reference"
	"smt/model/modeltest"
	"smt/optimizer"
)

// filled makes a tensor of random values.
func filled(dev device.Device, rows, cols int, next func() float64) device.Tensor {
	t := dev.New(rows, cols)
	values := make([]float64, t.Len())
	for i := range values {
		values[i] = next()
	}
	dev.Write(t, values)
	return t
}

func read(dev device.Device, t device.Tensor) []float64 {
	values := make([]float64, t.Len())
	dev.Read(t, values)
	return values
}

// TestStepFollowsTheFormula compares six steps over two tensors with AdamW written out for one number at a time, with
// clipping at work in some steps and not in others.
func TestStepFollowsTheFormula(t *testing.T) {
	dev, next := reference.New(), modeltest.Source(3)
	values := []device.Tensor{filled(dev, 2, 3, next), filled(dev, 1, 4, next)}
	grads := []device.Tensor{dev.New(2, 3), dev.New(1, 4)}
	o := optimizer.New(dev, []optimizer.Tensor{{Name: "a", Value: values[0], Grad: grads[0]}, {Name: "b", Value: values[1], Grad: grads[1]}})
	o.Beta1, o.Beta2, o.Epsilon, o.WeightDecay, o.MaxNorm = 0.8, 0.95, 1e-6, 0.1, 2

	p := append(read(dev, values[0]), read(dev, values[1])...)
	m, v := make([]float64, len(p)), make([]float64, len(p))
	clipped := 0
	for step := 1; step <= 6; step++ {
		g, norm := make([]float64, len(p)), 0.0
		for i := range g {
			g[i] = next() * float64(step%3) / 2.5
			norm += g[i] * g[i]
		}
		norm = math.Sqrt(norm)
		scale := 1.0
		if norm > 2 {
			scale = 2 / (norm + 1e-6)
			clipped++
		}
		rate := 0.1 / float64(step)
		for i := range p {
			s := g[i] * scale
			m[i], v[i] = 0.8*m[i]+0.2*s, 0.95*v[i]+0.05*s*s
			p[i] -= rate * 0.1 * p[i]
			p[i] -= rate * (m[i] / (1 - math.Pow(0.8, float64(step)))) / (math.Sqrt(v[i]/(1-math.Pow(0.95, float64(step)))) + 1e-6)
		}
		dev.Write(grads[0], g[:6])
		dev.Write(grads[1], g[6:])
		got, err := o.Step(rate)
		if err != nil || !(math.Abs(got-norm) <= 1e-12) {
			t.Fatalf("step %d: norm %g (%v), expected %g", step, got, err, norm)
		}
		for i, x := range append(read(dev, values[0]), read(dev, values[1])...) {
			if !(math.Abs(x-p[i]) <= 1e-12) {
				t.Fatalf("step %d: value %d: got %.15g, expected %.15g", step, i, x, p[i])
			}
		}
		if o.GradientNorm() != 0 {
			t.Fatalf("step %d: the gradients were not cleared", step)
		}
	}
	if clipped == 0 || clipped == 6 || o.Steps() != 6 {
		t.Errorf("%d of %d steps were clipped: the test needs both kinds", clipped, o.Steps())
	}
}

// TestStepsContinue makes a second optimizer of the state of a first one: both go on alike.
func TestStepsContinue(t *testing.T) {
	dev, next := reference.New(), modeltest.Source(5)
	first := optimizer.Tensor{Value: filled(dev, 3, 3, next), Grad: filled(dev, 3, 3, next), Moment1: dev.New(3, 3), Moment2: dev.New(3, 3)}
	a := optimizer.New(dev, []optimizer.Tensor{first})
	if _, err := a.Step(0.01); err != nil {
		t.Fatal(err)
	}
	copied := optimizer.Tensor{Value: dev.New(3, 3), Grad: dev.New(3, 3), Moment1: dev.New(3, 3), Moment2: dev.New(3, 3)}
	dev.Write(copied.Value, read(dev, first.Value))
	dev.Write(copied.Moment1, read(dev, first.Moment1))
	dev.Write(copied.Moment2, read(dev, first.Moment2))
	b := optimizer.New(dev, []optimizer.Tensor{copied})
	b.SetSteps(a.Steps())
	gradient := read(dev, filled(dev, 3, 3, next))
	for _, o := range []*optimizer.AdamW{a, b} {
		dev.Write(o.Tensors()[0].Grad, gradient)
		if _, err := o.Step(0.01); err != nil {
			t.Fatal(err)
		}
	}
	for i, x := range read(dev, first.Value) {
		if got := read(dev, copied.Value)[i]; got != x {
			t.Errorf("value %d: got %g after going on, expected %g", i, got, x)
		}
	}
}

func TestNotFiniteChangesNothing(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		dev, next := reference.New(), modeltest.Source(7)
		x := optimizer.Tensor{Value: filled(dev, 2, 2, next), Grad: filled(dev, 2, 2, next)}
		o := optimizer.New(dev, []optimizer.Tensor{x})
		dev.Write(x.Grad, []float64{1, 2, bad, 3})
		before := read(dev, x.Value)
		_, err := o.Step(0.1)
		var notFinite optimizer.ErrNotFinite
		if !errors.As(err, &notFinite) || o.Steps() != 0 {
			t.Errorf("gradient %g: error %v after %d steps, expected ErrNotFinite and no step", bad, err, o.Steps())
		}
		for i, v := range read(dev, x.Value) {
			if v != before[i] {
				t.Errorf("gradient %g: value %d changed", bad, i)
			}
		}
	}
}

// TestApplyIsStepWithoutClipping updates two tensors that share a gradient one after the other: values and moments are the
// bits of Step's on gradients of their own.
func TestApplyIsStepWithoutClipping(t *testing.T) {
	dev := reference.New()
	make2 := func(shared bool) *optimizer.AdamW {
		next := modeltest.Source(9)
		a := optimizer.Tensor{Name: "a", Value: filled(dev, 3, 4, next), Grad: dev.New(3, 4)}
		b := optimizer.Tensor{Name: "b", Value: filled(dev, 3, 4, next), Grad: a.Grad}
		if !shared {
			b.Grad = dev.New(3, 4)
		}
		o := optimizer.New(dev, []optimizer.Tensor{a, b})
		o.WeightDecay = 0.1
		return o
	}
	held, shared := make2(false), make2(true)
	next := modeltest.Source(4)
	for step := range 4 {
		rate := 0.1 / float64(step+1)
		gradients := [][]float64{read(dev, filled(dev, 3, 4, next)), read(dev, filled(dev, 3, 4, next))}
		for i, g := range gradients {
			dev.Write(held.Tensors()[i].Grad, g)
		}
		want, err := held.Step(rate)
		if err != nil {
			t.Fatal(err)
		}
		shared.Begin(rate)
		for _, i := range []int{1, 0} {
			dev.Write(shared.Tensors()[i].Grad, gradients[i])
			shared.Apply(i)
			if g := read(dev, shared.Tensors()[i].Grad); slices.Max(g) != 0 || slices.Min(g) != 0 {
				t.Fatalf("step %d: the gradient was not cleared: %v", step, g)
			}
		}
		got, err := shared.End()
		if err != nil || !(math.Abs(got-want) <= 1e-14*want) {
			t.Errorf("step %d: norm %g (%v), expected %g", step, got, err, want)
		}
		if held.Steps() != shared.Steps() {
			t.Errorf("%d steps, expected %d", shared.Steps(), held.Steps())
		}
		for i := range gradients {
			a, b := held.Tensors()[i], shared.Tensors()[i]
			if !slices.Equal(read(dev, a.Value), read(dev, b.Value)) || !slices.Equal(read(dev, a.Moment2), read(dev, b.Moment2)) {
				t.Errorf("step %d: tensor %d differs from Step's", step, i)
			}
		}
	}
	shared.Begin(0.1)
	dev.Fill(shared.Tensors()[0].Grad, math.Inf(1))
	shared.Apply(0)
	var notFinite optimizer.ErrNotFinite
	if _, err := shared.End(); !errors.As(err, &notFinite) {
		t.Errorf("an infinite gradient: error %v, expected ErrNotFinite", err)
	}
}

// TestNoDecay updates two equal tensors, one of which is left out of weight decay: they differ by rate · decay · value.
func TestNoDecay(t *testing.T) {
	dev := reference.New()
	var all []optimizer.Tensor
	for _, noDecay := range []bool{false, true} {
		next := modeltest.Source(9)
		all = append(all, optimizer.Tensor{Value: filled(dev, 2, 3, next), Grad: filled(dev, 2, 3, next), NoDecay: noDecay})
	}
	before := read(dev, all[0].Value)
	o := optimizer.New(dev, all)
	o.WeightDecay = 0.5
	if _, err := o.Step(0.1); err != nil {
		t.Fatal(err)
	}
	decayed, kept := read(dev, all[0].Value), read(dev, all[1].Value)
	for i, x := range before {
		if got, want := kept[i]-decayed[i], 0.1*0.5*x; !(math.Abs(got-want) <= 1e-12) {
			t.Errorf("value %d: the decay took %g, expected %g", i, got, want)
		}
	}
}
