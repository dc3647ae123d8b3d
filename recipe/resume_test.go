package recipe_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smt/checkpoint"
	"smt/recipe"
)

// TestResumeIsBitIdentical stops runs of every kind after every step, resumes them and compares all results with those of
// a run that was not stopped.
func TestResumeIsBitIdentical(t *testing.T) {
	modelDir, data := workspace(t)
	for name, settings := range map[string][]string{
		"smt":          {"gradient_accumulation_steps=2", "val_size=4", "eval_steps=2", "load_best_model_at_end=true"},
		"smt rollback": {"warmup_update=rollback", "warmup_learning_rate=0.01", "block_score=mean_abs_step"},
		"smt keep":     {"warmup_update=keep", "warmup_learning_rate=0.01", "block_score=token_fisher"},
		"frequency":    {"block_score=frequency", "gradient_accumulation_steps=2", "max_steps=2", "mlp_num_blocks=3"},
		"activation":   {"block_score=activation", "max_steps=2", "warmup_update=keep", "warmup_learning_rate=0.01"},
		"channels":     {"block_score=activation_channels", "max_steps=2", "selection=per_matrix"},
		"random":       {"block_score=random", "max_steps=3"},
		"full":         {"finetuning_type=full", "packing=false", "max_steps=4", "lr_scheduler_type=cosine", "warmup_steps=1"},
		"by layer":     {"finetuning_type=full", "max_grad_norm=0", "max_steps=4", "gradient_checkpointing=true"},
		"lora":         {"finetuning_type=lora", "lora_rank=4", "max_steps=4"},
		"dora":         {"finetuning_type=dora", "lora_rank=4", "max_steps=4", "weight_decay=0.1"},
		"bf16":         {"precision=bf16", "max_steps=3", "val_size=4"},
		"int8":         {"precision=int8", "max_steps=3", "int8_outlier_ratio=0.1"},
		"lora int8":    {"finetuning_type=lora", "lora_rank=4", "max_steps=3", "precision=int8_backward"},
	} {
		t.Run(name, func(t *testing.T) {
			whole := t.TempDir()
			sum, _ := train(t, recipeOf(t, modelDir, data, whole, settings...))
			want := results(t, whole)
			for stop := 1; stop < sum.Steps; stop++ {
				out := t.TempDir()
				ctx, cancel := context.WithCancel(context.Background())
				rec := &recorder{stopAt: stop, stop: cancel}
				if _, err := recipe.Train(ctx, recipeOf(t, modelDir, data, out, settings...), rec); !errors.Is(err, recipe.ErrInterrupted) {
					t.Fatalf("stopped at %d: %v", stop, err)
				}
				train(t, recipeOf(t, modelDir, data, out, append(slices.Clone(settings), "resume_from_checkpoint=auto")...))
				got := results(t, out)
				for file := range want {
					if got[file] != want[file] {
						t.Errorf("stopped after step %d: %s differs", stop, file)
					}
				}
				if len(got) != len(want) {
					t.Errorf("stopped after step %d: %d files, expected %d", stop, len(got), len(want))
				}
			}
		})
	}
}

// results are the files that must be equal, with the losses of metrics.jsonl but not its times.
func results(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, content := range files(t, dir) {
		switch {
		case strings.HasSuffix(name, ".safetensors") && !strings.HasPrefix(name, "checkpoints"), name == "selection.json":
			all[name] = content
		case name == "metrics.jsonl":
			all[name] = losses(t, content)
		}
	}
	return all
}

func losses(t *testing.T, metrics string) string {
	var out strings.Builder
	lines := bufio.NewScanner(strings.NewReader(metrics))
	for lines.Scan() {
		var line struct {
			Event    string
			Step     int
			Loss     float64
			GradNorm float64 `json:"grad_norm"`
			Eval     float64 `json:"eval_loss"`
			Rate     float64 `json:"learning_rate"`
			Final    float64 `json:"final_loss"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%+v\n", line)
	}
	return out.String()
}

// TestDamagedCheckpointIsPassedOver damages the newest checkpoint and resumes from the one before.
func TestDamagedCheckpointIsPassedOver(t *testing.T) {
	modelDir, data := workspace(t)
	whole := t.TempDir()
	train(t, recipeOf(t, modelDir, data, whole))
	out := t.TempDir()
	train(t, recipeOf(t, modelDir, data, out, "save_steps=2"))
	steps, err := checkpoint.List(filepath.Join(out, "checkpoints"))
	if err != nil || fmt.Sprint(steps) != "[6 8]" {
		t.Fatalf("checkpoints %v, %v; expected the last two", steps, err)
	}
	damaged := filepath.Join(out, "checkpoints", checkpoint.Name(8), "state.safetensors")
	content, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	if err := os.WriteFile(damaged, content, 0o666); err != nil {
		t.Fatal(err)
	}
	_, rec := train(t, recipeOf(t, modelDir, data, out, "save_steps=2", "resume_from_checkpoint=auto"))
	if !strings.Contains(strings.Join(rec.notes, "\n"), "passing over") || rec.steps[0].Step != 7 {
		t.Errorf("resumed at step %d; notes %q", rec.steps[0].Step, rec.notes)
	}
	if !mapsEqual(results(t, out), results(t, whole)) {
		t.Error("the results differ from those of an uninterrupted run")
	}
}

// TestResumeRefusesAnotherRun changes the recipe, a row, or the base between the two halves of a run.
func TestResumeRefusesAnotherRun(t *testing.T) {
	modelDir, data := workspace(t)
	out := t.TempDir()
	train(t, recipeOf(t, modelDir, data, out, "save_steps=4"))
	resume := func(settings ...string) error {
		settings = append(settings, "resume_from_checkpoint=auto", "save_steps=4")
		_, err := recipe.Train(context.Background(), recipeOf(t, modelDir, data, out, settings...), &recorder{})
		return err
	}
	if err := resume("learning_rate=0.03"); err == nil || !strings.Contains(err.Error(), "another recipe") {
		t.Errorf("another learning rate: %v", err)
	}
	if err := resume(); err != nil {
		t.Errorf("the same run: %v", err)
	}
	rows, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(data, []byte(strings.Replace(string(rows), "aaa", "aab", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := resume(); err == nil || !strings.Contains(err.Error(), "other rows") {
		t.Errorf("another row: %v", err)
	}
	if err := os.WriteFile(data, rows, 0o666); err != nil {
		t.Fatal(err)
	}
	weights, err := os.ReadFile(filepath.Join(modelDir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	weights[len(weights)-1] ^= 1
	if err := os.WriteFile(filepath.Join(modelDir, "model.safetensors"), weights, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := resume(); err == nil || !strings.Contains(err.Error(), "another base model") {
		t.Errorf("another base: %v", err)
	}
}
