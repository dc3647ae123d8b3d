package experiment

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"smt/config"
	"smt/dataset"
	"smt/demo"
	"smt/recipe"
)

// PaperBudgets are the trainable shares that the paper varies.
var PaperBudgets = []float64{0.0043, 0.0084, 0.017, 0.030, 0.049}

// DemoRecipe is the recipe of experiments on the demo: the keys that differ from their defaults, with the rule of smt train's demo.
const DemoRecipe = `target_modules: [q_proj, k_proj, v_proj]
selection: global
block_score: mean_abs_sum
block_size: 32
trainable_ratio: 0.04
warmup_full_steps: 10
per_device_train_batch_size: 4
per_device_eval_batch_size: 8
max_seq_length: 256
max_steps: 50
val_size: 400
`

// Fill sets the grids that have not been set.
func (o *Options) Fill() {
	if len(o.Budgets) == 0 {
		o.Budgets = slices.Clone(PaperBudgets)
	}
	if len(o.BlockSizes) == 0 {
		o.BlockSizes = []int{32, 64, 96, 192, 256}
	}
	if len(o.WarmupGrid) == 0 {
		o.WarmupGrid = []int{0, 5, 25, 50, 100, 200}
	}
}

// FillDemo sets what the demo's experiments differ in: a tiny model wants larger learning rates, and has smaller blocks.
func (o *Options) FillDemo(s Study, files demo.Files) {
	o.Rates = map[string][]float64{config.SMT: {5e-3, 1e-2}, config.Full: {1e-3, 2e-3}, config.LoRA: {5e-3, 1e-2}, config.DoRA: {5e-3, 1e-2}}
	if s.Name == Plateau.Name { // three of the paper's, each two to three times the one before
		o.Budgets = []float64{0.0084, 0.017, 0.049}
	}
	if s.Name == Selection.Name { // many scores: one rate that suits them all
		o.Rates = map[string][]float64{"": {1e-2}}
	}
	o.BlockSizes = []int{16, 32, 64}
	o.WarmupGrid = []int{0, 2, 5, 10, 25, 50}
	if !s.OwnRows {
		o.Tasks = []Task{{Name: DemoTask, File: files.HeldOut}}
	}
	o.Extend, o.Refine = min(o.Extend, 1), 0 // its rates are a factor of two apart
	o.Sample = min(o.Sample, 12)
}

// demoTaskRows is how many rows each of the demo's tasks has.
const demoTaskRows = 800

// DemoTasks writes three tasks of the demo's world to dir and returns the files: to name the first word of a list, to name its
// last, and to say it again.
func DemoTasks(dir string) ([]string, error) {
	rows := map[string][]dataset.Row{}
	for i := 0; len(rows["first"]) < demoTaskRows || len(rows["last"]) < demoTaskRows; i++ {
		r := demo.TaskRow(i)
		name := "last"
		if strings.HasSuffix(r.Prompt, "first?") {
			name = "first"
		}
		if len(rows[name]) < demoTaskRows {
			rows[name] = append(rows[name], dataset.Row{Format: dataset.FormatCompletion, Prompt: r.Prompt, Completion: r.Completion})
		}
	}
	for i := range demoTaskRows {
		r := demo.PretrainingRow(i)
		rows["again"] = append(rows["again"], dataset.Row{Format: dataset.FormatCompletion, Prompt: r.Prompt, Completion: r.Completion})
	}
	var files []string
	for _, name := range []string{"first", "last", "again"} {
		path := filepath.Join(dir, name+".jsonl")
		if err := writeRows(path, rows[name], io.Discard); err != nil {
			return nil, fmt.Errorf("experiment: %w", err)
		}
		files = append(files, path)
	}
	return files, nil
}

// ExitCode is the exit code of the cell's process whose end is the error.
func ExitCode(err error) (int, bool) {
	var ended *CellError
	switch {
	case errors.As(err, &ended):
		return ended.Code, true
	case errors.Is(err, recipe.ErrInterrupted):
		return exitInterrupted, true
	}
	return 0, false
}
