package experiment

import (
	"math"
	"slices"
	"testing"

	"smt/config"
)

// falling is a loss curve with a ripple of 5 %, as training losses have.
func falling(n int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = 2*math.Exp(-float64(i)/60) + 0.5
		xs[i] *= 1 + 0.05*math.Sin(float64(i*i))
	}
	return xs
}

func TestSpikes(t *testing.T) {
	xs := falling(200)
	if at := Spikes(xs, SpikeDeviations); at != nil {
		t.Errorf("a curve without spikes has them at %v", at)
	}
	xs[90], xs[150] = 6, 4
	if at := Spikes(xs, SpikeDeviations); !slices.Equal(at, []int{90, 150}) {
		t.Errorf("spikes at %v, expected 90 and 150", at)
	}
	xs[120] = math.NaN()
	if at := Spikes(xs, SpikeDeviations); !slices.Equal(at, []int{90, 150}) {
		t.Errorf("spikes beside a NaN at %v, expected 90 and 150", at)
	}
	flat := make([]float64, 50)
	for i := range flat {
		flat[i] = 1
	}
	flat[40] = 1.01
	if at := Spikes(flat, SpikeDeviations); at != nil {
		t.Errorf("1 %% above a constant is a spike at %v", at)
	}
}

func TestSeriesSignatures(t *testing.T) {
	losses, norms := falling(100), falling(100)
	losses[60], norms[70] = math.Inf(1), 40
	var kinds []string
	for _, s := range SeriesSignatures("c", losses, norms) {
		kinds = append(kinds, s.Kind)
		if s.Cell != "c" || s.Text == "" {
			t.Errorf("%+v names no cell or says nothing", s)
		}
	}
	if want := []string{NotFinite, NormSpike}; !slices.Equal(kinds, want) {
		t.Errorf("found %q, expected %q", kinds, want)
	}
}

func TestLearning(t *testing.T) {
	if s := learning("c", falling(100)); s != nil {
		t.Errorf("a falling loss: %v", s)
	}
	rising := falling(100)
	slices.Reverse(rising)
	if s := learning("c", rising); len(s) != 1 || s[0].Kind != NoLearning {
		t.Errorf("a rising loss: %v", s)
	}
}

func TestMemoryAndShareSignatures(t *testing.T) {
	if MemorySignature("c", 1100, 1000) != nil || MemorySignature("c", 10, 0) != nil {
		t.Error("10 % above the plan, or no plan, is a signature")
	}
	if s := MemorySignature("c", 1300, 1000); len(s) != 1 || s[0].Kind != AbovePlan {
		t.Errorf("30 %% above the plan: %v", s)
	}
	if ShareSignature("c", 0.94, 0.2) != nil {
		t.Error("94 % in V is unusual")
	}
	if s := ShareSignature("c", 0.3, 0.2); len(s) != 1 {
		t.Errorf("30 %% in V: %v", s)
	}
}

// TestPaperLike checks for which recipes the paper's share of V is to be expected.
func TestPaperLike(t *testing.T) {
	like := config.Recipe{Selection: "global", BlockScore: "mean_abs_sum", TargetModules: []string{"v_proj", "q_proj", "k_proj"}}
	if !paperLike(like) {
		t.Errorf("%v, ranked together by gradients, is not like the paper", like.TargetModules)
	}
	spread, magnitude, wider := like, like, like
	spread.Selection, magnitude.BlockScore, wider.TargetModules = "spread", "magnitude", append([]string{"o_proj"}, like.TargetModules...)
	for name, r := range map[string]config.Recipe{"spread": spread, "by magnitude": magnitude, "more modules": wider} {
		if paperLike(r) {
			t.Errorf("%s: like the paper", name)
		}
	}
}

func TestGrouped(t *testing.T) {
	got := Grouped([]Signature{{"a", "smt 1", "x", "smt"}, {"a", "smt 2", "y", "smt"}, {"a", "lora 1", "z", "lora"}, {"b", "", "u", ""}, {"b", "", "v", ""}})
	if len(got) != 4 || got[0].Text != "x (and the like in another cell)" || got[1].Text != "z" || got[3].Text != "v" {
		t.Errorf("%+v", got)
	}
}

func TestPlateauFrom(t *testing.T) {
	for _, c := range []struct {
		steps []float64 // gains of neighbours; standard errors are 0.01
		want  int
	}{
		{[]float64{0.3, 0.2}, -1},
		{[]float64{0.3, 0.01, -0.1}, 1},
		{[]float64{0.3, 0.01, 0.1}, -1},
		{[]float64{0, 0}, 0},
		{[]float64{0.015, 0.015, 0.015}, 2}, // together 0.045
		{[]float64{-0.1, 0.1, 0}, 2},
		{[]float64{0.3, math.NaN()}, -1},
		{nil, -1},
	} {
		var gains [][]Estimate
		for i := range c.steps {
			var over []Estimate
			sum := 0.0
			for _, step := range c.steps[i:] {
				sum += step
				over = append(over, Estimate{Mean: sum, StandardError: 0.01, N: 10})
			}
			gains = append(gains, over)
		}
		if got := PlateauFrom(gains); got != c.want {
			t.Errorf("%v: plateau from %d, expected %d", c.steps, got, c.want)
		}
	}
}
