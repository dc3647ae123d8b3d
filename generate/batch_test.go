package generate

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"smt/model"
)

// testPrompts are prompts of 1 to 41 tokens.
func testPrompts() [][]int32 {
	var prompts [][]int32
	for n := range 9 {
		var p []int32
		for i := range 1 + 5*n {
			p = append(p, int32((7+31*i+13*n*n)%512))
		}
		prompts = append(prompts, p)
	}
	return prompts
}

// fullLogits are the logits after every token of a sequence, computed in one pass without a cache.
func fullLogits(t *testing.T, d *model.Decoder, ids []int32) [][]float64 {
	t.Helper()
	d.Prepare(model.Limits{Tokens: len(ids), Supervised: len(ids), Positions: len(ids)})
	var in model.Input
	in.SetRows([][]int32{ids}, [][]int32{ids})
	var rows [][]float64
	if err := d.Logits(&in, nil, func(_ int, logits []float64) { rows = append(rows, slices.Clone(logits)) }); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestCachedLogits feeds sequences through a cache in ragged parts, side by side and with slots copied and reused, and
// compares the logits with those of a pass over the whole sequence.
func TestCachedLogits(t *testing.T) {
	for _, name := range []string{"llama", "llama_tied_rope3", "qwen2", "qwen3", "mistral_swa"} {
		t.Run(name, func(t *testing.T) {
			d := openReference(t, name)
			a, b := testPrompts()[5], testPrompts()[7]
			c := append(slices.Clone(a[:14]), b[:9]...)
			want := map[int][][]float64{0: fullLogits(t, d, a), 1: fullLogits(t, d, b), 2: fullLogits(t, d, c)}

			cache := d.NewCache(3, 40)
			d.Prepare(model.Limits{Tokens: 64, Supervised: 3, Positions: 40})
			var in model.Input
			worst := 0.0
			feed := func(slots []int, rows ...[]int32) {
				t.Helper()
				if err := cache.Extend(&in, slots, rows); err != nil {
					t.Fatal(err)
				}
				if err := d.Logits(&in, cache, func(i int, logits []float64) {
					reference := want[slots[i]][cache.Used[slots[i]]-1]
					for j := range logits {
						worst = max(worst, math.Abs(logits[j]-reference[j]))
					}
				}); err != nil {
					t.Fatal(err)
				}
			}
			// Slot 2 holds something else first.
			want[2], want[-2] = want[1], want[2]
			feed([]int{2}, b[:20])
			want[2] = want[-2]
			cache.Clear(2)

			feed([]int{0, 1}, a[:10], b[:1])
			feed([]int{1, 0}, b[1:2], a[10:11])
			feed([]int{0}, a[11:14])
			cache.CopyFrom(d.Device, 2, 0, 0)
			feed([]int{2, 0, 1}, c[14:15], a[14:15], b[2:30])
			feed([]int{0, 1, 2}, a[15:], b[30:], c[15:])
			// Slot 0 takes over what slot 2 holds: they agree up to token 14.
			want[0] = want[2]
			cache.CopyFrom(d.Device, 0, 2, 14)
			cache.Used[0]--
			feed([]int{0}, c[len(c)-1:])
			if !(worst <= 1e-9) {
				t.Errorf("logits differ by up to %g, expected at most 1e-9", worst)
			}
			t.Logf("logits differ by up to %g", worst)
		})
	}
}

// TestGreedyFollowsTheLogits checks every greedy token against the logits of a full pass over what was generated.
func TestGreedyFollowsTheLogits(t *testing.T) {
	d := openReference(t, "qwen3")
	prompts := testPrompts()
	out, err := Batch(d, prompts, Options{MaxNewTokens: 12, StopIDs: []int32{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range prompts {
		if len(out[i]) != 12 {
			t.Fatalf("prompt %d: %d new tokens, expected 12", i, len(out[i]))
		}
		logits := fullLogits(t, d, append(slices.Clone(p), out[i]...))
		for at, token := range out[i] {
			if want := best(logits[len(p)+at-1]); token != want {
				t.Errorf("prompt %d: token %d is %d, expected %d", i, at, token, want)
			}
		}
	}
}

// TestSchedule checks that a result does not depend on what runs beside it, and that progress is reported once a prompt.
func TestSchedule(t *testing.T) {
	d := openReference(t, "llama")
	prompts := testPrompts()
	stop := []int32{}
	for id := range int32(40) {
		stop = append(stop, id*12) // sequences of all lengths
	}
	for name, o := range map[string]Options{
		"greedy":   {},
		"penalty":  {RepetitionPenalty: 1.2},
		"sampling": {Temperature: 1.5, TopK: 50, TopP: 0.9, Seed: 4},
		"beams":    {Beams: 3, RepetitionPenalty: 1.1, LengthPenalty: 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			o.MaxNewTokens, o.StopIDs = 10, stop
			if o.Beams > 1 {
				o.StopIDs = stop[:5]
			}
			var want [][]int32
			for _, concurrent := range []int{1, 4, 0} {
				o.Concurrent = concurrent
				calls := 0
				got, err := Batch(d, prompts, o, func(done, total int) {
					if calls++; done != calls || total != len(prompts) {
						t.Errorf("progress %d of %d, expected %d of %d", done, total, calls, len(prompts))
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if calls != len(prompts) {
					t.Errorf("progress was called %d times, expected %d", calls, len(prompts))
				}
				if want == nil {
					want = got
				}
				for i := range got {
					if !slices.Equal(got[i], want[i]) {
						t.Errorf("%d at a time: prompt %d gives %v, alone %v", concurrent, i, got[i], want[i])
					}
				}
			}
		})
	}
}

// TestLongPrompt feeds a prompt that needs several steps.
func TestLongPrompt(t *testing.T) {
	d := openReference(t, "mistral_swa")
	d.Config.MaxPosition = 2 * prefillTokens
	var long []int32
	for i := range prefillTokens + 77 {
		long = append(long, int32(3+i*i%500))
	}
	prompts := [][]int32{long[:3], long, long[:600], long[5:9]}
	out, err := Batch(d, prompts, Options{MaxNewTokens: 3, StopIDs: []int32{}, Concurrent: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range prompts {
		logits := fullLogits(t, d, append(slices.Clone(p), out[i]...))
		for at, token := range out[i] {
			if want := best(logits[len(p)+at-1]); token != want {
				t.Errorf("prompt %d: token %d is %d, expected %d", i, at, token, want)
			}
		}
	}
}

func TestStream(t *testing.T) {
	d := openReference(t, "llama")
	prompt := testPrompts()[3]
	for name, o := range map[string]Options{
		"greedy": {MaxNewTokens: 9, StopIDs: []int32{}}, "beams": {MaxNewTokens: 9, Beams: 3, StopIDs: []int32{}},
		"sampling": {MaxNewTokens: 9, Temperature: 1, Seed: 3, StopIDs: []int32{}},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := Batch(d, [][]int32{prompt}, o, nil)
			if err != nil {
				t.Fatal(err)
			}
			var seen []int32
			got, err := Stream(t.Context(), d, prompt, o, func(token int32) bool { seen = append(seen, token); return true })
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want[0]) || !slices.Equal(seen, want[0]) {
				t.Errorf("stream %v, emitted %v, batch %v", got, seen, want[0])
			}
			count := 0
			if _, err := Stream(t.Context(), d, prompt, o, func(int32) bool { count++; return count < 4 }); err != nil || count != 4 {
				t.Errorf("emitted %d tokens after being told to end at 4, error %v", count, err)
			}
			ended, end := context.WithCancel(t.Context())
			end()
			if got, err := Stream(ended, d, prompt, o, func(int32) bool { return true }); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v and error %v, expected that of the context", got, err)
			}
		})
	}
}

func TestEachEndsWithItsError(t *testing.T) {
	d := openReference(t, "llama")
	enough, calls := errors.New("enough"), 0
	err := Each(d, testPrompts(), Options{MaxNewTokens: 2}, func(int, []int32) error {
		calls++
		return enough
	})
	if err != enough || calls != 1 {
		t.Errorf("error %v after %d calls, expected %v after 1", err, calls, enough)
	}
}

func TestErrors(t *testing.T) {
	d := openReference(t, "llama")
	good := [][]int32{{1, 2, 3}}
	for _, c := range []struct {
		prompts [][]int32
		opts    Options
		want    string
	}{
		{good, Options{}, "max_new_tokens 0: expected at least 1"},
		{good, Options{MaxNewTokens: 1, Beams: -1}, "num_beams -1"},
		{good, Options{MaxNewTokens: 1, Beams: 1 << 20}, "num_beams 1048576"},
		{good, Options{MaxNewTokens: 1, Temperature: math.NaN()}, "temperature NaN"},
		{good, Options{MaxNewTokens: 1, Temperature: 1, Beams: 2}, "together with beam search"},
		{good, Options{MaxNewTokens: 1, TopP: 1.5}, "top_p 1.5"},
		{good, Options{MaxNewTokens: 1, TopK: -1}, "top_k -1"},
		{good, Options{MaxNewTokens: 1, RepetitionPenalty: -1}, "repetition_penalty -1"},
		{good, Options{MaxNewTokens: 1, LengthPenalty: math.Inf(1)}, "length_penalty +Inf"},
		{good, Options{MaxNewTokens: 1, Concurrent: -2}, "concurrent -2"},
		{good, Options{MaxNewTokens: 254}, "prompt 0: 3 tokens and up to 254 new ones; the model was made for 256"},
		{good, Options{MaxNewTokens: math.MaxInt}, "the model was made for 256 (max_position_embeddings)"},
		{[][]int32{{1}, {}}, Options{MaxNewTokens: 1}, "prompt 1 is empty"},
		{[][]int32{{1}, {2, 512}}, Options{MaxNewTokens: 1}, "prompt 1: token id 512 at 1 is outside the vocabulary of 512; does the tokenizer belong"},
		{[][]int32{{-1}}, Options{MaxNewTokens: 1, RepetitionPenalty: 2}, "prompt 0: token id -1"},
	} {
		if _, err := Batch(d, c.prompts, c.opts, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, expected %q in it", c.opts, err, c.want)
		}
	}
	var alien *VocabularyError
	if _, err := Batch(d, [][]int32{{1}, {2, 512}}, Options{MaxNewTokens: 1}, nil); !errors.As(err, &alien) ||
		*alien != (VocabularyError{Prompt: 1, At: 1, ID: 512, Vocabulary: 512}) {
		t.Errorf("got %#v, expected a VocabularyError", err)
	}
	if out, err := Batch(d, nil, Options{MaxNewTokens: 1}, nil); err != nil || len(out) != 0 {
		t.Errorf("no prompts: %v, %v", out, err)
	}
}
