package model_test

import (
	"math"
	"testing"

	"smt/device"
	"smt/device/cpu"
	"smt/device/reference"
	"smt/model"
	"smt/model/modeltest"
)

// TestCompact compares steps whose activations are kept in bfloat16 with exact ones: the same bits of the loss, gradients
// that are off by about 1/256, on batches with and without a tail, with everything learning or only the upper layer.
func TestCompact(t *testing.T) {
	devices := map[string]func() device.Device{
		"reference": func() device.Device { return reference.New() }, "cpu": func() device.Device { return cpu.New(cpu.WithThreads(2)) }}
	ids, labels := tailRows()
	for name, config := range families() {
		for _, learns := range []string{"all", "last v"} {
			for _, supervised := range []int{16, 64} {
				for kind, newDevice := range devices {
					t.Run(name+" "+learns+" "+kind, func(t *testing.T) {
						base := modeltest.Open(t, config, 1)
						dev := newDevice()
						d, err := model.New(dev, base)
						if err != nil {
							t.Fatal(err)
						}
						for _, p := range d.Parameters {
							p.Thaw(dev)
							if learns == "all" || p.Name == "model.layers.1.self_attn.v_proj.weight" {
								p.WantGradient(dev)
							}
						}
						run := func(compact bool) (loss float64, all []float64) {
							d.Prepare(model.Limits{Tokens: 64, Supervised: supervised, Positions: 64, Backward: true, Compact: compact})
							for _, p := range d.Parameters {
								if p.Learns() {
									dev.Fill(p.Grad, 0)
								}
							}
							loss = step(t, d, ids, labels, 0.3)
							for _, p := range d.Parameters {
								if p.Learns() {
									g := make([]float64, p.Len())
									dev.Read(p.Grad, g)
									all = append(all, g...)
								}
							}
							return loss, all
						}
						wantLoss, want := run(false)
						loss, got := run(true)
						if loss != wantLoss {
							t.Errorf("loss %.15g, exact %.15g", loss, wantLoss)
						}
						if off := relative(got, want); !(off < 0.01) || off == 0 {
							t.Errorf("gradients are off by %g (relative L2), expected some thousandths", off)
						}
						// And back again.
						if loss, again := run(false); loss != wantLoss || relative(again, want) != 0 {
							t.Error("the exact step after a compact one differs from the one before")
						}
					})
				}
			}
		}
	}
}

// relative is |a-b| / |b|.
func relative(a, b []float64) float64 {
	difference, size := 0.0, 0.0
	for i := range b {
		difference += (a[i] - b[i]) * (a[i] - b[i])
		size += b[i] * b[i]
	}
	return math.Sqrt(difference / size)
}

// TestCompactIsSmall compares the memory of both ways to keep activations.
func TestCompactIsSmall(t *testing.T) {
	config := modeltest.Llama()
	config["num_hidden_layers"] = 12
	base := modeltest.Open(t, config, 1)
	bytes := func(compact bool) int64 {
		dev := cpu.New(cpu.WithThreads(1))
		d, err := model.New(dev, base)
		if err != nil {
			t.Fatal(err)
		}
		d.Linears()[0].Base.Weight.WantGradient(dev)
		d.Prepare(model.Limits{Tokens: 512, Supervised: 16, Positions: 64, Backward: true, Compact: compact})
		return dev.Allocated()
	}
	if compact, exact := bytes(true), bytes(false); 10*compact > 7*exact {
		t.Errorf("%d bytes with activations in bfloat16, %d with floats: expected at most 70 %%", compact, exact)
	}
}

// TestPrecisions runs a step in every precision: all losses and gradients lie near those of float32.
func TestPrecisions(t *testing.T) {
	ids, labels := tailRows()
	dev := cpu.New(cpu.WithThreads(2))
	d, err := model.New(dev, modeltest.Open(t, modeltest.Llama(), 1))
	if err != nil {
		t.Fatal(err)
	}
	norm := d.Parameter("model.layers.0.input_layernorm.weight")
	norm.Thaw(dev)
	norm.WantGradient(dev)
	d.Prepare(model.Limits{Tokens: 64, Supervised: 64, Positions: 64, Backward: true})
	run := func(p model.Precision) (float64, []float64) {
		if err := d.SetPrecision(p, nil); err != nil {
			t.Fatal(err)
		}
		dev.Fill(norm.Grad, 0)
		loss, g := step(t, d, ids, labels, 0.3), make([]float64, norm.Len())
		dev.Read(norm.Grad, g)
		return loss, g
	}
	wantLoss, want := run(model.Float32)
	for p, most := range map[model.Precision]float64{model.BF16: 0.02, model.Int8Backward: 0.1, model.Int8: 0.15, model.Int8Warmup: 0.1} {
		loss, got := run(p)
		if off := relative(got, want); !(off < most) || off == 0 {
			t.Errorf("%s: gradients are off by %g, expected at most %g", p, off, most)
		}
		if exact := p == model.Int8Backward; exact != (loss == wantLoss) || !(math.Abs(loss-wantLoss) <= 0.02*wantLoss) {
			t.Errorf("%s: loss %g, in float32 %g", p, loss, wantLoss)
		}
	}
	if loss, got := run(model.Float32); loss != wantLoss || relative(got, want) != 0 {
		t.Error("float32 after the other precisions gives other bits")
	}
	if err := d.SetPrecision("int4", nil); err == nil {
		t.Error("precision int4 was accepted")
	}
}

// TestCompactAttention gives keys a bias of hundreds, as Qwen2.5 has, so that rounding moves the scores of attention by tenths. Whatever
// the weights are, those of a query add up to 1: the gradient of v's bias, which is that of attention's results summed over the tokens,
// does not depend on them.
func TestCompactAttention(t *testing.T) {
	config := modeltest.Llama()
	config["attention_bias"] = true
	dev := cpu.New(cpu.WithThreads(2))
	d, err := model.New(dev, modeltest.Open(t, config, 1))
	if err != nil {
		t.Fatal(err)
	}
	next := modeltest.Source(3)
	const layer = "model.layers.1.self_attn."
	for name, size := range map[string]float64{"q_proj": 4, "k_proj": 200} {
		p := d.Parameter(layer + name + ".bias")
		p.Thaw(dev)
		values := make([]float64, p.Len())
		for i := range values {
			values[i] = size * next()
		}
		dev.Write(p.Value, values)
	}
	bias := d.Parameter(layer + "v_proj.bias")
	bias.Thaw(dev)
	ids, labels := tailRows()
	gradient := func(compact bool) []float64 {
		bias.WantGradient(dev)
		d.Prepare(model.Limits{Tokens: 64, Supervised: 16, Positions: 64, Backward: true, Compact: compact})
		step(t, d, ids, labels, 0.3)
		g := make([]float64, bias.Len())
		dev.Read(bias.Grad, g)
		return g
	}
	if off := relative(gradient(true), gradient(false)); !(off < 0.01) {
		t.Errorf("the gradient of v's bias is off by %g (relative L2), expected some thousandths", off)
	}
}
