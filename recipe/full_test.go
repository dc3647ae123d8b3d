package recipe

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"smt/config"
	"smt/device/cpu"
	"smt/format/safetensors"
	"smt/model/modeltest"
)

// watcher is a Reporter that measures, after every step, what the session's device has allocated.
type watcher struct {
	session   *session
	allocated []int64
	steps     []Step
	notes     []string
}

func (w *watcher) Phase(string, int, int)             {}
func (w *watcher) Validation(Validation)              {}
func (w *watcher) Table(string, []string, [][]string) {}
func (w *watcher) Download(string, int64, int64)      {}
func (w *watcher) Note(format string, args ...any) {
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}
func (w *watcher) Step(s Step) {
	runtime.GC()
	runtime.GC()
	w.allocated, w.steps = append(w.allocated, w.session.device.(*cpu.Device).Allocated()), append(w.steps, s)
}

// trainFull runs full fine-tuning of a tiny model with further settings, and returns what the run showed and the bytes of the
// model that it left.
func trainFull(t *testing.T, tied bool, settings ...string) (*watcher, *Plan, string) {
	t.Helper()
	c := modeltest.Llama()
	c["tie_word_embeddings"], c["num_hidden_layers"] = tied, 6
	var rows []map[string]string
	for i := range 12 {
		word := strings.Repeat(string(rune('a'+i)), 3+i%4)
		rows = append(rows, map[string]string{"prompt": word + ":", "completion": word[:2]})
	}
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	data, out := filepath.Join(t.TempDir(), "rows.json"), t.TempDir()
	if err := os.WriteFile(data, text, 0o666); err != nil {
		t.Fatal(err)
	}
	given := []config.Override{{Key: "model_name_or_path", Value: modeltest.WriteWithTokenizer(t, c, 4)}, {Key: "dataset", Value: data},
		{Key: "output_dir", Value: out}, {Key: "finetuning_type", Value: "full"}, {Key: "max_seq_length", Value: "16"}, {Key: "max_steps", Value: "5"},
		{Key: "learning_rate", Value: "0.003"}}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		given = append(given, config.Override{Key: key, Value: value})
	}
	r, _, err := config.Load("", given)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{}
	if w.session, err = open(context.Background(), r, w); err != nil {
		t.Fatal(err)
	}
	defer w.session.close()
	plan, err := PlanOf(w.session.base, r, config.Full)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.session.full(context.Background()); err != nil {
		t.Fatal(err)
	}
	weights, err := os.ReadFile(filepath.Join(out, "model", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return w, plan, string(weights)
}

// TestUpdatesByLayerAreTheSameInLessMemory compares a run without clipping, which updates each layer in the backward pass,
// with one whose gradients are held for a norm that they never reach: losses and weights are the same bits, norms the same
// up to the order of their sum, and the memory that the device has handed out is less by what the plans say.
func TestUpdatesByLayerAreTheSameInLessMemory(t *testing.T) {
	for _, tied := range []bool{true, false} {
		for _, settings := range [][]string{{}, {"weight_decay=0.1", "gradient_checkpointing=true"}} {
			held, heldPlan, want := trainFull(t, tied, append(settings, "max_grad_norm=1e30")...)
			byLayer, plan, got := trainFull(t, tied, append(settings, "max_grad_norm=0")...)
			if got != want {
				t.Errorf("tied %v, %v: the weights differ", tied, settings)
			}
			for i, s := range held.steps {
				if b := byLayer.steps[i]; b.Loss != s.Loss || b.LearningRate != s.LearningRate || !(math.Abs(b.GradNorm-s.GradNorm) <= 1e-5*s.GradNorm) || s.GradNorm == 0 {
					t.Errorf("tied %v, %v: step %+v, with gradients held %+v", tied, settings, b, s)
				}
			}
			if held.steps[0].Loss == held.steps[4].Loss {
				t.Error("nothing was learnt")
			}
			saved, planned := slices.Max(held.allocated)-slices.Max(byLayer.allocated), int64(heldPlan.Peak-plan.Peak)
			if !plan.ByLayer || heldPlan.ByLayer || planned <= 0 || !(math.Abs(float64(saved-planned)) <= 0.05*float64(planned)) {
				t.Errorf("tied %v, %v: %d bytes instead of %d, %d less; the plans say %d less", tied, settings,
					slices.Max(byLayer.allocated), slices.Max(held.allocated), saved, planned)
			}
		}
	}
}

// TestAccumulationHoldsGradients has two passes to a step: their gradients are summed before the update, clipped or not.
func TestAccumulationHoldsGradients(t *testing.T) {
	once, plan, want := trainFull(t, true, "gradient_accumulation_steps=2", "max_grad_norm=1e30")
	again, _, got := trainFull(t, true, "gradient_accumulation_steps=2", "max_grad_norm=0")
	if got != want || plan.ByLayer {
		t.Errorf("the weights differ, or the plan (%+v) does not hold gradients", plan)
	}
	if a, b := slices.Max(once.allocated), slices.Max(again.allocated); !(math.Abs(float64(a-b)) <= 0.01*float64(a)) {
		t.Errorf("%d bytes without clipping, %d with", b, a)
	}
	for _, n := range again.notes {
		if strings.Contains(n, "every layer is updated in the backward pass") {
			t.Errorf("note %q", n)
		}
	}
}

// TestDecayLeavesOutVectors fine-tunes with weight decay and a learning rate at which nothing but the decay shows: matrices shrink by
// rate · decay a step, norms do not.
func TestDecayLeavesOutVectors(t *testing.T) {
	read := func(decay string) map[string][]float64 {
		_, _, weights := trainFull(t, false, "learning_rate=1e-6", "lr_scheduler_type=constant", "weight_decay="+decay)
		path := filepath.Join(t.TempDir(), "model.safetensors")
		if err := os.WriteFile(path, []byte(weights), 0o666); err != nil {
			t.Fatal(err)
		}
		file, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		all := map[string][]float64{}
		for _, x := range file.Tensors() {
			if all[x.Name], err = x.Float64s(); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	const decay = 2e4 // 1e-6 · 2e4 is 2 % a step
	plain, decayed := read("0"), read("20000")
	for name, values := range plain {
		want := math.Pow(1-1e-6*decay, 5)
		if strings.Contains(name, "norm") {
			want = 1
		}
		for i, x := range values {
			if got := decayed[name][i]; !(math.Abs(got-want*x) <= 1e-3*(0.1+math.Abs(x))) {
				t.Fatalf("%s: value %d is %g with decay and %g without, expected %g times it", name, i, got, x, want)
			}
		}
	}
}
