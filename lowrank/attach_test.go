package lowrank_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"smt/device/reference"
	"smt/export"
	"smt/lowrank"
	"smt/model"
	"smt/model/modeltest"
)

// logits runs a few tokens through a decoder.
func logits(t *testing.T, dec *model.Decoder) []float64 {
	t.Helper()
	var input model.Input
	input.SetRows([][]int32{{1, 5, 9, 13, 2}}, nil)
	input.Targets = []int32{0, 1, 2, 3, 4}
	dec.Prepare(model.Limits{Tokens: 5, Supervised: 5, Positions: 5})
	values := make([]float64, 5*dec.Config.VocabSize)
	if err := dec.Logits(&input, nil, func(row int, l []float64) { copy(values[row*len(l):], l) }); err != nil {
		t.Fatal(err)
	}
	return values
}

// TestNewAdapterChangesNothing attaches new adapters: with B zero and m the norms of W's rows, the model is what it was.
func TestNewAdapterChangesNothing(t *testing.T) {
	dev, base := reference.New(), modeltest.Open(t, modeltest.Llama(), 1)
	plain, err := model.New(dev, base)
	if err != nil {
		t.Fatal(err)
	}
	want := logits(t, plain)
	for _, dora := range []bool{false, true} {
		dec, err := model.New(dev, base)
		if err != nil {
			t.Fatal(err)
		}
		layers, rank, err := lowrank.AttachNew(dev, dec, lowrank.Options{Modules: []string{"q_proj", "v_proj", "down_proj"}, Rank: 3, DoRA: dora, Seed: 9})
		if err != nil || rank != 3 || len(layers) != 3*base.Config.Layers {
			t.Fatalf("got %d layers of rank %d (%v)", len(layers), rank, err)
		}
		for i, x := range logits(t, dec) {
			if !(math.Abs(x-want[i]) <= 1e-6) { // m is stored in float32
				t.Fatalf("dora %v: logit %d is %g, was %g", dora, i, x, want[i])
			}
		}
		trained := lowrank.Tensors(layers)
		if per := map[bool]int{false: 2, true: 3}[dora]; len(trained) != per*len(layers) {
			t.Errorf("dora %v: %d trained tensors, expected %d for each of %d layers", dora, len(trained), per, len(layers))
		}
		for _, m := range lowrank.Read(dev, layers) {
			bound := float32(1 / math.Sqrt(float64(m.In)))
			if low, high := slices.Min(m.A), slices.Max(m.A); low < -bound || high > bound || low > -bound/2 || high < bound/2 {
				t.Errorf("%s: A lies in [%g, %g], expected to fill ±%g", m.Name, low, high, bound)
			}
			if slices.Max(m.B) != 0 || slices.Min(m.B) != 0 {
				t.Errorf("%s: B is not zero", m.Name)
			}
		}
	}
}

// TestRankOfShare gives the rank whose parameters come nearest to the share, and equal seeds give equal adapters.
func TestRankOfShare(t *testing.T) {
	dev, base := reference.New(), modeltest.Open(t, modeltest.Llama(), 1)
	attach := func(seed uint64) ([]lowrank.Layer, int) {
		dec, err := model.New(dev, base)
		if err != nil {
			t.Fatal(err)
		}
		layers, rank, err := lowrank.AttachNew(dev, dec, lowrank.Options{Modules: []string{"v_proj"}, Share: 0.05, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return layers, rank
	}
	layers, rank := attach(4)
	v := layers[0].Slot
	perRank := float64(len(layers) * (v.In + v.Out))
	if want := 0.05 * float64(base.Config.Params()); !(math.Abs(float64(rank)*perRank-want) <= perRank/2) {
		t.Errorf("rank %d has %g parameters, expected the nearest to %g", rank, float64(rank)*perRank, want)
	}
	same, _ := attach(4)
	other, _ := attach(5)
	a, b, c := lowrank.Read(dev, layers)[1].A, lowrank.Read(dev, same)[1].A, lowrank.Read(dev, other)[1].A
	if !slices.Equal(a, b) || slices.Equal(a, c) {
		t.Error("expected equal adapters of equal seeds and different ones of different seeds")
	}
}

func TestAttachRefuses(t *testing.T) {
	dev, base := reference.New(), modeltest.Open(t, modeltest.Llama(), 1)
	dec, err := model.New(dev, base)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := lowrank.AttachNew(dev, dec, lowrank.Options{Modules: []string{"w_proj"}}); err == nil || !strings.Contains(err.Error(), "w_proj") {
		t.Errorf("a module that is not there: got %v", err)
	}
	fits := export.LowRankMatrix{Name: "model.layers.0.self_attn.q_proj", Out: 32, In: 32, A: make([]float32, 32), B: make([]float32, 32)}
	for _, c := range []struct {
		what string
		edit func(*export.LowRankMatrix)
	}{
		{"not a linear layer", func(m *export.LowRankMatrix) { m.Name = "model.layers.7.self_attn.q_proj" }},
		{"do not fit rank 1", func(m *export.LowRankMatrix) { m.A = m.A[:31] }},
		{"do not fit rank 1", func(m *export.LowRankMatrix) { m.B = m.B[:16] }},
	} {
		m := fits
		c.edit(&m)
		if _, err := lowrank.Attach(dev, dec, &export.LowRank{Rank: 1, Alpha: 1, Matrices: []export.LowRankMatrix{m}}, false); err == nil || !strings.Contains(err.Error(), c.what) {
			t.Errorf("got %v, expected an error with %q", err, c.what)
		}
	}
	if _, err := lowrank.Attach(dev, dec, &export.LowRank{Rank: 1, Alpha: 1, Matrices: []export.LowRankMatrix{fits}}, false); err != nil {
		t.Error(err)
	}
}
