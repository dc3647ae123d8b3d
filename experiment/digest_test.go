package experiment

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"smt/config"
	"smt/dataset"
	"smt/recipe"
)

// runAgain opens the lab anew and runs a cell of SMT, and reports whether it had to be run.
func runAgain(t *testing.T, o Options) (Result, bool) {
	t.Helper()
	w := &silent{}
	o.Watcher = w
	l, err := NewLab(context.Background(), o, true)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	results, err := l.Run(context.Background(), "test", []Cell{l.Cell("one", config.SMT, WithRate(o.Recipe, 1e-3))})
	if err != nil {
		t.Fatal(err)
	}
	return results[0], len(w.cells) > 0
}

// change writes to the end of a file.
func change(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestOtherModel replaces a file of the model in its directory: the cell is run anew, and nothing of the earlier run is left for it. A
// result that does not know its model, as earlier versions wrote it, is taken as it is.
func TestOtherModel(t *testing.T) {
	o := tiny(t, 1)
	o.Runner = pretend(t, func(Cell) float64 { return 1 }, func(Cell) error { return nil })
	first, ran := runAgain(t, o)
	if !ran || first.Model == "" {
		t.Fatalf("ran %t, with model %q", ran, first.Model)
	}
	if _, ran := runAgain(t, o); ran {
		t.Error("the same model: run again")
	}
	left := filepath.Join(first.Dir, trainedFile)
	change(t, filepath.Join(first.Dir, resultFile))
	if err := os.WriteFile(left, []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(o.Recipe.ModelNameOrPath, "tokenizer.json"))
	second, ran := runAgain(t, o)
	if !ran || second.ID != first.ID || second.Model == first.Model {
		t.Errorf("another tokenizer: run again %t, model %q before and %q now", ran, first.Model, second.Model)
	}
	if _, err := os.Stat(left); err == nil {
		t.Errorf("%s is left of the run with another model", left)
	}
	second.Model = ""
	if err := writeJSON(filepath.Join(second.Dir, resultFile), second); err != nil {
		t.Fatal(err)
	}
	if _, ran := runAgain(t, o); ran {
		t.Error("a result without the digest of its model: run again")
	}
}

// TestModelDigest: every file that runs begin with counts, a tokenizer of its own and a chat template, too.
func TestModelDigest(t *testing.T) {
	o := tiny(t, 1)
	dir := o.Recipe.ModelNameOrPath
	own, template := t.TempDir(), filepath.Join(t.TempDir(), "chat.jinja")
	text, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	for path, content := range map[string]string{template: "{{ messages }}", filepath.Join(own, "tokenizer.json"): string(text)} {
		err = errors.Join(err, os.WriteFile(path, []byte(content), 0o666))
	}
	if err != nil {
		t.Fatal(err)
	}
	r := o.Recipe
	r.Tokenizer, r.ChatTemplate = own, template
	seen := map[string]string{}
	digest := func(what string, r config.Recipe) {
		t.Helper()
		got, err := modelDigest(t.Context(), dir, r)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s have the same digest", what, other)
		}
		seen[got] = what
	}
	digest("the model", o.Recipe)
	digest("another tokenizer and a chat template", r)
	for _, path := range []string{template, filepath.Join(own, "tokenizer.json"), filepath.Join(dir, "config.json")} {
		change(t, path)
		digest("another "+path, r)
	}
}

// TestEditedTask edits the rows of a task, and then stores results as earlier versions did: an adapter is measured again, and what
// would have to be trained again is believed.
func TestEditedTask(t *testing.T) {
	o := tiny(t, 1)
	o.Runner = pretend(t, func(Cell) float64 { return 1 }, func(Cell) error { return nil })
	file := filepath.Join(filepath.Dir(o.Recipe.Dataset[0]), "heldout.jsonl")
	o.Tasks = []Task{{Name: DemoTask, File: file}}
	if _, ran := runAgain(t, o); !ran {
		t.Fatal("not run")
	}
	if _, ran := runAgain(t, o); ran {
		t.Error("the same rows: measured again")
	}
	change(t, file)
	r, ran := runAgain(t, o)
	if !ran {
		t.Error("other rows: not measured again")
	}
	store := func() {
		r.Measures.Tasks = slices.Clone(r.Measures.Tasks)
		r.Measures.Tasks[0].Digest = ""
		if err := writeJSON(filepath.Join(r.Dir, resultFile), r); err != nil {
			t.Fatal(err)
		}
	}
	store()
	if r, ran = runAgain(t, o); !ran {
		t.Error("rows that are not known: not measured again")
	}
	store()
	if err := os.RemoveAll(filepath.Join(r.Dir, runDir)); err != nil {
		t.Fatal(err)
	}
	if _, ran := runAgain(t, o); ran {
		t.Error("rows that are not known, of a model that is gone: trained again")
	}
}

// TestMoved renames the directory of an experiment and asks for more: the adapter is found where it now lies.
func TestMoved(t *testing.T) {
	o := tiny(t, 1)
	steps := 0
	o.Runner = func(ctx context.Context, dir string, tell func(recipe.Step)) error {
		return InProcess(ctx, dir, func(recipe.Step) { steps++ })
	}
	o.Recipe.ValSize = 4
	before, _ := runAgain(t, o)
	if err := os.Rename(o.Dir, o.Dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	o.Dir += "-moved"
	rows := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := writeRows(rows, []dataset.Row{{Format: dataset.FormatCompletion, Prompt: "a", Completion: " b"}}, io.Discard); err != nil {
		t.Fatal(err)
	}
	o.Tasks = []Task{{Name: DemoTask, File: rows}}
	steps = 0
	after, ran := runAgain(t, o)
	if !ran || steps != 0 || len(after.Tasks) != 1 || !slices.Equal(after.Test.Sums, before.Test.Sums) {
		t.Errorf("measured again %t after %d steps: %d tasks, test losses %v, expected %v", ran, steps, len(after.Tasks), after.Test.Loss(), before.Test.Loss())
	}
}

// TestModelsKept runs grids of full fine-tuning whose losses are known: of the models of each, only the best one's stays while rates
// are chosen, and none in the end.
func TestModelsKept(t *testing.T) {
	o := tiny(t, 1)
	models := func() []string {
		found, err := filepath.Glob(filepath.Join(o.Dir, "cells", "*", runDir, modelDir))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	most := 0
	o.Runner = pretend(t, func(c Cell) float64 { return c.Recipe.LearningRate }, func(Cell) error {
		most = max(most, len(models()))
		return nil
	})
	o.Methods, o.Seeds, o.Extend = []string{config.Full}, []int64{1}, 0
	o.Rates = map[string][]float64{"": {3e-3, 1e-3, 2e-3, 4e-3}}
	l := openLab(t, o)
	r, err := l.RecipeOf(config.Full, 0)
	if err != nil {
		t.Fatal(err)
	}
	tuned, err := l.Tune(context.Background(), []Contender{{Name: "full", Method: config.Full, Recipe: r, Rates: l.rates(config.Full, r)}})
	if err != nil {
		t.Fatal(err)
	}
	if tuned[0].Best.Recipe.LearningRate != 1e-3 {
		t.Errorf("the best rate is %g, expected 0.001", tuned[0].Best.Recipe.LearningRate)
	}
	if most != 1 || len(models()) != 0 {
		t.Errorf("at most %d models at once and %v in the end, expected 1 and none", most, models())
	}
}
