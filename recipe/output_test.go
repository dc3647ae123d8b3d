package recipe_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smt/format/safetensors"
	"smt/model"
	"smt/model/modeltest"
	"smt/recipe"
	"smt/sparse"
)

// fails runs a recipe that must fail, with a message that holds what is wanted.
func fails(t *testing.T, modelDir, data, out, want string, settings ...string) {
	t.Helper()
	_, err := recipe.Train(context.Background(), recipeOf(t, modelDir, data, out, settings...), &recorder{})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v: got %v, expected an error that holds %q", settings, err, want)
	}
}

// TestOverwriteKeepsWhatItNeeds runs with overwrite_output_dir where that cannot work: what is there stays as it is, above all a model
// that the run would read.
func TestOverwriteKeepsWhatItNeeds(t *testing.T) {
	modelDir, data := workspace(t)
	out := t.TempDir()
	train(t, recipeOf(t, modelDir, data, out, "merge=true"))
	before := files(t, out)
	fails(t, filepath.Join(out, "model"), data, out, "which the run reads", "overwrite_output_dir=true")
	fails(t, modelDir, data, out, "which the run reads", "overwrite_output_dir=true", "tokenizer="+filepath.Join(out, "model"))
	fails(t, modelDir, data+".none", out, ".none", "overwrite_output_dir=true")
	fails(t, modelDir+"none", data, out, "none", "overwrite_output_dir=true")
	after := files(t, out)
	for name := range before {
		if after[name] != before[name] {
			t.Errorf("%s is changed or gone", name)
		}
	}
	train(t, recipeOf(t, modelDir, data, out, "overwrite_output_dir=true"))
	if _, err := os.Stat(filepath.Join(out, "model")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the merged model of the run that was replaced is still there: %v", err)
	}
}

