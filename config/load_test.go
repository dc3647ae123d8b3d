package config

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parse reads a recipe that must be good.
func parse(t *testing.T, text string, overrides ...Override) (Recipe, Notices) {
	t.Helper()
	recipe, notices, err := Parse("recipe.yaml", []byte(text), overrides)
	if err != nil {
		t.Fatal(err)
	}
	return recipe, notices
}

func TestLoadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recipe.yaml")
	text := `# A recipe as people write them.
model_name_or_path: models/llama
dataset:
  - a.jsonl
  - b, c.parquet
columns: {instruction: question, output: "answer"}
template: alpaca      # a comment
learning_rate: 1e-4
max_seq_length: 1_024
`
	if err := os.WriteFile(path, []byte(strings.Replace(text, "1_024", "1024", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	recipe, notices, err := Load(path, []Override{{Key: "learning_rate", Value: "2e-4"}, {Key: "packing", Value: "false"}})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.ModelNameOrPath = "models/llama"
	want.Dataset = []string{"a.jsonl", "b, c.parquet"}
	want.Columns = map[string]string{"instruction": "question", "output": "answer"}
	want.Template = "alpaca"
	want.LearningRate = 2e-4
	want.MaxSeqLength = 1024
	want.Packing = false
	if diff := cmp.Diff(want.Resolved(), recipe.Resolved()); diff != "" {
		t.Errorf("recipe (-want +got):\n%s", diff)
	}
	if len(notices) > 0 {
		t.Errorf("notices: %q", notices)
	}
	if !recipe.IsSet("packing") || !recipe.IsSet("dataset") || recipe.IsSet("seed") {
		t.Error("IsSet does not tell what was set")
	}
	if _, _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: got %v", err)
	}
}

func TestDefaultsDependOnMethod(t *testing.T) {
	for _, c := range []struct {
		text         string
		method       string
		rate, beta2  float64
		ratio        float64
		modules      int
		noticesAbout string
	}{
		{"", SMT, 0, 0.95, 0.0084, 7, ""},
		{"finetuning_type: full", Full, 2e-5, 0.999, 0.0084, 7, ""},
		{"finetuning_type: lora", LoRA, 2e-4, 0.999, 0.0084, 7, ""},
		{"finetuning_type: dora\nlearning_rate: auto\nadam_beta2: 0.98", DoRA, 2e-4, 0.98, 0.0084, 7, ""},
		{"init_config: c.json", Full, 2e-5, 0.999, 0.0084, 7, "init_config"},
		{"num_blocks: 12\nlearning_rate: 0", SMT, 0, 0.95, 0, 7, ""},
		{"target_ratio: 0.5", SMT, 0, 0.95, 0, 7, ""},
		{"mlp_num_blocks: 12", SMT, 0, 0.95, 0.0084, 7, ""},
		{"mlp_num_blocks: 12\ntarget_modules: [up_proj]", SMT, 0, 0.95, 0.0084, 1, ""},
		{"target_modules: all\nlearning_rate: 5e-4", SMT, 5e-4, 0.95, 0.0084, 7, ""},
		{"block_size: auto\nmax_steps: -1\neval_dataset:\nval_size: null", SMT, 0, 0.95, 0.0084, 7, ""},
	} {
		r, notices := parse(t, c.text)
		if r.FinetuningType != c.method || r.LearningRate != c.rate || r.AdamBeta2 != c.beta2 ||
			r.TrainableRatio != c.ratio || len(r.TargetModules) != c.modules || r.BlockSize != 0 || r.MaxSteps != 0 {
			t.Errorf("%q: got %s %g %g %g %v", c.text, r.FinetuningType, r.LearningRate, r.AdamBeta2, r.TrainableRatio, r.TargetModules)
		}
		if told := strings.Join(notices, "\n"); !strings.Contains(told, c.noticesAbout) || c.noticesAbout == "" && told != "" {
			t.Errorf("%q: notices %q, want one about %q", c.text, told, c.noticesAbout)
		}
	}
}

func TestOverrides(t *testing.T) {
	file := "dataset: [x.json, y.json]\ncolumns: {input: i}\nseed: 1\nlearning_rate: 1e-3\ntrainable_ratio: 0.01\n"
	r, notices := parse(t, file,
		Override{Key: "dataset", Value: "a.json", Source: "--dataset"},
		Override{Key: "dataset", Value: "b,c.json", Source: "--dataset"},
		Override{Key: "dataset", Value: "[d.json, e.json]", Source: "--dataset"},
		Override{Key: "columns", Value: "output=o=p", Source: "--columns"},
		Override{Key: "columns", Value: "{input: j}", Source: "--columns"},
		Override{Key: "target_modules", Value: "q_proj,o_proj"},
		Override{Key: "seed", Value: "2"}, Override{Key: "seed", Value: "3"},
		Override{Key: "lr", Value: "auto", Source: "--lr"},
		Override{Key: "num_blocks", Value: "7", Source: "--num_blocks"},
	)
	if want := []string{"a.json", "b,c.json", "d.json", "e.json"}; !slices.Equal(r.Dataset, want) {
		t.Errorf("dataset: got %q, want %q", r.Dataset, want)
	}
	if diff := cmp.Diff(map[string]string{"output": "o=p", "input": "j"}, r.Columns); diff != "" {
		t.Errorf("columns: %s", diff)
	}
	if !slices.Equal(r.TargetModules, []string{"q_proj", "o_proj"}) || r.Seed != 3 || r.LearningRate != 0 {
		t.Errorf("got %v %d %g", r.TargetModules, r.Seed, r.LearningRate)
	}
	if r.NumBlocks != 7 || r.TrainableRatio != 0 {
		t.Errorf("budget: got %d blocks and ratio %g", r.NumBlocks, r.TrainableRatio)
	}
	if want := (Notices{"--lr: lr is read as learning_rate", "recipe.yaml:5: trainable_ratio gives way to --num_blocks"}); !slices.Equal(notices, want) {
		t.Errorf("notices: got %q, want %q", notices, want)
	}
}

// TestProblems checks the messages: they are the user interface of this package.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		text      string
		overrides []Override
		want      []string
	}{
		{"\nlerning_rate: 1", nil, []string{"recipe.yaml:2: lerning_rate: unknown key; did you mean learning_rate?"}},
		{"batchsize: 1", nil, []string{"recipe.yaml:1: batchsize: unknown key; did you mean batch_size?"}},
		{"zzzzzzzz: 1", nil, []string{"recipe.yaml:1: zzzzzzzz: unknown key"}},
		{"seed: 1.5\npacking: 1\nlearning_rate: fast\ndataset: {a: b}\ncolumns: x\noutput_dir: [a]", nil, []string{
			"recipe.yaml:1: seed: got 1.5, expected an integer, 0 or more",
			"recipe.yaml:2: packing: got 1, expected true or false",
			"recipe.yaml:3: learning_rate: got fast, expected a number, 0 or more, or auto",
			"recipe.yaml:4: dataset: got a map, expected a string or a list of strings",
			"recipe.yaml:5: columns: got x, expected a map of strings",
			"recipe.yaml:6: output_dir: got a list, expected a string",
		}},
		{`learning_rate: "1e-4"`, nil, []string{`recipe.yaml:1: learning_rate: got the string "1e-4", expected a number, 0 or more, or auto`}},
		{"seed: 1\nweight_decay: .inf", nil, []string{"recipe.yaml:2: weight_decay: got .inf, expected a number, 0 or more"}},
		{"adam_beta1: 1\nlora_dropout: 0.1\nfinetuning_type: lore", nil, []string{
			`recipe.yaml:3: finetuning_type: got "lore", expected smt, full, lora or dora; did you mean lora?`,
			"recipe.yaml:1: adam_beta1: got 1, expected a number, from 0 to below 1",
			"recipe.yaml:2: lora_dropout: got 0.1, expected a number, only 0",
		}},
		{"fp16: true", nil, []string{`recipe.yaml:1: precision: got "float16", expected float32, bf16, int8_backward or int8; did you mean float32?`}},
		{"target_modules: [q_proj, q_proj]", nil, []string{"recipe.yaml:1: target_modules: q_proj is listed twice"}},
		{"target_modules: []", nil, []string{"recipe.yaml:1: target_modules: is empty, expected at least one module for finetuning_type smt"}},
		{"num_blocks: 3\ntrainable_ratio: 0.1\nval_size: 0.1\neval_dataset: e.json", nil, []string{
			"eval_dataset (recipe.yaml:4) and val_size (recipe.yaml:3) contradict each other: validation rows have files of their own or are taken from the training rows; keep one",
			"trainable_ratio (recipe.yaml:2) and num_blocks (recipe.yaml:1) contradict each other: each gives the budget of SMT; keep one",
		}},
		{"overwrite_output_dir: true\nblock_size: 8", []Override{{Key: "resume_from_checkpoint", Value: "auto", Source: "--resume_from_checkpoint"}}, []string{
			"resume_from_checkpoint (--resume_from_checkpoint) and overwrite_output_dir (recipe.yaml:1) contradict each other: the newest checkpoint would be overwritten; keep one",
			"recipe.yaml:2: block_size: got 8, expected 16 or more, or 0 for a size that fits",
		}},
		{"iters: 1000\ngrad_accumulation_steps: 4", nil, []string{
			"recipe.yaml:1: iters counts passes, of which 4 make a step here (gradient_accumulation_steps); give max_steps: 250"}},
		{"", []Override{{Key: "iters", Value: "8", Source: "--iters"}, {Key: "gradient_accumulation_steps", Value: "2"}}, []string{
			"--iters: iters counts passes, of which 2 make a step here (gradient_accumulation_steps); give max_steps: 4"}},
		{"early_stopping_patience: 2", nil, []string{
			"recipe.yaml:1: early_stopping_patience: needs eval_dataset or val_size",
			"recipe.yaml:1: early_stopping_patience: needs eval_steps",
		}},
		{"trainable_ratio: 0", nil, []string{"recipe.yaml:1: trainable_ratio: there is no budget, expected trainable_ratio, num_blocks or target_ratio above 0"}},
		{"mlp_num_blocks: 2\ntarget_modules: q_proj", nil, []string{"recipe.yaml:1: mlp_num_blocks: needs one of gate_proj, up_proj, down_proj among target_modules"}},
		{"block_score: v_only\ntarget_modules: q_proj", nil, []string{"recipe.yaml:1: block_score: got v_only, which needs v_proj among target_modules"}},
		{"init_config: c.json\nfinetuning_type: lora", nil, []string{"recipe.yaml:2: finetuning_type: got lora, expected full: a random start trains all weights"}},
		{"lr: 1\nlearning_rate: 2", nil, []string{"recipe.yaml:2: learning_rate: sets learning_rate, which recipe.yaml:1 does already"}},
		{"seed: 1\nseed: 2", nil, []string{`recipe.yaml:2: YAML: mapping key "seed" already defined at [1:1]`}},
		{"a:1\nb: 2", nil, []string{"recipe.yaml:1: YAML: unexpected key name"}},
		{"- a", nil, []string{"recipe.yaml:1: got a list, expected lines of the form key: value"}},
		{"seed: 1\n---\nseed: 2", nil, []string{"recipe.yaml:3: a second YAML document begins, expected only one"}},
		{"seed: &a 1\n", nil, []string{"recipe.yaml:1: seed: got a YAML anchor or alias, expected a plain value, a list or a map of them"}},
		{"dataset: [[a]]\n", nil, []string{"recipe.yaml:1: dataset: got a list, expected a plain value, a list or a map of them"}},
		{"output_dir: \"\xff\"", nil, []string{"recipe.yaml: is not UTF-8 text"}},
		{"", []Override{{Key: "sed", Value: "1", Source: "argument"}, {Key: "seed", Value: "x", Source: "--seed"}, {Key: "columns", Value: "a", Source: "--columns"}}, []string{
			"argument: sed: unknown key; did you mean seed?",
			"--seed: got x, expected an integer, 0 or more",
			"--columns: a is no name=value pair",
		}},
	} {
		_, _, err := Parse("recipe.yaml", []byte(c.text), c.overrides)
		var problems *Error
		if !errors.As(err, &problems) {
			t.Errorf("%q: got error %v", c.text, err)
			continue
		}
		var got []string
		for line := range strings.SplitSeq(err.Error(), "\n") {
			got = append(got, strings.TrimPrefix(line, "config: "))
		}
		// The order of the lines is that of the table within a kind of problem; only the set matters to people.
		slices.Sort(got)
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestNoEffect(t *testing.T) {
	for text, want := range map[string]string{
		"finetuning_type: lora\nblock_size: 64":         "recipe.yaml:2: block_size has no effect with finetuning_type lora",
		"lora_rank: 4":                                  "recipe.yaml:1: lora_rank has no effect with finetuning_type smt",
		"max_steps: 5\nnum_train_epochs: 3":             "recipe.yaml:2: num_train_epochs has no effect beside max_steps",
		"train_on_prompt: true\nmask_history: true":     "recipe.yaml:2: mask_history has no effect beside train_on_prompt",
		"warmup_steps: 5\nwarmup_ratio: 0.1":            "recipe.yaml:2: warmup_ratio has no effect beside warmup_steps",
		"warmup_learning_rate: 1":                       "recipe.yaml:1: warmup_learning_rate has no effect with warmup_update none",
		"finetuning_type: full\ntarget_modules: q_proj": "recipe.yaml:2: target_modules has no effect with finetuning_type full",
		"wsd_decay_ratio: 0.5":                          "recipe.yaml:1: wsd_decay_ratio has no effect with lr_scheduler_type linear",
	} {
		if _, notices := parse(t, text); !slices.Equal(notices, Notices{want}) {
			t.Errorf("%q: notices %q, want %q", text, notices, want)
		}
	}
}

// TestBlockScore checks the rule of recipes that name none: the largest weights where blocks are spread, unless a warm-up is asked for.
func TestBlockScore(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "magnitude",
		"num_blocks: 5":           "magnitude",
		"block_score: auto":       "magnitude",
		"warmup_full_steps: auto": "magnitude",
		"finetuning_type: lora":   "magnitude",
		"selection: global":       "mean_abs_step",
		"selection: per_matrix":   "mean_abs_step",
		"warmup_full_steps: 5":    "mean_abs_step",
		"warmup_update: rollback": "mean_abs_step",
		"selection: global\nblock_score: diagonal":  "diagonal",
		"warmup_full_steps: 5\nblock_score: random": "random",
	} {
		r, _, err := Parse("recipe.yaml", []byte(text), nil)
		if err != nil || r.BlockScore != want {
			t.Errorf("%q: block_score %q (%v), expected %q", text, r.BlockScore, err, want)
		}
		if named := strings.Contains(text, "block_score") && want != "magnitude"; r.IsSet("block_score") != named {
			t.Errorf("%q: block_score is set: %t, expected %t", text, r.IsSet("block_score"), named)
		}
		again, notices, err := Parse("recipe.yaml", r.Resolved(), nil)
		if err != nil || !again.Equal(r) || len(notices) > 0 {
			t.Errorf("%q: the resolved recipe loads as another one (%v, %v)", text, err, notices)
		}
	}
	if _, _, err := Parse("recipe.yaml", []byte("block_score: largest"), nil); err == nil || !strings.Contains(err.Error(), "magnitude or auto") {
		t.Errorf("an unknown block_score: %v", err)
	}
}

