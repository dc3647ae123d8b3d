package recipe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"smt/config"
	"smt/export"
	"smt/format/safetensors"
	"smt/model/modeltest"
	"smt/recipe"
)

// recorder is a Reporter that keeps what it is told, and can stop the run after a step.
type recorder struct {
	steps  []recipe.Step
	evals  []recipe.Validation
	notes  []string
	tables []string
	stopAt int
	stop   context.CancelFunc
}

func (r *recorder) Phase(string, int, int) {}
func (r *recorder) Step(s recipe.Step) {
	r.steps = append(r.steps, s)
	if s.Step == r.stopAt {
		r.stop()
	}
}
func (r *recorder) Validation(v recipe.Validation) { r.evals = append(r.evals, v) }
func (r *recorder) Note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}
func (r *recorder) Table(title string, _ []string, _ [][]string) {
	r.tables = append(r.tables, title)
}
func (r *recorder) Download(string, int64, int64) {}

// workspace is a tiny model with a tokenizer of letters, and some rows to train on.
func workspace(t *testing.T) (modelDir, dataFile string) {
	t.Helper()
	c := modeltest.Llama()
	c["tie_word_embeddings"] = true
	modelDir = modeltest.WriteWithTokenizer(t, c, 21)
	var rows []map[string]string
	for i := range 24 {
		word := strings.Repeat(string(rune('a'+i%26)), 2+i%5)
		rows = append(rows, map[string]string{"prompt": "say " + word + ":", "completion": word + word[:1]})
	}
	dataFile = filepath.Join(t.TempDir(), "rows.json")
	writeJSON(t, dataFile, rows)
	return modelDir, dataFile
}

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// recipeOf makes a recipe for the workspace with further settings.
func recipeOf(t *testing.T, modelDir, data, out string, settings ...string) config.Recipe {
	t.Helper()
	given := []config.Override{{Key: "model_name_or_path", Value: modelDir}, {Key: "dataset", Value: data}, {Key: "output_dir", Value: out},
		{Key: "block_size", Value: "16"}, {Key: "num_blocks", Value: "5"}, {Key: "warmup_full_steps", Value: "3"}, {Key: "max_steps", Value: "6"},
		{Key: "max_seq_length", Value: "40"}, {Key: "per_device_train_batch_size", Value: "2"}, {Key: "learning_rate", Value: "0.02"}}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		given = append(given, config.Override{Key: key, Value: value})
	}
	r, _, err := config.Load("", given)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func train(t *testing.T, r config.Recipe) (*recipe.Summary, *recorder) {
	t.Helper()
	rec := &recorder{}
	sum, err := recipe.Train(context.Background(), r, rec)
	if err != nil {
		t.Fatal(err)
	}
	return sum, rec
}

// files returns the bytes of every file below dir.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			data, readErr := os.ReadFile(path)
			err = readErr
			rel, _ := filepath.Rel(dir, path)
			all[rel] = string(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSMTLearnsAndLeavesTheBaseUntouched(t *testing.T) {
	modelDir, data := workspace(t)
	before := files(t, modelDir)
	out := t.TempDir()
	sum, rec := train(t, recipeOf(t, modelDir, data, out, "merge=true", "max_steps=30", "val_size=4", "eval_steps=10"))
	if after := files(t, modelDir); !mapsEqual(before, after) {
		t.Error("the base model's files have changed")
	}
	first, last := rec.steps[3].Loss, rec.steps[len(rec.steps)-1].Loss
	if !(last < 0.8*first) {
		t.Errorf("the loss went from %g to %g: nothing was learnt", first, last)
	}
	for _, s := range rec.steps[:3] {
		if s.Stage != "warm-up" || s.LearningRate != 0 {
			t.Errorf("step %d: %+v is not a frozen warm-up step", s.Step, s)
		}
	}
	if len(rec.evals) != 3 || !rec.evals[0].Best {
		t.Errorf("validation losses: %+v", rec.evals)
	}
	adapter, err := export.ReadAdapter(filepath.Join(out, "adapter"))
	if err != nil {
		t.Fatal(err)
	}
	if adapter.NumBlocks() != 5 || sum.Blocks != 5 || sum.Trainable != 5*16*16 {
		t.Errorf("5 blocks were asked for: adapter %d, summary %+v", adapter.NumBlocks(), sum)
	}
	checkMerged(t, modelDir, filepath.Join(out, "model"), adapter)
	for _, name := range []string{"recipe.yaml", "metrics.jsonl", "selection.json"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(files(t, out)["metrics.jsonl"]), "\n")
	var done recipe.Summary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &done); err != nil || done.Event != "done" || done.Steps != 33 {
		t.Errorf("last line of metrics.jsonl: %s (%v)", lines[len(lines)-1], err)
	}
}

