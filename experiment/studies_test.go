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
		{BreakEven, func(o *Options) { writeSteps(t, o.Dir) }, 3, []string{"time.png"}, []string{"warm-up steps full fine-tuning", "Llama-2-7B"}},
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
func writeSteps(t *testing.T, dir string) {
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
	if err := writeJSON(filepath.Join(dir, "steps.json"), steps); err != nil {
		t.Fatal(err)
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
		if off := float64(got)/(share*params) - 1; math.Abs(off) > 0.2 {
			t.Errorf("%s trains %d parameters, expected about %.0f", r.Name, got, share*params)
		}
	}
}