// TestEssential compares recipes that differ in keys without effect, and in one that has.
func TestEssential(t *testing.T) {
	essential := func(text string) Recipe {
		r, _, err := Parse("recipe.yaml", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.Essential()
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"finetuning_type: lora\nblock_size: 64\nblock_score: random", "finetuning_type: lora", true},
		{"finetuning_type: lora\nlora_rank: 4", "finetuning_type: lora", false},
		{"finetuning_type: full\nlora_rank: 4\ntarget_modules: q_proj", "finetuning_type: full", true},
		{"block_size: 64\nlora_rank: 4", "block_size: 64", true},
		{"block_size: 64", "block_size: 32", false},
		{"max_steps: 5\nnum_train_epochs: 3", "max_steps: 5", true},
	} {
		if got := essential(c.a).Equal(essential(c.b)); got != c.same {
			t.Errorf("%q and %q: equal %t, expected %t", c.a, c.b, got, c.same)
		}
	}
}

// TestLimits feeds what would make the YAML library slow, and what is too large.
func TestLimits(t *testing.T) {
	for name, text := range map[string]string{
		"large":   strings.Repeat("# comment\n", 10_000),
		"nested":  "dataset: " + strings.Repeat("[", 20_000),
		"maps":    strings.Repeat("a: [", 12_000),
		"dashes":  strings.Repeat("- ", 20_000),
		"lines":   "seed: |\n  " + strings.Repeat("\n", 60_000),
		"indents": strings.Repeat("a:\n ", 9_000),
	} {
		start := time.Now()
		_, _, err := Parse("recipe.yaml", []byte(text), nil)
		var problems *Error
		if !errors.As(err, &problems) || len(err.Error()) > 2000 {
			t.Errorf("%s: got error %.200v", name, err)
		}
		t.Logf("%s: %v: %.80v", name, time.Since(start), err)
	}
}