// checkMerged compares the merged model with base + blocks, and everything else byte by byte.
func checkMerged(t *testing.T, baseDir, mergedDir string, a *export.Adapter) {
	t.Helper()
	base, err := safetensors.OpenModel(baseDir)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	merged, err := safetensors.OpenModel(mergedDir)
	if err != nil {
		t.Fatal(err)
	}
	defer merged.Close()
	deltas := a.Deltas()
	for _, name := range base.Names() {
		b, _ := base.Tensor(name)
		m, _ := merged.Tensor(name)
		delta, changed := deltas[name]
		if !changed {
			if string(b.Data) != string(m.Data) {
				t.Errorf("%s has no block but has changed", name)
			}
			continue
		}
		want, _ := b.Float64s()
		got, _ := m.Float64s()
		rows, cols := delta.Shape()
		for r := range rows {
			row := make([]float32, cols)
			for c := range row {
				row[c] = float32(want[r*cols+c])
			}
			delta.Apply(r, row)
			for c := range row {
				if float64(row[c]) != got[r*cols+c] {
					t.Fatalf("%s[%d, %d]: merged %g, expected %g", name, r, c, got[r*cols+c], row[c])
				}
			}
		}
	}
	if files(t, baseDir)["tokenizer.json"] != files(t, mergedDir)["tokenizer.json"] {
		t.Error("the tokenizer is not the same")
	}
}

// TestSameBitsForAnyNumberOfThreads trains with 1, 2 and 5 threads.
func TestSameBitsForAnyNumberOfThreads(t *testing.T) {
	modelDir, data := workspace(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var want map[string]string
	for _, threads := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(threads)
		out := t.TempDir()
		train(t, recipeOf(t, modelDir, data, out, fmt.Sprintf("threads=%d", threads)))
		got := results(t, out)
		if want == nil {
			want = got
		}
		if !mapsEqual(got, want) {
			t.Errorf("%d threads: the results differ from those of one", threads)
		}
	}
}

// TestAccumulationIsTokenExact shows that two passes of one batch each give the step of one pass of both.
func TestAccumulationIsTokenExact(t *testing.T) {
	modelDir, data := workspace(t)
	_, one := train(t, recipeOf(t, modelDir, data, t.TempDir(), "device=reference", "per_device_train_batch_size=4", "packing=false"))
	_, two := train(t, recipeOf(t, modelDir, data, t.TempDir(), "device=reference", "per_device_train_batch_size=1", "gradient_accumulation_steps=4", "packing=false"))
	for i := range one.steps {
		if !(math.Abs(one.steps[i].Loss-two.steps[i].Loss) <= 1e-9) || !(math.Abs(one.steps[i].GradNorm-two.steps[i].GradNorm) <= 1e-9) {
			t.Errorf("step %d: loss %g and norm %g, accumulated %g and %g", i+1, one.steps[i].Loss, one.steps[i].GradNorm, two.steps[i].Loss, two.steps[i].GradNorm)
		}
	}
}

