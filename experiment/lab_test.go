package experiment

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"smt/config"
	"smt/demo"
	"smt/internal/finite"
	"smt/recipe"
)

// TestMain lets the test's own program be the process of a cell.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "cell" {
		if os.Getenv("CRASH_IN") != "" && strings.Contains(os.Args[2], os.Getenv("CRASH_IN")) {
			fmt.Fprintln(os.Stderr, "smt: this process was told to crash")
			os.Exit(7)
		}
		switch err := Serve(context.Background(), os.Args[2], os.Stdin, os.Stdout); {
		case errors.Is(err, recipe.ErrInterrupted):
			os.Exit(exitInterrupted)
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// silent watches nothing.
type silent struct{ cells []string }

func (*silent) Phase(string, int)              {}
func (*silent) Step(int, string, recipe.Step)  {}
func (*silent) Note(format string, arg ...any) {}
func (s *silent) Cell(_, _ int, r Result, _ time.Duration) {
	s.cells = append(s.cells, r.Name)
}

// defaultRule are options for the demo's model with the rule of recipes that name none.
func defaultRule(t *testing.T, keys ...config.Override) Options {
	t.Helper()
	o := tiny(t, 4)
	r, _, err := config.Parse("test", []byte("block_size: 32\ntrainable_ratio: 0.04\nmax_steps: 4\nval_size: 60\nmax_rows: 300\n"), keys)
	if err != nil {
		t.Fatal(err)
	}
	r.ModelNameOrPath, r.Dataset = o.Recipe.ModelNameOrPath, o.Recipe.Dataset
	o.Recipe, o.DryRun = r, true
	return o
}

// tiny are options for the demo's model with runs of a few steps.
func tiny(t *testing.T, steps int) Options {
	t.Helper()
	dir := t.TempDir()
	files, err := demo.Extract(filepath.Join(dir, "demo"))
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := config.Parse("test", []byte(DemoRecipe), []config.Override{{Key: "max_steps", Value: strconv.Itoa(steps)}, {Key: "warmup_full_steps", Value: "2"},
		{Key: "val_size", Value: "60"}, {Key: "max_rows", Value: "300"}, {Key: "per_device_train_batch_size", Value: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	r.ModelNameOrPath, r.Dataset = files.Model, []string{files.Train}
	o := Options{Dir: filepath.Join(dir, "out"), Command: "test", Recipe: r, Methods: []string{config.SMT, config.LoRA}, Seeds: []int64{1, 2},
		Rates: map[string][]float64{"": {1e-3, 5e-3}}, Runner: InProcess, Watcher: &silent{}, Sample: 3, BlockSizes: []int{32, 64}, WarmupGrid: []int{0, 1, 3},
		Budgets: []float64{0.01, 0.04}}
	o.Fill()
	return o
}

// TestCompare runs a comparison of SMT and LoRA, each cell in a process of its own, and looks at everything it leaves.
func TestCompare(t *testing.T) {
	o := tiny(t, 4)
	o.Runner = Subprocess(os.Args[0], "cell")
	l, outcome, err := Perform(context.Background(), Compare, o)
	if err != nil {
		t.Fatal(err)
	}
	// The model as it is, two rates for each of two methods, and one more seed for each.
	if len(l.Results) != 7 {
		t.Errorf("%d cells, expected 7", len(l.Results))
	}
	for _, r := range l.Results {
		rows := 30
		if r.Recipe.LearningRate == 1e-3 { // not chosen
			rows = 0
		}
		if r.Status != Done || len(r.Test.Sums) != rows || finite.Is(r.Test.Loss().Mean) != (rows > 0) || len(r.Validation.Sums) != 30 {
			t.Errorf("%s: %s, loss %v over %d rows, expected %d; %d validation rows, expected 30", r.Name, r.Status, r.Test.Loss(), len(r.Test.Sums), rows, len(r.Validation.Sums))
		}
		if r.Method != Base && (r.Steps != 4 || len(r.Losses) != 4 || r.Trainable == 0 || r.PeakRSS <= r.StartRSS || r.PlanMiB == 0) {
			t.Errorf("%s: %d steps, %d losses, %d trained, %g MiB over %g, plan %g", r.Name, r.Steps, len(r.Losses), r.Trainable, r.PeakRSS, r.StartRSS, r.PlanMiB)
		}
		if r.Method == config.SMT && r.WarmupSteps != 2 {
			t.Errorf("%s: a warm-up of %d steps, expected 2", r.Name, r.WarmupSteps)
		}
	}
	smt, lora := l.Results[1], l.Results[3]
	if off := float64(lora.Trainable)/float64(smt.Trainable) - 1; off < -0.1 || off > 0.1 {
		t.Errorf("lora trains %d parameters, smt %d", lora.Trainable, smt.Trainable)
	}
	if len(outcome.Answers) == 0 || len(outcome.Sections) != 3 {
		t.Errorf("%d answers in %d sections", len(outcome.Answers), len(outcome.Sections))
	}

	f, err := ReadFile(filepath.Join(o.Dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !f.Finished || len(f.Cells) != len(l.Results) {
		t.Fatalf("results.json: finished %v with %d cells", f.Finished, len(f.Cells))
	}
	for i, r := range l.Results {
		got := f.Cells[i]
		if !got.Recipe.Equal(r.Recipe.Recipe) {
			t.Errorf("%s: another recipe after reading back", r.Name)
		}
		got.Recipe, r.Recipe = Recipe{}, Recipe{}
		if !reflect.DeepEqual(got, r) {
			t.Errorf("results.json: %+v, expected %+v", got, r)
		}
	}
	text, err := os.ReadFile(filepath.Join(o.Dir, "results.csv"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(table) != 8 {
		t.Fatalf("results.csv has %d lines, expected 8", len(table))
	}
	at := slices.Index(table[0], "test_loss")
	for i, r := range l.Results {
		if !finite.Is(r.Test.Loss().Mean) && table[i+1][at] == "" {
			continue
		}
		if loss, err := strconv.ParseFloat(table[i+1][at], 64); err != nil || loss != r.Test.Loss().Mean || table[i+1][0] != r.Name {
			t.Errorf("results.csv: line %d is %s with loss %s, expected %s with %v", i+2, table[i+1][0], table[i+1][at], r.Name, r.Test.Loss().Mean)
		}
	}
	page, err := os.ReadFile(filepath.Join(o.Dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"smt lr=0.005 seed=2", "data:image/png;base64,"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("report.html does not contain %s", want)
		}
	}
	if bytes.Contains(page, []byte(`src="http`)) || bytes.Contains(page, []byte("<script")) {
		t.Error("report.html loads something")
	}

	// The same command again finds all cells finished.
	w := &silent{}
	o.Watcher = w
	again, _, err := Perform(context.Background(), Compare, o)
	if err != nil || len(w.cells) > 0 {
		t.Errorf("started again, it ran %v (%v)", w.cells, err)
	}
	for i, r := range l.Results {
		if !reflect.DeepEqual(again.Results[i].Test, r.Test) {
			t.Errorf("%s: other losses when started again", r.Name)
		}
	}
	o.Dir = filepath.Dir(o.Dir) + "/out"
	if _, _, err := Perform(context.Background(), Study{Name: "other", Run: compare}, o); err == nil || !strings.Contains(err.Error(), "compare") {
		t.Errorf("another experiment in the same directory: %v", err)
	}
}

// interruptAt is a runner whose context ends in the given step of the given cell.
func interruptAt(name string, step int, cancel func()) Runner {
	return func(ctx context.Context, dir string, tell func(recipe.Step)) error {
		return InProcess(ctx, dir, func(s recipe.Step) {
			if strings.Contains(dir, name) && s.Step == step {
				cancel()
			}
			tell(s)
		})
	}
}

// TestResume interrupts a cell in its warm-up and another one while it trains; what comes out in the end is what comes out
// without interruption, and what was finished is not run again.
func TestResume(t *testing.T) {
	whole := tiny(t, 6)
	want, _, err := Perform(context.Background(), Compare, whole)
	if err != nil {
		t.Fatal(err)
	}
	o := whole
	o.Dir += "-parts"
	var ran []string
	for _, stop := range []struct {
		cell string
		step int
	}{{"smt-lr=0.005-seed=1", 1}, {"lora-lr=0.001-seed=1", 4}, {"", 0}} {
		ctx, cancel := context.WithCancel(context.Background())
		w := &silent{}
		o.Watcher, o.Runner = w, interruptAt(stop.cell, stop.step, cancel)
		_, _, err := Perform(ctx, Compare, o)
		if stop.cell != "" && !errors.Is(err, recipe.ErrInterrupted) {
			t.Fatalf("stopped in %s: %v", stop.cell, err)
		}
		if stop.cell == "" && err != nil {
			t.Fatal(err)
		}
		ran = append(ran, w.cells...)
		cancel()
	}
	if expected := len(want.Results) + 2; len(ran) != expected { // both methods' chosen runs are measured again, on the test rows
		t.Errorf("cells that were run to their end: %v, expected %d", ran, expected)
	}
	f, err := ReadFile(filepath.Join(o.Dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range want.Results {
		got := f.Cells[i]
		if !reflect.DeepEqual(got.Test, r.Test) || !reflect.DeepEqual(got.Losses, r.Losses) || got.WarmupSteps != r.WarmupSteps {
			t.Errorf("%s: interrupted, losses %v and test loss %v; uninterrupted %v and %v", r.Name, got.Losses, got.Test.Loss(), r.Losses, r.Test.Loss())
		}
	}
}

// TestCrash lets the process of one cell die. The others go on, and the next start runs it again.
func TestCrash(t *testing.T) {
	o := tiny(t, 2)
	o.Runner = Subprocess(os.Args[0], "cell")
	o.Seeds = o.Seeds[:1]
	t.Setenv("CRASH_IN", "lora-lr=0.001")
	l, _, err := Perform(context.Background(), Compare, o)
	if err != nil {
		t.Fatal(err)
	}
	if l.Failures() != 1 {
		t.Fatalf("%d cells failed, expected 1", l.Failures())
	}
	for _, r := range l.Results {
		if failed := strings.HasPrefix(r.Name, "lora lr=0.001"); failed != (r.Status == Failed) || failed && !strings.Contains(r.Error, "told to crash") {
			t.Errorf("%s: %s %q", r.Name, r.Status, r.Error)
		}
	}
	t.Setenv("CRASH_IN", "")
	w := &silent{}
	o.Watcher = w
	if l, _, err = Perform(context.Background(), Compare, o); err != nil || l.Failures() != 0 || len(w.cells) != 1 {
		t.Errorf("started again, it ran %v, %d failed (%v)", w.cells, l.Failures(), err)
	}
}

// TestParentDies closes both ends of a cell's process, as the system does when the parent is killed: the cell saves its state.
func TestParentDies(t *testing.T) {
	o := tiny(t, 5000)
	l, err := NewLab(context.Background(), o, true)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := filepath.Join(o.Dir, "cells", "one")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(filepath.Join(dir, cellFile), l.Cell("one", config.LoRA, func() config.Recipe {
		r, err := l.RecipeOf(config.LoRA, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}())); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "cell", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // a step is done
		t.Fatal(err)
	}
	out.Close()
	in.Close()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit %d, expected %d", code, exitInterrupted)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, runDir, "checkpoints", "checkpoint-*")); len(found) != 1 {
		t.Errorf("checkpoints %v, expected one", found)
	}
}

// TestMoreMeasures asks for more of a finished comparison: an adapter is measured again and not trained; a full model, which was
// removed when it had been measured, is trained again, to the same bits.
func TestMoreMeasures(t *testing.T) {
	o := tiny(t, 2)
	o.Seeds, o.Methods = o.Seeds[:1], []string{config.LoRA, config.Full}
	trained := map[string]int{} // steps by method
	o.Runner = func(ctx context.Context, dir string, tell func(recipe.Step)) error {
		return InProcess(ctx, dir, func(s recipe.Step) {
			method, _, _ := strings.Cut(filepath.Base(dir), "-")
			trained[method]++
			tell(s)
		})
	}
	before, _, err := Perform(context.Background(), Compare, o)
	if err != nil {
		t.Fatal(err)
	}
	if models, _ := filepath.Glob(filepath.Join(o.Dir, "cells", "*", runDir, "model")); len(models) > 0 {
		t.Errorf("models that are left: %v", models)
	}
	clear(trained)
	o.Tasks = []Task{{Name: DemoTask, File: filepath.Join(filepath.Dir(o.Recipe.Dataset[0]), "heldout.jsonl")}}
	after, _, err := Perform(context.Background(), Compare, o)
	if err != nil {
		t.Fatal(err)
	}
	if trained[config.LoRA] != 0 || trained[config.Full] != 2 {
		t.Errorf("steps of training for one more measure: %v, expected 2 of full alone", trained)
	}
	for i, r := range after.Results {
		if !reflect.DeepEqual(r.Test, before.Results[i].Test) || !reflect.DeepEqual(r.Losses, before.Results[i].Losses) {
			t.Errorf("%s: other losses when measured again", r.Name)
		}
		if chosen := len(r.Test.Sums) > 0; chosen != (len(r.Tasks) == 1) {
			t.Errorf("%s: %d tasks, and %d test rows", r.Name, len(r.Tasks), len(r.Test.Sums))
		}
	}
}

// TestDiverged runs with a learning rate at which numbers overflow: a result, and no failure.
func TestDiverged(t *testing.T) {
	o := tiny(t, 12)
	o.Seeds, o.Methods = o.Seeds[:1], []string{config.Full}
	o.Recipe.MaxGradNorm = 0
	o.Rates = map[string][]float64{"": {1e-3, 1e30}}
	l, _, err := Perform(context.Background(), Compare, o)
	if err != nil {
		t.Fatal(err)
	}
	if r := l.Results[2]; r.Status != Diverged || !strings.Contains(r.Error, "step") {
		t.Errorf("%s: %s %q", r.Name, r.Status, r.Error)
	}
	if !slices.ContainsFunc(l.Signatures(), func(s Signature) bool { return s.Kind == NotFinite }) {
		t.Errorf("signatures %v do not say that it diverged", l.Signatures())
	}
}
