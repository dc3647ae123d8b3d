package model_test

import (
	"fmt"
	"math"
	"testing"

	"smt/device"
	"smt/device/reference"
	"smt/model"
	"smt/model/modeltest"
)

// families are tiny models that between them use every flag of the decoder.
func families() map[string]map[string]any {
	llama := modeltest.Llama()
	tied := modeltest.Llama()
	tied["tie_word_embeddings"], tied["attention_bias"], tied["mlp_bias"] = true, true, true
	mistral := modeltest.Llama()
	mistral["architectures"], mistral["sliding_window"], mistral["num_key_value_heads"] = []string{"MistralForCausalLM"}, 4, 1
	qwen := modeltest.Llama()
	qwen["architectures"], qwen["head_dim"] = []string{"Qwen3ForCausalLM"}, 12
	return map[string]map[string]any{"llama": llama, "tied with biases": tied, "mistral": mistral, "qwen3": qwen}
}

// rows are packed rows of different lengths with some supervised positions.
func rows(n int) (ids, labels [][]int32) {
	next := modeltest.Source(5)
	for r := range n {
		row, label := make([]int32, 5+4*r), make([]int32, 5+4*r)
		for i := range row {
			row[i], label[i] = int32(math.Abs(next())*13), -100
		}
		for i := len(row) / 2; i+1 < len(row); i++ {
			label[i] = row[i+1]
		}
		ids, labels = append(ids, row), append(labels, label)
	}
	return ids, labels
}

// prepared makes a decoder in which every parameter learns.
func prepared(t *testing.T, dev device.Device, base *model.Base, checkpointing bool) *model.Decoder {
	t.Helper()
	d, err := model.New(dev, base)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Parameters {
		p.Thaw(dev)
		p.WantGradient(dev)
	}
	d.Prepare(model.Limits{Tokens: 64, Supervised: 64, Positions: 64, Backward: true, Checkpointing: checkpointing})
	return d
}

func gradients(d *model.Decoder) map[string][]float64 {
	out := map[string][]float64{}
	for _, p := range d.Parameters {
		g := make([]float64, p.Len())
		d.Device.Read(p.Grad, g)
		out[p.Name] = g
	}
	return out
}

func step(t *testing.T, d *model.Decoder, ids, labels [][]int32, scale float64) float64 {
	t.Helper()
	var in model.Input
	in.SetRows(ids, labels)
	loss, err := d.Step(&in, scale)
	if err != nil {
		t.Fatal(err)
	}
	return loss
}

// maxDifference is the largest difference between two sets of gradients.
func maxDifference(a, b map[string][]float64) (worst float64, name string) {
	for n, g := range a {
		for i := range g {
			if d := math.Abs(g[i] - b[n][i]); d > worst || math.IsNaN(d) {
				worst, name = d, n
			}
		}
	}
	return worst, name
}

// TestGradients compares every parameter's gradient with central differences of the loss, at a few of its elements.
func TestGradients(t *testing.T) {
	for name, config := range families() {
		t.Run(name, func(t *testing.T) {
			dev := reference.New()
			d := prepared(t, dev, modeltest.Open(t, config, 1), false)
			ids, labels := rows(3)
			const scale = 0.1
			step(t, d, ids, labels, scale)
			got := gradients(d)
			var in model.Input
			in.SetRows(ids, labels)
			for _, p := range d.Parameters {
				values := make([]float64, p.Len())
				dev.Read(p.Value, values)
				for k := range 3 {
					i := (k*7919 + 13) % p.Len()
					if p.Name == "model.embed_tokens.weight" {
						i = int(ids[0][k])*p.Cols + k // a token that occurs
					}
					const h = 1e-5
					keep := values[i]
					at := func(v float64) float64 {
						values[i] = v
						dev.Write(p.Value, values)
						loss, err := d.Loss(&in)
						if err != nil {
							t.Fatal(err)
						}
						return loss
					}
					want := scale * (at(keep+h) - at(keep-h)) / (2 * h)
					at(keep)
					if diff := math.Abs(got[p.Name][i] - want); diff > 1e-7+1e-5*math.Abs(want) {
						t.Errorf("%s[%d]: gradient %g, differences give %g", p.Name, i, got[p.Name][i], want)
					}
				}
			}
		})
	}
}

// TestPackingEqualsSeparateRows shows that rows which share a sequence do not see each other: losses and gradients equal
// the sums over the rows alone.
func TestPackingEqualsSeparateRows(t *testing.T) {
	for name, config := range families() {
		t.Run(name, func(t *testing.T) {
			base := modeltest.Open(t, config, 2)
			ids, labels := rows(3)
			packed, alone := prepared(t, reference.New(), base, false), prepared(t, reference.New(), base, false)
			together := step(t, packed, ids, labels, 1)
			sum := 0.0
			for r := range ids {
				sum += step(t, alone, ids[r:r+1], labels[r:r+1], 1)
			}
			if !(math.Abs(together-sum) <= 1e-11*sum) {
				t.Errorf("packed rows lose %g, alone %g", together, sum)
			}
			if diff, name := maxDifference(gradients(packed), gradients(alone)); !(diff < 1e-11) {
				t.Errorf("gradients of %s differ by %g", name, diff)
			}
		})
	}
}

// TestCheckpointingIsExact shows that recomputing activations changes no bit.
func TestCheckpointingIsExact(t *testing.T) {
	for name, config := range families() {
		t.Run(name, func(t *testing.T) {
			base := modeltest.Open(t, config, 3)
			ids, labels := rows(2)
			kept, again := prepared(t, reference.New(), base, false), prepared(t, reference.New(), base, true)
			for range 2 { // twice: buffers are used again
				if a, b := step(t, kept, ids, labels, 1), step(t, again, ids, labels, 1); a != b {
					t.Errorf("loss %g, with checkpointing %g", a, b)
				}
			}
			if diff, name := maxDifference(gradients(kept), gradients(again)); diff != 0 {
				t.Errorf("gradients of %s differ by %g", name, diff)
			}
		})
	}
}