// TestTrainingWarmupByLayer trains in the warm-up without clipping, layer by layer, and with a norm to clip to that is never
// reached: the selection and the results are the same.
func TestTrainingWarmupByLayer(t *testing.T) {
	modelDir, data := workspace(t)
	for _, update := range []string{"keep", "rollback"} {
		var all []map[string]string
		for _, norm := range []string{"0", "1e30"} {
			out := t.TempDir()
			_, rec := train(t, recipeOf(t, modelDir, data, out, "warmup_update="+update, "warmup_learning_rate=0.01", "max_grad_norm="+norm))
			if byLayer := strings.Contains(strings.Join(rec.notes, "\n"), "every layer is updated in the backward pass"); byLayer != (norm == "0") {
				t.Errorf("%s, max_grad_norm %s: notes %q", update, norm, rec.notes)
			}
			result := results(t, out)
			delete(result, "metrics.jsonl") // its norms are sums in another order
			all = append(all, result)
		}
		if len(all[0]) < 2 || !mapsEqual(all[0], all[1]) {
			t.Errorf("%s: the results differ", update)
		}
	}
}

func TestGuardNamesStepAndRows(t *testing.T) {
	modelDir, data := workspace(t)
	_, err := recipe.Train(context.Background(), recipeOf(t, modelDir, data, t.TempDir(), "finetuning_type=full", "learning_rate=1e30", "max_grad_norm=0"), &recorder{})
	var guard *recipe.GuardError
	if !errors.As(err, &guard) {
		t.Fatalf("got %v, expected a GuardError", err)
	}
	if guard.Step < 2 || len(guard.Rows) == 0 || !strings.Contains(err.Error(), "rows.json:") {
		t.Errorf("the error does not say where: %v", err)
	}
}

func TestOutputDirIsNotMixed(t *testing.T) {
	modelDir, data := workspace(t)
	out := t.TempDir()
	train(t, recipeOf(t, modelDir, data, out))
	if _, err := recipe.Train(context.Background(), recipeOf(t, modelDir, data, out), &recorder{}); err == nil || !strings.Contains(err.Error(), "overwrite_output_dir") {
		t.Errorf("a second run in the same directory: %v", err)
	}
	train(t, recipeOf(t, modelDir, data, out, "overwrite_output_dir=true"))
}

// TestPrecisionIsClose trains in every precision. With int8_backward the losses of the warm-up are exact, since its weights
// are frozen and its forward pass is float32; the others stay near. Six steps at the
// rate of this test turn one part in a thousand of a gradient into hundredths of the loss.
func TestPrecisionIsClose(t *testing.T) {
	modelDir, data := workspace(t)
	const warmup = 3
	losses := func(settings ...string) (all []float64) {
		_, rec := train(t, recipeOf(t, modelDir, data, t.TempDir(), settings...))
		for _, s := range rec.steps {
			all = append(all, s.Loss)
		}
		return all
	}
	want := losses()
	for _, c := range []struct {
		precision     string
		warmup, later float64
	}{{"bf16", 0.01, 0.2}, {"int8_backward", 0, 0.2}, {"int8", 0.01, 0.2}} {
		got := losses("precision=" + c.precision)
		for i := range want {
			allowed := c.later
			if i < warmup {
				allowed = c.warmup
			}
			if !(math.Abs(got[i]-want[i]) <= allowed) {
				t.Errorf("%s: loss %g of step %d, in float32 %g", c.precision, got[i], i+1, want[i])
			}
		}
		if slices.Equal(got, want) {
			t.Errorf("%s: the same losses as in float32", c.precision)
		}
	}
	r := recipeOf(t, modelDir, data, t.TempDir(), "precision=int8", "device=reference")
	if _, err := recipe.Train(context.Background(), r, &recorder{}); err == nil || !strings.Contains(err.Error(), "no other precision than its own") {
		t.Errorf("a device without them: %v", err)
	}
}

func mapsEqual(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}
