package lowrank_test

import (
	"fmt"
	"math"
	"testing"

	"smt/device"
	"smt/device/reference"
	"smt/lowrank"
	"smt/model"
	"smt/model/modeltest"
)

const tokens, in, out, rank = 5, 7, 6, 2

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

// linear is what LoRA and DoRA are to a decoder.
type linear interface {
	Forward(y, x device.Tensor)
	Backward(dx, dy, x device.Tensor, add bool)
}

// adapters makes a LoRA and a DoRA that share random factors, and a random weight with a bias.
func adapters(dev device.Device, seed uint64) (*lowrank.LoRA, *lowrank.DoRA) {
	next := modeltest.Source(seed)
	base := &model.Dense{Device: dev, Weight: &model.Parameter{Rows: out, Cols: in, Value: filled(dev, out, in, next)},
		Bias: &model.Parameter{Rows: 1, Cols: out, Value: filled(dev, 1, out, next)}}
	l := lowrank.LoRA{Device: dev, Scale: 1.5, Base: base,
		Factors: lowrank.Factors{A: filled(dev, rank, in, next), B: filled(dev, out, rank, next), GradA: dev.New(rank, in), GradB: dev.New(out, rank)}}
	return &l, lowrank.NewDoRA(l, filled(dev, 1, out, next), dev.New(1, out), &lowrank.Shared{})
}

// TestGradients compares the gradients of x, A and B with central differences of L = Σ dy·y. DoRA's norms stay what they
// are between the two evaluations: they count as constants.
func TestGradients(t *testing.T) {
	dev := reference.New()
	lora, dora := adapters(dev, 11)
	next := modeltest.Source(12)
	x, dy, y := filled(dev, tokens, in, next), filled(dev, tokens, out, next), dev.New(tokens, out)
	for _, c := range []struct {
		name    string
		layer   linear
		factors *lowrank.Factors
	}{{"lora", lora, &lora.Factors}, {"dora", dora, &dora.Factors}} {
		loss := func() float64 {
			c.layer.Forward(y, x)
			sum, upstream := 0.0, read(dev, dy)
			for i, v := range read(dev, y) {
				sum += v * upstream[i]
			}
			return sum
		}
		dev.Fill(c.factors.GradA, 0)
		dev.Fill(c.factors.GradB, 0)
		dx := filled(dev, tokens, in, next)
		before := read(dev, dx)
		loss()
		c.layer.Backward(dx, dy, x, true)
		gradX := read(dev, dx)
		for i := range gradX {
			gradX[i] -= before[i]
		}
		checks := map[string]struct {
			value device.Tensor
			got   []float64
		}{"x": {x, gradX}, "A": {c.factors.A, read(dev, c.factors.GradA)}, "B": {c.factors.B, read(dev, c.factors.GradB)}}
		for name, check := range checks {
			values := read(dev, check.value)
			for i, v := range values {
				difference := 0.0
				for _, side := range []float64{1, -1} {
					values[i] = v + side*1e-4
					dev.Write(check.value, values)
					difference += side * loss() / 2e-4
				}
				values[i] = v
				dev.Write(check.value, values)
				if !(math.Abs(check.got[i]-difference) <= 1e-7*(1+math.Abs(difference))) {
					t.Errorf("%s: gradient of %s, element %d: got %.9g, differences give %.9g", c.name, name, i, check.got[i], difference)
				}
			}
		}
	}
}

// TestMagnitudeGradient compares DoRA's gradient of m with Σ_t dy·(y-bias)/m: y - bias is linear in m.
func TestMagnitudeGradient(t *testing.T) {
	dev := reference.New()
	_, dora := adapters(dev, 21)
	next := modeltest.Source(22)
	x, dy, y := filled(dev, tokens, in, next), filled(dev, tokens, out, next), dev.New(tokens, out)
	dora.Forward(y, x)
	dora.Backward(device.Tensor{}, dy, x, false)
	results, upstream := read(dev, y), read(dev, dy)
	bias, magnitude := read(dev, dora.Base.Bias.Value), read(dev, dora.Magnitude)
	for j, got := range read(dev, dora.GradMagnitude) {
		want := 0.0
		for i := j; i < tokens*out; i += out {
			want += upstream[i] * (results[i] - bias[j]) / magnitude[j]
		}
		if !(math.Abs(got-want) <= 1e-12*(1+math.Abs(want))) {
			t.Errorf("m[%d]: got %.12g, expected %.12g", j, got, want)
		}
	}
}

// TestMergedIsTheSameLayer lets the layers work on the rows of the identity: what comes out is the transposed weight that
// merging writes, plus the bias.
func TestMergedIsTheSameLayer(t *testing.T) {
	dev := reference.New()
	lora, dora := adapters(dev, 31)
	identity, y := dev.New(in, in), dev.New(in, out)
	ones := make([]float64, in*in)
	for i := range in {
		ones[i*in+i] = 1
	}
	dev.Write(identity, ones)
	delta := dev.New(out, in)
	lora.Delta(delta)
	dev.Combine(delta, lora.Base.Weight.Value, 1, 1)
	merged := map[string][]float64{"lora": read(dev, delta)}
	if err := dora.MergedRows(func(_ int, values []float64) error {
		merged["dora"] = append(merged["dora"], values...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, layer := range map[string]linear{"lora": lora, "dora": dora} {
		layer.Forward(y, identity)
		got, bias := read(dev, y), read(dev, lora.Base.Bias.Value)
		for j := range out {
			for i := range in {
				if want := merged[name][j*in+i] + bias[j]; !(math.Abs(got[i*out+j]-want) <= 1e-12) {
					t.Errorf("%s: weight [%d, %d]: the layer computes %.12g, merged %.12g", name, j, i, got[i*out+j], want)
				}
			}
		}
	}
}

// TestNormsFollowChanges changes A and m: with Changed, DoRA's rows have the new norms |m|; the direction is W + s·B·A.
func TestNormsFollowChanges(t *testing.T) {
	dev := reference.New()
	_, dora := adapters(dev, 41)
	next := modeltest.Source(42)
	rows := func() (norms []float64) {
		if err := dora.MergedRows(func(_ int, values []float64) error {
			sum := 0.0
			for _, v := range values {
				sum += v * v
			}
			norms = append(norms, math.Sqrt(sum))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return norms
	}
	for round := range 3 {
		for j, got := range rows() {
			if want := math.Abs(read(dev, dora.Magnitude)[j]); !(math.Abs(got-want) <= 1e-12) {
				t.Errorf("round %d: row %d has norm %.12g, expected |m| = %.12g", round, j, got, want)
			}
		}
		dev.Write(dora.A, read(dev, filled(dev, rank, in, next)))
		dev.Write(dora.Magnitude, read(dev, filled(dev, 1, out, next)))
		dora.Changed()
	}
}

// TestZeroRow merges a DoRA whose row of W + s·B·A is zero: there is no direction to scale.
func TestZeroRow(t *testing.T) {
	dev := reference.New()
	_, dora := adapters(dev, 51)
	dev.Fill(dora.Base.Weight.Value, 0)
	dev.Fill(dora.B, 0)
	dora.Changed()
	if err := dora.MergedRows(func(int, []float64) error { return fmt.Errorf("got a row") }); err == nil {
		t.Error("got no error")
	} else {
		t.Log(err)
	}
}