// TestOwnFilesAreKept starts runs where there are files that no run has made, and where a whole run has left no checkpoint to go on
// from: nothing is replaced without overwrite_output_dir.
func TestOwnFilesAreKept(t *testing.T) {
	modelDir, data := workspace(t)
	out := t.TempDir()
	own := filepath.Join(out, "model", "weights.bin")
	if err := os.MkdirAll(filepath.Dir(own), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	fails(t, modelDir, data, out, own[:len(own)-len("/weights.bin")]+" is there already", "merge=true")
	finished := t.TempDir()
	train(t, recipeOf(t, modelDir, data, finished))
	before := files(t, finished)
	fails(t, modelDir, data, finished, "is there already", "resume_from_checkpoint=auto", "learning_rate=0.001")
	if after := files(t, finished); !mapsEqual(after, before) || files(t, out)[filepath.Join("model", "weights.bin")] != "mine" {
		t.Error("something was replaced")
	}
	other := t.TempDir()
	train(t, recipeOf(t, modelDir, data, other, "save_steps=4"))
	fails(t, modelDir, data, finished, "is there already", "resume_from_checkpoint="+filepath.Join(other, "checkpoints", "checkpoint-000004"))
	foreign := t.TempDir()
	if err := os.MkdirAll(filepath.Join(foreign, "best"), 0o777); err != nil {
		t.Fatal(err)
	}
	fails(t, modelDir, data, foreign, "is there already", "resume_from_checkpoint=auto")
	train(t, recipeOf(t, modelDir, data, finished, "overwrite_output_dir=true", "learning_rate=0.001"))
	name := filepath.Join("adapter", "adapter_model.safetensors")
	if files(t, finished)[name] == before[name] {
		t.Error("overwrite_output_dir did not replace the adapter")
	}
}

// TestTiedHeadIsWritten fine-tunes a tied model whose file holds the head as well, as Qwen3-0.6B's does: both copies are the new one.
func TestTiedHeadIsWritten(t *testing.T) {
	modelDir, data := workspace(t)
	path := filepath.Join(modelDir, "model.safetensors")
	stored, err := safetensors.OpenModel(modelDir)
	if err != nil {
		t.Fatal(err)
	}
	var outputs []safetensors.Output
	for _, name := range stored.Names() {
		x, _ := stored.Tensor(name)
		x.Data = slices.Clone(x.Data)
		outputs = append(outputs, x.Output())
		if name == model.EmbeddingName {
			x.Name = model.HeadName
			outputs = append(outputs, x.Output())
		}
	}
	stored.Close()
	if err := safetensors.Write(path, outputs, nil); err != nil {
		t.Fatal(err)
	}
	sum, _ := train(t, recipeOf(t, modelDir, data, t.TempDir(), "finetuning_type=full", "max_steps=2"))
	tuned, err := safetensors.OpenModel(sum.Model)
	if err != nil {
		t.Fatal(err)
	}
	defer tuned.Close()
	var both [2][]float64
	for i, name := range []string{model.EmbeddingName, model.HeadName} {
		x, ok := tuned.Tensor(name)
		if !ok {
			t.Fatalf("%s is not there", name)
		}
		if both[i], err = x.Float64s(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(both[0], both[1]) {
		t.Error("the head is not the embedding")
	}
}

// TestRandomModelFollowsItsConfig fails after the random model is written, and runs again with another config: the model is another.
func TestRandomModelFollowsItsConfig(t *testing.T) {
	modelDir, data := workspace(t)
	out := t.TempDir()
	initial := func(hidden int) string {
		c := modeltest.Llama()
		c["hidden_size"], c["intermediate_size"] = hidden, 2*hidden
		path := filepath.Join(t.TempDir(), "config.json")
		writeJSON(t, path, c)
		return "init_config=" + path
	}
	settings := []string{"model_name_or_path=", "tokenizer=" + modelDir, "finetuning_type=full", "max_steps=2", "save_steps=1"}
	fails(t, "", data+".none", out, ".none", append(settings, initial(64))...)
	last := append(settings, initial(96))
	sum, _ := train(t, recipeOf(t, "", data, out, last...))
	other, _ := train(t, recipeOf(t, "", data, t.TempDir(), last...))
	if sum.Params != other.Params {
		t.Errorf("%d parameters after a run that failed, %d without it", sum.Params, other.Params)
	}
	train(t, recipeOf(t, "", data, out, append(last, "resume_from_checkpoint=auto")...))
	before := files(t, out)
	fails(t, "", data, out, "none.json", append(settings, "init_config=none.json", "overwrite_output_dir=true")...)
	fails(t, "", data+".none", out, ".none", append(last, "overwrite_output_dir=true")...)
	if !mapsEqual(files(t, out), before) {
		t.Error("a run that failed has changed what an earlier one left")
	}
	elsewhere := t.TempDir() // goes on where there is no model to begin with: it is made again
	train(t, recipeOf(t, "", data, elsewhere, append(last, "resume_from_checkpoint="+filepath.Join(out, "checkpoints", "checkpoint-000001"))...))
	if name := filepath.Join("model", "model.safetensors"); files(t, elsewhere)[name] != before[name] {
		t.Error("the model is not that of the whole run")
	}
}

// stopper is a recorder that ends the run's context when a validation is no better than the best.
type stopper struct {
	recorder
	cancel context.CancelFunc
}

func (s *stopper) Validation(v recipe.Validation) {
	if !v.Best {
		s.cancel()
	}
}

// TestInterruptedAtTheEnd stops a full fine-tuning after its last step: no checkpoint holds what it has learnt, so the model is written.
func TestInterruptedAtTheEnd(t *testing.T) {
	modelDir, data := workspace(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sum, err := recipe.Train(ctx, recipeOf(t, modelDir, data, t.TempDir(), "finetuning_type=full", "learning_rate=0.5", "val_size=4",
		"eval_steps=1", "early_stopping_patience=1", "max_steps=40"), &stopper{cancel: cancel})
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() == nil || sum.Steps == 40 {
		t.Fatalf("the run was not stopped: %d steps, %v", sum.Steps, ctx.Err())
	}
	if _, err := os.Stat(filepath.Join(sum.Model, "model.safetensors")); err != nil {
		t.Error(err)
	}
}

// TestBestOfAnotherDirectory goes on in another directory with a run whose best values lie beside its checkpoints, and with one whose
// best values are gone.
func TestBestOfAnotherDirectory(t *testing.T) {
	modelDir, data := workspace(t)
	old := t.TempDir()
	settings := []string{"learning_rate=0.5", "val_size=4", "eval_steps=1", "load_best_model_at_end=true", "save_steps=1", "save_total_limit=20", "max_steps=8"}
	want, _ := train(t, recipeOf(t, modelDir, data, old, settings...))
	if want.BestStep == 0 || want.BestStep > 9 {
		t.Fatalf("the best step is %d: choose settings that have it early", want.BestStep)
	}
	from := slices.Clone(settings)
	settings = append(settings, "resume_from_checkpoint="+filepath.Join(old, "checkpoints", "checkpoint-000009"))
	out := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := recipe.Train(ctx, recipeOf(t, modelDir, data, out, settings...), &recorder{stopAt: 10, stop: cancel}); !errors.Is(err, recipe.ErrInterrupted) {
		t.Fatal(err)
	}
	train(t, recipeOf(t, modelDir, data, out, append(from, "resume_from_checkpoint=auto")...)) // two stops away from the best
	if saved := files(t, out)["recipe.yaml"]; !strings.Contains(saved, "resume_from_checkpoint: \"\"") {
		t.Error("recipe.yaml names a checkpoint: it would not run again")
	}
	name := filepath.Join("adapter", "adapter_model.safetensors")
	if got, expected := files(t, out), files(t, old); got[name] != expected[name] || got["selection.json"] != expected["selection.json"] {
		t.Error("the adapter or selection.json is not that of the whole run")
	}
	if err := os.RemoveAll(filepath.Join(old, "best")); err != nil {
		t.Fatal(err)
	}
	rec := &recorder{}
	if _, err := recipe.Train(context.Background(), recipeOf(t, modelDir, data, t.TempDir(), settings...), rec); err == nil || !strings.Contains(err.Error(), "load_best_model_at_end: the values of step") || len(rec.steps) > 0 {
		t.Errorf("the best values are gone: %v after %d steps", err, len(rec.steps))
	}
	train(t, recipeOf(t, modelDir, data, t.TempDir(), append(settings, "load_best_model_at_end=false")...)) // as the error says
}

// TestValidationGuard trains so that the weights overflow in the last update, which only the validation rows show.
func TestValidationGuard(t *testing.T) {
	modelDir, data := workspace(t)
	_, err := recipe.Train(context.Background(), recipeOf(t, modelDir, data, t.TempDir(), "finetuning_type=full", "learning_rate=3e38",
		"max_grad_norm=0", "val_size=4", "max_steps=1"), &recorder{})
	var guard *recipe.GuardError
	if !errors.As(err, &guard) || !strings.Contains(guard.What, "validation loss") {
		t.Errorf("got %v, expected a GuardError about the validation loss", err)
	}
}

// TestGivenBlocksHaveNoWarmup trains blocks that the caller chose with a recipe whose warm-up would move all weights.
func TestGivenBlocksHaveNoWarmup(t *testing.T) {
	modelDir, data := workspace(t)
	first := t.TempDir()
	train(t, recipeOf(t, modelDir, data, first))
	selection, err := recipe.ReadSelection(filepath.Join(first, "selection.json"))
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	sum, err := recipe.TrainBlocks(context.Background(), recipeOf(t, modelDir, data, out, "block_score="+string(sparse.MeanAbsStep), "warmup_update=keep"), selection, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Adapter == "" || sum.Model != "" || sum.Steps != 6 {
		t.Errorf("adapter %q, model %q after %d steps, expected an adapter alone after 6", sum.Adapter, sum.Model, sum.Steps)
	}
	if _, err := recipe.ReadSelection(filepath.Join(out, "selection.json")); err != nil {
		t.Error(err)
	}
}