// TestPartialLearning lets one parameter learn at a time: the backward pass then stops early, but the gradient is the same.
func TestPartialLearning(t *testing.T) {
	for name, config := range families() {
		t.Run(name, func(t *testing.T) {
			base := modeltest.Open(t, config, 4)
			ids, labels := rows(2)
			all := prepared(t, reference.New(), base, false)
			step(t, all, ids, labels, 1)
			want := gradients(all)
			for _, name := range append([]string{}, names(all)...) {
				dev := reference.New()
				d, err := model.New(dev, base)
				if err != nil {
					t.Fatal(err)
				}
				d.Parameter(name).WantGradient(dev)
				d.Prepare(model.Limits{Tokens: 64, Supervised: 64, Positions: 64, Backward: true})
				step(t, d, ids, labels, 1)
				got := make([]float64, d.Parameter(name).Len())
				dev.Read(d.Parameter(name).Grad, got)
				for i := range got {
					if !(math.Abs(got[i]-want[name][i]) <= 1e-12) {
						t.Fatalf("%s[%d]: alone %g, with all others %g", name, i, got[i], want[name][i])
					}
				}
			}
		})
	}
}

func names(d *model.Decoder) []string {
	var out []string
	for _, p := range d.Parameters {
		out = append(out, p.Name)
	}
	return out
}

// TestCacheEqualsFullPass generates with keys and values kept, two sequences at a time, and compares every step's logits
// with those of a full pass.
func TestCacheEqualsFullPass(t *testing.T) {
	for name, config := range families() {
		t.Run(name, func(t *testing.T) {
			base := modeltest.Open(t, config, 5)
			ids, _ := rows(2)
			d, err := model.New(reference.New(), base)
			if err != nil {
				t.Fatal(err)
			}
			d.Prepare(model.Limits{Tokens: 64, Supervised: 64, Positions: 64})
			want := map[string][]float64{}
			var in model.Input
			in.SetRows(ids, nil)
			for i := range in.IDs {
				in.Targets = append(in.Targets, int32(i))
			}
			position := func(i int) string {
				if i < len(ids[0]) {
					return fmt.Sprint(0, i)
				}
				return fmt.Sprint(1, i-len(ids[0]))
			}
			if err := d.Logits(&in, nil, func(i int, row []float64) { want[position(i)] = append([]float64{}, row...) }); err != nil {
				t.Fatal(err)
			}
			cache := d.NewCache(3, 32)
			slots := []int{2, 0}
			compare := func(at []int) {
				if err := d.Logits(&in, cache, func(i int, row []float64) {
					for j, v := range row {
						if !(math.Abs(v-want[fmt.Sprint(i, at[i])][j]) <= 1e-11) {
							t.Fatalf("sequence %d, position %d, logit %d: %g, full pass %g", i, at[i], j, v, want[fmt.Sprint(i, at[i])][j])
						}
					}
				}); err != nil {
					t.Fatal(err)
				}
			}
			if err := cache.Extend(&in, slots, [][]int32{ids[0][:2], ids[1][:3]}); err != nil {
				t.Fatal(err)
			}
			compare([]int{1, 2})
			for n := 2; n < len(ids[0]); n++ {
				if err := cache.Extend(&in, slots, [][]int32{ids[0][n : n+1], ids[1][n+1 : n+2]}); err != nil {
					t.Fatal(err)
				}
				compare([]int{n, n + 1})
			}
		})
	}
}

func TestStepRefusesBadInput(t *testing.T) {
	d := prepared(t, reference.New(), modeltest.Open(t, modeltest.Llama(), 6), false)
	for name, in := range map[string]model.Input{
		"no tokens":       {},
		"id too large":    {IDs: []int32{40}, Positions: []int32{0}},
		"negative id":     {IDs: []int32{-1}, Positions: []int32{0}},
		"label too large": {IDs: []int32{1}, Positions: []int32{0}, Targets: []int32{0}, Labels: []int32{99}},
		"position":        {IDs: []int32{1}, Positions: []int32{64}},
		"too many tokens": {IDs: make([]int32, 65), Positions: make([]int32, 65)},
	} {
		if _, err := d.Step(&in, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestPrepareAgain prepares for the forward pass alone, where all layers share their memory, then for less and for all of
// the backward pass: gradients are those of a decoder that was prepared once.
func TestPrepareAgain(t *testing.T) {
	config := modeltest.Llama()
	config["num_hidden_layers"] = 4
	dev, base := reference.New(), modeltest.Open(t, config, 1)
	ids, labels := rows(3)
	once := prepared(t, dev, base, false)
	step(t, once, ids, labels, 1)
	again, err := model.New(dev, base)
	if err != nil {
		t.Fatal(err)
	}
	limits := model.Limits{Tokens: 64, Supervised: 64, Positions: 64}
	again.Prepare(limits)
	var in model.Input
	in.SetRows(ids, labels)
	if _, err := again.Loss(&in); err != nil {
		t.Fatal(err)
	}
	limits.Backward = true
	top := again.Parameter("model.layers.3.self_attn.v_proj.weight")
	top.WantGradient(dev)
	again.Prepare(limits)
	step(t, again, ids, labels, 1)
	for _, p := range again.Parameters {
		p.Thaw(dev)
		p.WantGradient(dev)
	}
	again.Prepare(limits)
	step(t, again, ids, labels, 1)
	if worst, at := maxDifference(gradients(again), gradients(once)); worst != 0 {
		t.Errorf("gradient of %s: difference %g", at, worst)
	}
}
