package recipe_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smt/config"
	"smt/export"
	"smt/model"
	"smt/recipe"
	"smt/sparse"
)

// selectionJSON is what a test reads of selection.json.
type selectionJSON struct {
	Score     string `json:"block_score"`
	Steps     int    `json:"warmup_steps"`
	NumBlocks int    `json:"num_blocks"`
	Matrices  []struct {
		Name, Module string
		Blocks       [][2]int32
		Scores       []float64
	}
}

func readSelection(t *testing.T, dir string) selectionJSON {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "selection.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s selectionJSON
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEveryBlockScore runs every rule with a frozen and a tuned MLP: all select as many blocks, run a warm-up only if they
// read data, and leave a whole run behind; the plan of the same recipe agrees.
func TestEveryBlockScore(t *testing.T) {
	modelDir, data := workspace(t)
	base, err := model.Open(modelDir)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	for _, score := range sparse.Scores {
		for _, mlp := range []int{0, 4} {
			t.Run(string(score)+map[int]string{0: "", 4: " and MLP"}[mlp], func(t *testing.T) {
				out := t.TempDir()
				settings := []string{"block_score=" + string(score), "num_blocks=3", "max_steps=2"}
				if mlp == 0 {
					settings = append(settings, "target_modules=q_proj,k_proj,v_proj")
				} else {
					settings = append(settings, "mlp_trainable_ratio=0.1") // of 12800 parameters: ⌊5.0⌋ blocks of 16 × 16
					mlp = int(0.1 * float64(base.Config.Params()) / 256)
				}
				r := recipeOf(t, modelDir, data, out, settings...)
				sum, rec := train(t, r)
				warmup := 3
				if score.DataFree() {
					warmup = 0
				}
				if sum.Steps != warmup+2 || sum.Blocks != 3+mlp {
					t.Errorf("%d steps and %d blocks, expected %d and %d", sum.Steps, sum.Blocks, warmup+2, 3+mlp)
				}
				told := strings.Contains(strings.Join(rec.notes, "\n"), "there is no warm-up, and warmup_full_steps 3 has no effect")
				if told != score.DataFree() {
					t.Errorf("notes %q", rec.notes)
				}
				s := readSelection(t, out)
				attention, inMLP := 0, 0
				for _, m := range s.Matrices {
					if !sparse.IsAttention(m.Module) {
						inMLP += len(m.Blocks)
						continue
					}
					attention += len(m.Blocks)
					if score == sparse.VOnly && m.Module != "v_proj" {
						t.Errorf("%s is among the candidates", m.Name)
					}
				}
				if s.Score != string(score) || s.Steps != warmup || s.NumBlocks != 3+mlp || attention != 3 || inMLP != mlp {
					t.Errorf("selection.json: %+v", s)
				}
				if info, err := os.Stat(filepath.Join(out, "selection.png")); err != nil || info.Size() == 0 {
					t.Errorf("selection.png: %v", err)
				}
				adapter, err := export.ReadAdapter(filepath.Join(out, "adapter"))
				if err != nil || adapter.NumBlocks() != 3+mlp || adapter.Score != string(score) {
					t.Errorf("adapter: %+v, %v", adapter, err)
				}
				plan, err := recipe.PlanOf(base, r, "smt")
				if err != nil || plan.Blocks != 3+mlp || (plan.WarmupPasses == 0) != score.DataFree() {
					t.Errorf("plan: %+v, %v", plan, err)
				}
			})
		}
	}
}

// TestRandomFollowsTheSeed draws with two seeds, and with one of them again for another number of steps.
func TestRandomFollowsTheSeed(t *testing.T) {
	modelDir, data := workspace(t)
	run := func(settings ...string) string {
		out := t.TempDir()
		train(t, recipeOf(t, modelDir, data, out, append(settings, "block_score=random", "max_steps=1")...))
		return files(t, out)["selection.json"]
	}
	one, again, other := run("seed=1"), run("seed=1", "warmup_full_steps=1", "learning_rate=0.1"), run("seed=2")
	if one != again {
		t.Error("the same seed draws other blocks")
	}
	if one == other {
		t.Error("another seed draws the same blocks")
	}
}

// TestDataFreeRulesMoveNoWeights asks for a warm-up that trains: without one there is nothing to keep, and the result is an
// adapter over the untouched base.
func TestDataFreeRulesMoveNoWeights(t *testing.T) {
	modelDir, data := workspace(t)
	plain, keep := t.TempDir(), t.TempDir()
	train(t, recipeOf(t, modelDir, data, plain, "block_score=diagonal"))
	_, rec := train(t, recipeOf(t, modelDir, data, keep, "block_score=diagonal", "warmup_update=keep"))
	if !strings.Contains(strings.Join(rec.notes, "\n"), "warmup_update keep has none either") {
		t.Errorf("notes %q", rec.notes)
	}
	name := filepath.Join("adapter", "adapter_model.safetensors")
	if a, b := files(t, plain)[name], files(t, keep)[name]; a == "" || a != b {
		t.Error("the adapter is not that of a run without warmup_update")
	}
}

// TestTooFewCandidates has a budget that v_only cannot use up, and a target ratio, which counts all targets.
func TestTooFewCandidates(t *testing.T) {
	modelDir, data := workspace(t)
	sum, rec := train(t, recipeOf(t, modelDir, data, t.TempDir(), "block_score=v_only", "num_blocks=9", "max_steps=1"))
	want := "the budget is 9 blocks, but only 4 are there"
	if sum.Blocks != 4 || !slices.ContainsFunc(rec.notes, func(n string) bool { return strings.Contains(n, want) }) {
		t.Errorf("%d blocks, notes %q", sum.Blocks, rec.notes)
	}
	sum, rec = train(t, recipeOf(t, modelDir, data, t.TempDir(), "target_modules=v_proj", "num_blocks=0", "trainable_ratio=0.9", "max_steps=1"))
	if sum.Blocks != 4 || !strings.Contains(strings.Join(rec.notes, "\n"), "but only 4 are there") {
		t.Errorf("more blocks than the targets have: %d blocks, notes %q", sum.Blocks, rec.notes)
	}
	sum, _ = train(t, recipeOf(t, modelDir, data, t.TempDir(), "target_modules=v_proj,up_proj", "num_blocks=0", "trainable_ratio=0", "mlp_num_blocks=2", "max_steps=1"))
	if sum.Blocks != 2 || sum.ShareV != 0 {
		t.Errorf("no budget for attention: %d blocks, %g of them in V, expected the MLP's 2", sum.Blocks, sum.ShareV)
	}
	sum, _ = train(t, recipeOf(t, modelDir, data, t.TempDir(), "block_score=v_only", "num_blocks=0", "target_ratio=0.25", "max_steps=1"))
	if sum.Blocks != 4 { // of the 16 blocks of q, k and v
		t.Errorf("target_ratio 0.25: %d blocks, expected 4", sum.Blocks)
	}
}

// TestRateFollowsFromTheModel leaves the learning rate to the program, which makes it from the hidden_size, the share of the
// parameters that is trained, and the rule. It is in the run's recipe, so that a resumed run has the same.
func TestRateFollowsFromTheModel(t *testing.T) {
	modelDir, data := workspace(t)
	base, err := model.Open(modelDir)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	width, params := float64(base.Config.HiddenSize), float64(base.Config.Params())
	for _, c := range []struct {
		keys   string
		blocks int
		want   float64
	}{
		{"selection=spread block_score=mean_abs_step", 5, 2 / width * math.Sqrt(0.0084*params/(5*16*16))},
		{"selection=per_matrix", 5, 2 / width * math.Sqrt(0.0084*params/(5*16*16))},
		{"selection=global", 5, 2 / width / 3 * math.Sqrt(0.0084*params/(5*16*16))},
		{"selection=global mlp_num_blocks=4 target_modules=q_proj,up_proj", 9, 2 / width / 3 * math.Sqrt(0.0084*params/(9*16*16))},
		{"block_score=magnitude", 5, 4 / width * 0.0084 * params / (5 * 16 * 16)},
		{"selection=global block_score=random num_blocks=10", 10, 4 / width * 0.0084 * params / (10 * 16 * 16)},
	} {
		out := t.TempDir()
		sum, rec := train(t, recipeOf(t, modelDir, data, out, append(strings.Fields(c.keys), "learning_rate=auto", "max_steps=1", "warmup_full_steps=1")...))
		saved, _, err := config.Load(filepath.Join(out, "recipe.yaml"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Blocks != c.blocks || !(math.Abs(saved.LearningRate/c.want-1) <= 1e-12) {
			t.Errorf("%s: %d blocks and learning rate %g, expected %d and %g", c.keys, sum.Blocks, saved.LearningRate, c.blocks, c.want)
		}
		if told := strings.Join(rec.notes, "\n"); !strings.Contains(told, "learning_rate") {
			t.Errorf("%s: notes %q", c.keys, told)
		}
	}
	for _, score := range sparse.Scores {
		if twice := config.SMTLearningRate(1, 0.0084, "spread", string(score)) == 4; twice != score.DataFree() {
			t.Errorf("%s: the rate of blocks chosen without data: %v", score, twice)
		}
	}
	if few, fewer := config.SMTLearningRate(1, 0.0005, "spread", "magnitude"), config.SMTLearningRate(1, 1e-6, "spread", "magnitude"); few != fewer {
		t.Errorf("a share too small to have been measured has the rate %g, expected %g", fewer, few)
	}
}

// TestManyPassesAreTold trains on 24 rows for two passes, and for so many that the usual learning rate is too high.
func TestManyPassesAreTold(t *testing.T) {
	modelDir, data := workspace(t)
	for epochs, want := range map[string]bool{"2": false, "6": true} {
		_, rec := train(t, recipeOf(t, modelDir, data, t.TempDir(), "num_train_epochs="+epochs, "max_steps=0", "warmup_full_steps=1"))
		if told := strings.Contains(strings.Join(rec.notes, "\n"), "passes over the rows"); told != want {
			t.Errorf("%s epochs: notes %q, told of many passes: %t, expected %t", epochs, rec.notes, told, want)
		}
	}
}
