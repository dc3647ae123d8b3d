package experiment

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smt/benchmark"
	"smt/config"
	"smt/recipe"
)

// oneRate are options with one learning rate, so that a study has few cells.
func oneRate(t *testing.T) Options {
	o := tiny(t, 4)
	o.Rates, o.Seeds = map[string][]float64{"": {5e-3}}, []int64{1}
	return o
}

// TestStudies runs every study on the demo's model with tiny settings and looks at its cells, tables, figures and report.
func TestStudies(t *testing.T) {
	for _, c := range []struct {
		study   Study
		change  func(o *Options)
		cells   int
		figures []string
		answers []string
	}{
		// Two methods at two budgets.
		{Plateau, nil, 4, []string{"loss.png", "rates.png"}, []string{"smt ", "lora "}},
		// The model as it is, two scores tuned, all blocks by each, three blocks alone.
		{Selection, func(o *Options) { o.Methods = []string{"mean_abs_sum", "magnitude"} }, 8, []string{"overlap.png", "blocks.png", "loss.png"}, []string{"rank correlation"}},
		{BlockSize, nil, 3, []string{"loss.png"}, []string{"block 32"}},
		// The rate; length 0 at random; lengths 1 and 3 with three updates, of which one is the run for the rate.
		{Warmup, nil, 7, []string{"loss.png", "overlap.png"}, []string{"frozen weights"}},
		{MLP, nil, 6, []string{"shares-1.png", "shares-5.png"}, []string{"lie in V"}},
		{TaskStudy, func(o *Options) {
			o.Recipe.MaxRows, o.Recipe.ValSize, o.Seeds = 60, 20, []int64{1, 2}
			files, err := DemoTasks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			o.Recipe.Dataset = files[:2]
		}, 6, []string{"overlap.png", "shares-2.png"}, []string{"Two tasks share"}},
		{Memory, func(o *Options) { o.Methods = []string{config.SMT, config.Full} }, 2, []string{"memory.png"}, []string{"The paper reports 67 %"}},
		{BreakEven, func(o *Options) { writeSteps(t, o.Dir, hereWith(t, o.Recipe)) }, 3, []string{"time.png"}, []string{"warm-up steps full fine-tuning", "Llama-2-7B"}},
	} {
		t.Run(c.study.Name, func(t *testing.T) {
			o := oneRate(t)
			if c.change != nil {
				c.change(&o)
			}
			l, outcome, err := Perform(context.Background(), c.study, o)
			if err != nil {
				t.Fatal(err)
			}
			if len(l.Results) != c.cells {
				var names []string
				for _, r := range l.Results {
					names = append(names, r.Name)
				}
				t.Errorf("%d cells, expected %d: %v", len(l.Results), c.cells, names)
			}
			for _, r := range l.Results {
				if r.Status != Done {
					t.Errorf("%s: %s %s", r.Name, r.Status, r.Error)
				}
			}
			for _, name := range append(c.figures, "report.html", "results.csv") {
				if _, err := os.Stat(filepath.Join(o.Dir, name)); err != nil {
					t.Error(err)
				}
			}
			text := strings.Join(outcome.Answers, "\n")
			for _, want := range c.answers {
				if !strings.Contains(text, want) {
					t.Errorf("the answers %q do not say %q", text, want)
				}
			}
			for _, s := range outcome.Sections {
				for _, table := range s.Tables {
					if len(table.Rows) == 0 {
						t.Errorf("%s: a table without rows: %v", s.Title, table.Header)
					}
				}
			}
			if i := slices.IndexFunc(l.Skipped, func(s string) bool { return strings.HasPrefix(s, "figure") }); i >= 0 {
				t.Error(l.Skipped[i])
			}
		})
	}
}