func TestResolvedLoadsAgain(t *testing.T) {
	for _, text := range []string{
		"", "finetuning_type: full", "init_config: c.json\nseed: 7", "num_blocks: 5\nmlp_num_blocks: 4", "learning_rate: 1.25e-7",
		`output_dir: "a: b # c\n\té\u2028\x07'\"\\ "`, "dataset: ['- x', '*y', '&z', '!t', '%', '@', '`', ' a', 'b ', '1', 'null', 'yes', '~', '[a]', '{', ',', '?', ': ', '-', '.inf']",
		"columns: {'a b': 'c: d', null: x, 1: y}", "output_dir: .nan", "max_steps: 10\nnum_train_epochs: 2.5\nmin_lr_ratio: 0.1",
	} {
		checkRoundTrip(t, text)
	}
}

func checkRoundTrip(t *testing.T, text string) {
	t.Helper()
	first, _ := parse(t, text)
	resolved := first.Resolved()
	second, _, err := Parse("resolved.yaml", resolved, nil)
	if err != nil {
		t.Fatalf("%q: resolved recipe does not load: %v\n%s", text, err, resolved)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Fatalf("%q: resolved recipe differs:\n%s\n%s", text, diff, resolved)
	}
	for _, key := range Keys() {
		if !second.IsSet(key.Name) {
			t.Fatalf("%q: resolved recipe lacks %s", text, key.Name)
		}
	}
}

