package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"smt/config"
	"smt/demo"
	"smt/recipe"
)

// newTrain is smt train.
func newTrain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "train [recipe.yaml] [key=value ...]",
		Short: "Fine-tune a model; without arguments, the demo that the program carries",
		Long: `Fine-tune a Llama-family model with Sparse Matrix Tuning (or full fine-tuning, LoRA or DoRA) on rows of JSON, JSON Lines
or Parquet. The result is a small adapter beside an untouched base, and with --merge a complete model.

Keys have the names of Hugging Face's TrainingArguments, in the recipe and as flags; flags win over the recipe. The output
directory gets recipe.yaml (resolved), metrics.jsonl, loss.png, selection.json, selection.png, adapter/, checkpoints/ and model/.

The first Ctrl-C saves the state and exits with 130; --resume_from_checkpoint auto goes on from there with the same bits.`,
	}
	load := BindRecipe(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, notices, err := load("")
		if err != nil {
			return err
		}
		if r.ModelNameOrPath == "" && r.InitConfig == "" && len(r.Dataset) == 0 {
			return trainDemo(cmd, r.OutputDir, load)
		}
		if err := complete(r); err != nil {
			return err
		}
		w := newWatch(cmd.OutOrStdout(), r.LogFormat, r.LoggingSteps)
		for _, n := range notices {
			w.Note("%s", n)
		}
		_, err = train(cmd.Context(), r, w)
		return err
	}
	Describe(cmd, []Example{
		{"the demo: select, tune, merge and evaluate the built-in model", "smt train"},
		{"tune your own model on your own rows", "smt train --model_name_or_path HuggingFaceTB/SmolLM2-135M-Instruct --dataset rows.json"},
		{"a recipe, with one key changed, and the merged model", "smt train recipe.yaml --learning_rate 1e-4 --merge"},
		{"blocks ranked by the gradients of a warm-up", "smt train recipe.yaml --block_score mean_abs_step"},
		{"the rule of the paper for the blocks of Q, K and V", "smt train recipe.yaml --target_modules q_proj,k_proj,v_proj --selection global --block_score mean_abs_sum --block_size 256"},
		{"go on after an interruption", "smt train recipe.yaml --resume_from_checkpoint auto"},
	}, ExitNoModel, ExitLocked, ExitOutOfMemory, ExitBadData, ExitBadModel, ExitIO, ExitGuard, ExitInterrupted, ExitTerminated)
	return cmd
}

// complete says what is missing of a recipe that is neither the demo nor whole.
func complete(r config.Recipe) error {
	switch {
	case r.ModelNameOrPath == "" && r.InitConfig == "":
		return &ExitError{ExitUsage, fmt.Errorf("train: model_name_or_path is missing: give a model directory or a hub name (or init_config for random weights)")}
	case len(r.Dataset) == 0:
		return &ExitError{ExitUsage, fmt.Errorf("train: dataset is missing: give a file of rows (.json, .jsonl, .parquet)")}
	}
	return nil
}

// train runs a recipe and shows the table at its end.
func train(ctx context.Context, r config.Recipe, w *watch) (*recipe.Summary, error) {
	sum, err := recipe.Train(ctx, r, w)
	if err != nil {
		w.Close()
		return nil, err
	}
	rows := [][]string{
		{"steps", fmt.Sprint(sum.Steps)},
		{"final loss", fmt.Sprintf("%.4f", sum.FinalLoss)},
	}
	if sum.ValLoss > 0 {
		rows = append(rows, []string{"validation loss", fmt.Sprintf("%.4f (lowest %.4f, step %d)", sum.ValLoss, sum.BestValLoss, sum.BestStep)})
	}
	rows = append(rows,
		[]string{"trainable", fmt.Sprintf("%d of %d parameters (%.3f %%)", sum.Trainable, sum.Params, 100*float64(sum.Trainable)/float64(sum.Params))})
	if sum.Blocks > 0 {
		rows = append(rows, []string{"blocks", fmt.Sprintf("%d of %d × %d, %.1f %% in V", sum.Blocks, sum.BlockSize, sum.BlockSize, 100*sum.ShareV)})
	}
	rows = append(rows,
		[]string{"time", fmt.Sprintf("%.1f s, %.0f tokens/s", sum.TrainSeconds, sum.TokensPerSec)},
		[]string{"peak memory", fmt.Sprintf("%.0f MiB", sum.PeakRSS)},
		[]string{"device", sum.Device})
	for _, p := range []struct{ name, path string }{{"adapter", sum.Adapter}, {"model", sum.Model}, {"loss curve", filepath.Join(sum.OutputDir, "loss.png")}} {
		if p.path != "" {
			rows = append(rows, []string{p.name, p.path})
		}
	}
	w.Table("done", []string{"", sum.FinetuningType}, rows)
	return sum, nil
}

// trainDemo runs the built-in demo with the flags that were given, and measures the model before and after.
func trainDemo(cmd *cobra.Command, outputDir string, load func(string) (config.Recipe, config.Notices, error)) error {
	dir := filepath.Join(outputDir, "demo")
	files, err := demo.Extract(dir)
	if err != nil {
		return err
	}
	r, _, err := load(files.Recipe)
	if err != nil {
		return err
	}
	r.ModelNameOrPath, r.Dataset, r.OutputDir = files.Model, []string{files.Train}, filepath.Join(dir, "run")
	w := newWatch(cmd.OutOrStdout(), r.LogFormat, r.LoggingSteps)
	w.Note("no model and no data given: this is the demo, in %s. smt train --help shows how to tune a model of yours.", dir)
	before, err := demoScore(r, files, files.Model, "", w)
	if err != nil {
		return err
	}
	sum, err := train(cmd.Context(), r, w)
	if err != nil {
		return err
	}
	tuned := files.Model
	if sum.Adapter == "" {
		tuned = sum.Model
	}
	after, err := demoScore(r, files, tuned, sum.Adapter, w)
	if err != nil {
		return err
	}
	var rows [][]string
	for i := range before.Examples[:min(5, len(before.Examples))] {
		b, a := before.Examples[i], after.Examples[i]
		rows = append(rows, []string{b.Prompt, b.Expected, b.Got, a.Got})
	}
	w.Table("held-out rows", []string{"prompt", "expected", "before", "after"}, rows)
	w.Table("exact match on held-out rows", []string{"", "correct", "accuracy"}, [][]string{
		{"before", fmt.Sprintf("%d of %d", before.Correct, before.Total), fmt.Sprintf("%.1f %%", 100*before.Accuracy())},
		{"after", fmt.Sprintf("%d of %d", after.Correct, after.Total), fmt.Sprintf("%.1f %%", 100*after.Accuracy())},
	})
	w.Close()
	return nil
}

// demoScore measures exact match on the demo's held-out rows.
func demoScore(r config.Recipe, files demo.Files, model, adapter string, w *watch) (*demo.Result, error) {
	m, err := openModel(context.Background(), modelOptions{Model: model, Adapter: adapter, Device: r.Device, Threads: r.Threads}, w)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return demo.ExactMatch(m.Decoder, m.Tokenizer, files.HeldOut)
}
