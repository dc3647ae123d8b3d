package generate

import (
	"math"
	"slices"
	"testing"
)

// The first value is from the known-answer tests of the authors' library Random123.
func TestPhilox(t *testing.T) {
	if a, b := philox(0, 0, 0); a != 0xca00a0459843d731 || b != 0x66c24222c9a845b5 {
		t.Errorf("philox(0, 0, 0) = %x %x", a, b)
	}
	sum, seen := 0.0, map[float64]bool{}
	for i := range uint64(10000) {
		u := uniform(9, i%100, i/100)
		if u < 0 || u >= 1 || seen[u] {
			t.Fatalf("draw %d: %g", i, u)
		}
		seen[u] = true
		sum += u
	}
	if mean := sum / 10000; !(math.Abs(mean-0.5) <= 0.01) {
		t.Errorf("mean %g, expected about 0.5", mean)
	}
}

// kept lists the tokens that a sampler can draw at all, with their shares, by drawing along a fine grid.
func kept(s *sampler, logits []float64) map[int32]float64 {
	const grid = 10000
	shares := map[int32]float64{}
	for i := range grid {
		shares[s.draw(slices.Clone(logits), (float64(i)+0.5)/grid)] += 1.0 / grid
	}
	return shares
}

func TestSampler(t *testing.T) {
	// Probabilities 0.4, 0.1, 0.3, 0.2.
	logits := []float64{math.Log(0.4), math.Log(0.1), math.Log(0.3), math.Log(0.2)}
	for name, c := range map[string]struct {
		sampler sampler
		logits  []float64
		want    map[int32]float64
	}{
		"all":         {sampler{temperature: 1, topP: 1}, logits, map[int32]float64{0: .4, 1: .1, 2: .3, 3: .2}},
		"temperature": {sampler{temperature: 0.5, topP: 1}, logits, map[int32]float64{0: .16 / .3, 1: .01 / .3, 2: .09 / .3, 3: .04 / .3}},
		"top_k":       {sampler{temperature: 1, topP: 1, topK: 2}, logits, map[int32]float64{0: .4 / .7, 2: .3 / .7}},
		"top_k beyond the vocabulary": {sampler{temperature: 1, topP: 1, topK: 9}, logits,
			map[int32]float64{0: .4, 1: .1, 2: .3, 3: .2}},
		"ties of top_k stay": {sampler{temperature: 1, topP: 1, topK: 1}, []float64{2, 1, 2}, map[int32]float64{0: .5, 2: .5}},
		"top_p just reached": {sampler{temperature: 1, topP: 0.69}, logits, map[int32]float64{0: .4 / .7, 2: .3 / .7}},
		"top_p just missed":  {sampler{temperature: 1, topP: 0.71}, logits, map[int32]float64{0: .4 / .9, 2: .3 / .9, 3: .2 / .9}},
		"tiny top_p":         {sampler{temperature: 1, topP: 1e-9}, logits, map[int32]float64{0: 1}},
		"top_p after top_k":  {sampler{temperature: 1, topP: 0.5, topK: 2}, logits, map[int32]float64{0: 1}},
		"cold":               {sampler{temperature: 1e-9, topP: 1}, logits, map[int32]float64{0: 1}},
	} {
		got := kept(&c.sampler, c.logits)
		if len(got) != len(c.want) {
			t.Errorf("%s: draws %v, expected %v", name, got, c.want)
		}
		for token, share := range c.want {
			if !(math.Abs(got[token]-share) <= 2e-4) {
				t.Errorf("%s: token %d has the share %g, expected %g", name, token, got[token], share)
			}
		}
	}
}

// TestNucleus compares the cut of a large vocabulary with sorting all of it.
func TestNucleus(t *testing.T) {
	for seed := range uint64(20) {
		logits := make([]float64, 3000)
		for i := range logits {
			logits[i] = 12 * (uniform(seed, 0, uint64(i)) - 0.5)
		}
		for _, p := range []float64{0.1, 0.5, 0.9, 0.999} {
			s := sampler{temperature: 1, topP: p}
			got, _ := s.nucleus(s.candidates(logits))
			all := (&sampler{temperature: 1, topP: 1}).candidates(logits)
			slices.SortFunc(all, byScore)
			total := 0.0
			for _, c := range all {
				total += c.score
			}
			n := 0
			for sum := 0.0; sum < p*total; n++ {
				sum += all[n].score
			}
			if !slices.Equal(got, all[:n]) {
				t.Fatalf("seed %d, p %g: %d tokens, expected the first %d", seed, p, len(got), n)
			}
		}
	}
}

func TestLargest(t *testing.T) {
	got := largest(nil, []float64{1, 5, 3, 5, -2, 3}, 4)
	want := []scored{{5, 1}, {5, 3}, {3, 2}, {3, 5}}
	if !slices.Equal(got, want) {
		t.Errorf("largest: %v, expected %v", got, want)
	}
	if got := largest(got, []float64{1, 2}, 4); !slices.Equal(got, []scored{{2, 1}, {1, 0}}) {
		t.Errorf("largest of fewer: %v", got)
	}
}

func TestPenalty(t *testing.T) {
	p := newPenalty(2, 5)
	for range 2 {
		logits := []float64{4, -4, 4, -4, 0}
		p.apply(logits, 0, []int32{0, 1, 0}, []int32{1, 4, 0})
		if want := []float64{2, -8, 4, -4, 0}; !slices.Equal(logits, want) {
			t.Errorf("logits %v, expected %v", logits, want)
		}
	}
	logits := []float64{4, 6, 1, 0, 0}
	p.apply(logits, 5, []int32{0, 1})
	if want := []float64{3, 5.5, 1, 0, 0}; !slices.Equal(logits, want) {
		t.Errorf("log-probabilities: %v, expected %v", logits, want)
	}
}

func TestNotFinite(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for name, s := range map[string]search{
			"greedy": &single{opts: &Options{}, penalty: newPenalty(1, 3)},
			"beams":  newBeamSearch(&Options{Beams: 2}, newPenalty(1, 3), nil),
		} {
			if err := s.observe(0, []float64{1, v, 2}); err != errNotFinite {
				t.Errorf("%s, %g: error %v", name, v, err)
			}
		}
	}
}