// writeSteps leaves measured steps as an earlier start of the study does.
func writeSteps(t *testing.T, dir string, machine Machine) {
	t.Helper()
	steps := map[string]map[string]*benchmark.StepResult{}
	for i, name := range []string{"S", "M"} {
		slow := float64(1 + 5*i)
		steps[name] = map[string]*benchmark.StepResult{
			config.SMT:  {StepMin: 0.2 * slow, Seq: 256, Batch: 1, Blocks: 3},
			config.LoRA: {StepMin: 0.25 * slow, Seq: 256, Batch: 1, Rank: 4},
			config.Full: {StepMin: 0.4 * slow, Seq: 256, Batch: 1},
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(filepath.Join(dir, "steps.json"), benchFile{machine, steps}); err != nil {
		t.Fatal(err)
	}
}

// hereWith is the machine with what a recipe computes on.
func hereWith(t *testing.T, r config.Recipe) Machine {
	t.Helper()
	dev, err := recipe.NewDevice(r.Device, r.Threads)
	if err != nil {
		t.Fatal(err)
	}
	return thisMachine(dev.Name(), r.Threads)
}

// TestReadBench reads steps that were measured here, and none of another machine or of another program.
func TestReadBench(t *testing.T) {
	dir, here := t.TempDir(), hereWith(t, config.Default())
	writeSteps(t, dir, here)
	path := filepath.Join(dir, "steps.json")
	if file, err := readBench(path, here); err != nil || len(file.Steps) != 2 {
		t.Errorf("steps of two shapes were measured here, got %v (%v)", file.Steps, err)
	}
	here.Revision += "+1"
	if file, err := readBench(path, here); err != nil || len(file.Steps) != 0 || file.Machine != here {
		t.Errorf("steps of another program: %+v (%v)", file, err)
	}
}

// TestShareAnswers asks which tasks have their blocks in V if some of them, or all, have no run.
func TestShareAnswers(t *testing.T) {
	for _, c := range []struct {
		ran, low, missing []string
		want              string
	}{
		{[]string{"a", "b"}, nil, nil, "V holds at least 75 % of the selected blocks for every task."},
		{[]string{"a", "b"}, []string{"b (3.0 %)"}, nil, "V holds less than 75 % of the selected blocks for b (3.0 %)."},
		{[]string{"a"}, nil, []string{"b"}, "V holds at least 75 % of the selected blocks for a. Nothing is known of b: no run came to an end."},
		{nil, nil, []string{"a", "b"}, "Whether V holds most blocks is not known: no run came to an end."},
	} {
		if got := strings.Join(shareAnswers(c.ran, c.low, c.missing), " "); got != c.want {
			t.Errorf("%v of %v low, %v missing: %q, expected %q", c.low, c.ran, c.missing, got, c.want)
		}
	}
}

// TestTasksByEpochs plans tasks of their own rows: the time of runs by epochs follows from these, and rows that are all tasks' are
// refused.
func TestTasksByEpochs(t *testing.T) {
	o := oneRate(t)
	files, err := DemoTasks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o.DryRun, o.Recipe.Dataset, o.Recipe.MaxSteps, o.Recipe.NumTrainEpochs = true, files[:2], 0, 2
	l, _, err := Perform(context.Background(), TaskStudy, o)
	if err != nil {
		t.Fatal(err)
	}
	e, err := l.Estimate()
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range l.Results {
		if base := r.Method == Base; !(e.Seconds[i] > 0) || !base && !(e.Seconds[i] > 4*e.Seconds[0]) {
			t.Errorf("%s: %g s, the model as it is %g s", r.Name, e.Seconds[i], e.Seconds[0])
		}
	}
	o.Recipe.EvalDataset, o.Recipe.ValSize = files[2:], 0
	if _, _, err := Perform(context.Background(), TaskStudy, o); err == nil || !strings.Contains(err.Error(), "eval_dataset: got") {
		t.Errorf("held-out rows for all tasks: %v", err)
	}
}

// TestWarmupLength asks how long the warm-up of a contender's runs was, and which rules have a score for every block.
func TestWarmupLength(t *testing.T) {
	runs := []Result{{Status: Failed}, {Status: Done, WarmupSteps: 5}}
	recipe := func(warmup, steps int) Contender {
		return Contender{Recipe: config.Recipe{WarmupFullSteps: warmup, MaxSteps: steps, NumTrainEpochs: 2, PerDeviceTrainBatchSize: 1, GradientAccumulationSteps: 1}}
	}
	l := &Lab{Split: Split{TrainRows: 80}}
	for name, c := range map[string]struct {
		Tuned
		want int
	}{
		"said":                    {Tuned{Contender: recipe(3, 0), Runs: runs}, 3},
		"by steps":                {Tuned{Contender: recipe(0, 400), Runs: runs}, 50},
		"by epochs":               {Tuned{Contender: recipe(0, 0), Runs: runs}, 5},
		"by epochs, of the grid":  {Tuned{Contender: recipe(0, 0), Grid: runs}, 5},
		"by epochs, before a run": {Tuned{Contender: recipe(0, 0)}, 20},
	} {
		if got := l.warmupLength(c.Tuned); got != c.want {
			t.Errorf("%s: %d steps, expected %d", name, got, c.want)
		}
	}
	o := oneRate(t)
	o.DryRun, o.Methods = true, []string{"mean_abs_sum", "frequency"}
	planned, _, err := Perform(context.Background(), Selection, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range planned.Results {
		if strings.HasPrefix(r.Name, "all blocks") {
			names = append(names, r.Name)
		}
	}
	if want := []string{"all blocks by mean_abs_sum"}; !slices.Equal(names, want) {
		t.Errorf("%v, expected %v", names, want)
	}
}

// TestRuleOfStudies plans studies for a recipe that names no block_score, whose blocks are those of the largest weights: a comparison
// runs them once and puts gradients beside them, and studies of the warm-up rank by gradients.
func TestRuleOfStudies(t *testing.T) {
	scores := func(study Study, o Options) (all []string, skipped string) {
		t.Helper()
		l, _, err := Perform(context.Background(), study, o)
		if err != nil {
			t.Fatalf("%s: %v", study.Name, err)
		}
		for _, r := range l.Results {
			if r.Recipe.FinetuningType == config.SMT && r.Method != Base && !slices.Contains(all, r.Recipe.BlockScore) {
				all = append(all, r.Recipe.BlockScore)
			}
		}
		return all, strings.Join(l.Skipped, "\n")
	}
	for _, c := range []struct {
		study Study
		want  []string
	}{
		{Compare, []string{"magnitude", "random", "diagonal", "v_only", "mean_abs_step"}},
		{Warmup, []string{"mean_abs_step", "random"}},
		{BreakEven, []string{"mean_abs_step"}},
		{MLP, []string{"mean_abs_sum"}},
		{Memory, []string{"magnitude", "mean_abs_step"}},
	} {
		o := defaultRule(t)
		o.Methods = c.study.Methods
		got, skipped := scores(c.study, o)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: block scores %v, expected %v", c.study.Name, got, c.want)
		}
		if c.study.Name == Compare.Name && !strings.Contains(skipped, "magnitude: it is the block_score of smt") {
			t.Errorf("compare: left out %q, expected magnitude", skipped)
		}
	}
	for _, study := range []Study{Warmup, BreakEven} {
		_, _, err := Perform(context.Background(), study, defaultRule(t, config.Override{Key: "block_score", Value: "diagonal"}))
		if err == nil || !strings.Contains(err.Error(), "got diagonal, which has no warm-up") {
			t.Errorf("%s without a warm-up to study: %v", study.Name, err)
		}
	}
}

func TestBreakEvenSteps(t *testing.T) {
	// 100 steps of 3 s, then a second saved with each: 300 steps.
	near(t, "break-even", BreakEvenSteps(100, 3, 2, 3), 300)
	if n := BreakEvenSteps(100, 3, 2, 2); !math.IsInf(n, 1) {
		t.Errorf("without a saving: %g", n)
	}
}

// TestBudgets checks the trained parameters of each budget against the shares that were asked for.
func TestBudgets(t *testing.T) {
	o := oneRate(t)
	o.DryRun = true
	l, _, err := Perform(context.Background(), Plateau, o)
	if err != nil {
		t.Fatal(err)
	}
	params := float64(l.Config.Params())
	for _, r := range l.Results {
		share := map[string]float64{"1": 0.01, "4": 0.04}[r.Label("budget_percent")]
		c, got := r.Recipe, 0
		if c.FinetuningType == config.SMT {
			if got, err = smtBudget(l.Config, c.Recipe); err != nil {
				t.Fatal(err)
			}
		} else {
			for _, m := range []int{128 + 128, 64 + 128, 64 + 128} {
				got += 4 * c.LoRARank * m // four layers of Q, K and V
			}
			if c.LoRAAlpha != 2*float64(c.LoRARank) {
				t.Errorf("%s: alpha %g for rank %d", r.Name, c.LoRAAlpha, c.LoRARank)
			}
		}
		if off := float64(got)/(share*params) - 1; !(math.Abs(off) <= 0.2) {
			t.Errorf("%s trains %d parameters, expected about %.0f", r.Name, got, share*params)
		}
	}
}
