package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAliases(t *testing.T) {
	r, notices := parse(t, `
base_model: m
data: d.jsonl
lr: 1e-5
micro_batch_size: 2
mask_prompt: no
calculate_strategy: abs_mean
selection_strategy: norm_dist
keys: [self_attn.q_proj, mlp.up_proj]
lr_scheduler_type: constant_with_warmup
bf16: False
resume_from_checkpoint: true
train.max_norm: 0.5
`)
	want := Default()
	want.ModelNameOrPath, want.Dataset, want.LearningRate = "m", []string{"d.jsonl"}, 1e-5
	want.PerDeviceTrainBatchSize, want.TrainOnPrompt = 2, true
	want.BlockScore, want.Selection = "mean_abs_sum", "per_matrix"
	want.TargetModules, want.LRSchedulerType = []string{"q_proj", "up_proj"}, "constant"
	want.ResumeFromCheckpoint, want.MaxGradNorm = "auto", 0.5
	if diff := cmp.Diff(string(want.Resolved()), string(r.Resolved())); diff != "" {
		t.Errorf("recipe (-want +got):\n%s", diff)
	}
	for _, told := range []string{
		"recipe.yaml:2: base_model is read as model_name_or_path",
		"recipe.yaml:4: lr is read as learning_rate",
		"recipe.yaml:6: mask_prompt: no is read as train_on_prompt: true",
		"recipe.yaml:7: calculate_strategy: abs_mean is read as block_score: mean_abs_sum",
		"recipe.yaml:10: lr_scheduler_type: constant_with_warmup is read as constant",
		"recipe.yaml:11: bf16: False is read as precision: float32",
		"recipe.yaml:12: resume_from_checkpoint: true is read as auto",
	} {
		if !slices.Contains(notices, told) {
			t.Errorf("no notice %q in %q", told, notices)
		}
	}
}

// TestAliasesThatMeanLess: keys of other programs that say less than their name here does.
func TestAliasesThatMeanLess(t *testing.T) {
	for _, c := range []struct {
		text      string
		overrides []Override
		want      func(r *Recipe)
	}{
		{"assistant_only_loss: false", nil, func(*Recipe) {}},
		{"assistant_only_loss: no\ntrain_on_prompt: true", nil, func(r *Recipe) { r.TrainOnPrompt = true }},
		{"assistant_only_loss: true", nil, func(*Recipe) {}},
		{"completion_only_loss: false", nil, func(r *Recipe) { r.TrainOnPrompt = true }},
		{"iters: 100", nil, func(r *Recipe) { r.MaxSteps = 100 }},
		{"iters: 100\ngradient_accumulation_steps: 2", []Override{{Key: "max_steps", Value: "5"}},
			func(r *Recipe) { r.MaxSteps, r.GradientAccumulationSteps = 5, 2 }},
		{"num_submatrix_attn: 9\nnum_submatrix_mlp: 0", nil, func(r *Recipe) {
			r.NumBlocks, r.TrainableRatio, r.TargetModules = 9, 0, []string{"q_proj", "k_proj", "v_proj"}
		}},
		{"downsample_attention_blocks_ratio: 0.004\nnum_submatrix_mlp: 7", nil, func(r *Recipe) {
			r.TrainableRatio, r.MLPNumBlocks, r.TargetModules = 0.004, 7, []string{"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj"}
		}},
		{"num_submatrix_attn: 0\nnum_submatrix_mlp: 7", nil, func(r *Recipe) { r.MLPNumBlocks, r.TargetModules = 7, []string{"gate_proj", "up_proj", "down_proj"} }},
		{"num_submatrix_attn: 9\ntarget_modules: o_proj", nil, func(r *Recipe) { r.NumBlocks, r.TrainableRatio, r.TargetModules = 9, 0, []string{"o_proj"} }},
		{"num_submatrix_attn: 9\nnum_submatrix_mlp: 7", []Override{{Key: "trainable_ratio", Value: "0.01", Source: "--trainable_ratio"}}, func(r *Recipe) {
			r.TrainableRatio, r.MLPNumBlocks, r.TargetModules = 0.01, 7, []string{"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj"}
		}},
		{"num_submatrix_mlp: 7", nil, func(r *Recipe) { r.MLPNumBlocks = 7 }},
		{"num_submatrix_attn: 9", []Override{{Key: "num_blocks", Value: "5", Source: "--num_blocks"}}, func(r *Recipe) { r.NumBlocks, r.TrainableRatio = 5, 0 }},
	} {
		r, _ := parse(t, c.text, c.overrides...)
		want := Default()
		c.want(&want)
		if diff := cmp.Diff(string(want.Resolved()), string(r.Resolved())); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestAliasesAreSound(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range aliases {
		if _, ok := byName[a.key]; !ok {
			t.Errorf("alias %s stands for %s, which is no key", a.name, a.key)
		}
		if _, ok := byName[a.name]; ok || seen[a.name] {
			t.Errorf("alias %s is the name of a key or listed twice", a.name)
		}
		seen[a.name] = true
	}
	for name := range spellings {
		if _, ok := byName[name]; !ok {
			t.Errorf("spellings: %s is no key", name)
		}
	}
}