func TestValidateBuiltByHand(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Errorf("default: %v", err)
	}
	r := Default()
	r.LearningRate, r.Template = math.NaN(), "poem"
	err := r.Validate()
	if err == nil || !strings.Contains(err.Error(), "config: learning_rate: got NaN") || !strings.Contains(err.Error(), `config: template: got "poem"`) {
		t.Errorf("got %v", err)
	}
}

// FuzzParse checks that no file makes the reader panic, and that what it accepts survives being resolved.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "seed: 1", "dataset: [a, b]\ncolumns: {a: b}", "lr: 1e-4\nmask_prompt: yes", "output_dir: \"\\x41\\n\"", "a: [", "output_dir: |\n  x\n  y\n",
		"--- \n# c\nseed: 0x10\n...\n", "? a\n: b\n", "<<: *a\n", "%YAML 1.2\n---\nseed: 3\n", "\"seed\": 4", "tokenizer: 'it''s'", "dataset:\n- a\n- 'b\n  c'\n",
	} {
		f.Add([]byte(seed), "dataset", "[x, y]")
	}
	f.Add([]byte("seed: 2"), "columns", "{a: b}")
	f.Add([]byte("seed: 2"), "resume_from_checkpoint", "true")
	f.Fuzz(func(t *testing.T, data []byte, key, text string) {
		recipe, _, err := Parse("recipe.yaml", data, []Override{{Key: key, Value: text}})
		if err != nil {
			return
		}
		resolved := recipe.Resolved()
		again, notices, err := Parse("resolved.yaml", resolved, nil)
		if err != nil {
			t.Fatalf("resolved recipe does not load: %v\n%s", err, resolved)
		}
		if !recipe.Equal(again) {
			t.Fatalf("resolved recipe differs:\n%s\n%s", resolved, again.Resolved())
		}
		_ = notices
	})
}
