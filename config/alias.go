package config

import "strings"

// An alias is what another program calls a key. Some need their value rewritten, too.
type alias struct {
	name, key string
	// values translates values; what it does not hold stays as it is.
	values map[string]string
	// prefixes lists what is cut from the front of each value.
	prefixes []string
	// silent is a value that says nothing, the other program's default.
	silent string
}

// Booleans that mean the opposite, and the half-precision switches of TrainingArguments.
var (
	inverted = map[string]string{"true": "false", "false": "true"}
	asBF16   = map[string]string{"true": "bf16", "false": "float32"}
	asFP16   = map[string]string{"true": "float16", "false": "float32"}
)

// aliases come from the configuration of axolotl, DeepSpeed's and PEFT's SMT scripts, LitGPT, LLaMA-Factory, mlx-lm,
// torchtune, TRL and unsloth, where they mean the same as the key here.
var aliases = []alias{
	{name: "model", key: "model_name_or_path"},
	{name: "base_model", key: "model_name_or_path"},
	{name: "checkpoint_dir", key: "model_name_or_path"},
	{name: "tokenizer_name", key: "tokenizer"},
	{name: "tokenizer_name_or_path", key: "tokenizer"},
	{name: "config_name", key: "init_config"},

	{name: "data", key: "dataset"},
	{name: "datasets", key: "dataset"},
	{name: "dataset_name", key: "dataset"},
	{name: "data_path", key: "dataset"},
	{name: "train_file", key: "dataset"},
	{name: "validation_file", key: "eval_dataset"},
	{name: "val_set_size", key: "val_size"},
	{name: "eval_set_ratio", key: "val_size"},
	{name: "chat_template_path", key: "chat_template"},
	{name: "train_on_inputs", key: "train_on_prompt"},
	{name: "train_on_input", key: "train_on_prompt"},
	{name: "mask_prompt", key: "train_on_prompt", values: inverted},
	{name: "completion_only_loss", key: "train_on_prompt", values: inverted},
	{name: "assistant_only_loss", key: "train_on_prompt", values: inverted, silent: "false"},
	{name: "cutoff_len", key: "max_seq_length"},
	{name: "sequence_len", key: "max_seq_length"},
	{name: "max_length", key: "max_seq_length"},
	{name: "max_seq_len", key: "max_seq_length"},
	{name: "excess_length_strategy", key: "excess_length"},
	{name: "sample_packing", key: "packing"},
	{name: "packed", key: "packing"},
	{name: "max_samples", key: "max_rows"},

	{name: "fine_tune_type", key: "finetuning_type"},
	{name: "adapter", key: "finetuning_type"},
	{name: "lora_target", key: "target_modules"},
	{name: "lora_target_modules", key: "target_modules"},
	{name: "keys", key: "target_modules", prefixes: []string{"self_attn.", "mlp."}},

	{name: "micro_batch_size", key: "per_device_train_batch_size"},
	{name: "batch_size", key: "per_device_train_batch_size"},
	{name: "grad_accumulation_steps", key: "gradient_accumulation_steps"},
	{name: "lr", key: "learning_rate"},
	{name: "smt_lr", key: "learning_rate"},
	{name: "smt_learning_rate", key: "learning_rate"},
	{name: "lr_scheduler", key: "lr_scheduler_type"},
	{name: "num_warmup_steps", key: "warmup_steps"},
	{name: "w_decay", key: "weight_decay"},
	{name: "clip_grad_norm", key: "max_grad_norm"},
	{name: "train.max_norm", key: "max_grad_norm"},
	{name: "epochs", key: "num_train_epochs"},
	{name: "num_epochs", key: "num_train_epochs"},
	{name: "num_ft_epochs", key: "num_train_epochs"},
	{name: "iters", key: "max_steps"}, // with steps of one pass alone, see checkIterations
	{name: "random_state", key: "seed"},

	{name: "full_ft_steps", key: "warmup_full_steps"},
	{name: "ft_learning_rate", key: "warmup_learning_rate"},
	// The reference swaps the two names: its mean_abs is |mean G|, its abs_mean is mean|G|.
	{name: "calculate_strategy", key: "block_score", values: referenceScores},
	{name: "calculation_strategy", key: "block_score", values: referenceScores},
	// These are about q, k and v alone, see impliedModules.
	{name: "downsample_attention_blocks_ratio", key: "trainable_ratio"},
	{name: "num_submatrix_attn", key: "num_blocks"},
	{name: "downsample_mlp_blocks_ratio", key: "mlp_trainable_ratio"},
	{name: "num_submatrix_mlp", key: "mlp_num_blocks"},
	{name: "selection_strategy", key: "selection",
		values: map[string]string{"no_restriction": "global", "norm_dist": "per_matrix"}},

	{name: "lora_r", key: "lora_rank"},
	{name: "r", key: "lora_rank"},

	{name: "eval_batch_size", key: "per_device_eval_batch_size"},
	{name: "steps_per_eval", key: "eval_steps"},

	{name: "out_dir", key: "output_dir"},
	{name: "adapter_path", key: "output_dir"},
	{name: "save_every", key: "save_steps"},
	{name: "save_interval", key: "save_steps"},
	{name: "steps_per_report", key: "logging_steps"},

	{name: "dtype", key: "precision", values: precisions},
	{name: "bf16", key: "precision", values: asBF16},
	{name: "fp16", key: "precision", values: asFP16},
	{name: "grad_checkpoint", key: "gradient_checkpointing"},
	{name: "enable_activation_checkpointing", key: "gradient_checkpointing"},
}

var (
	referenceScores = map[string]string{
		"mean_abs": "abs_mean_sum", "abs_mean": "mean_abs_sum", "L1": "mean_abs_sum", "L2": "l2_sum",
	}
	precisions = map[string]string{"fp32": "float32", "32": "float32", "32-true": "float32", "bfloat16": "bf16", "bf16-true": "bf16"}
)

// spellings are other values that keys take under their own name.
var spellings = map[string]map[string]string{
	"lr_scheduler_type":      {"constant_with_warmup": "constant", "warmup_stable_decay": "wsd"},
	"precision":              precisions,
	"resume_from_checkpoint": {"true": "auto", "false": ""},
	"max_steps":              {"-1": "0"},
}

func aliasNamed(name string) (alias, bool) {
	for _, a := range aliases {
		if a.name == name {
			return a, true
		}
	}
	return alias{}, false
}

// impliedModules are the target modules of a recipe that gives the budget as the reference does and names none: there, attention is q, k
// and v, and the MLP, which has a budget of its own, is gate, up and down. It returns nil for other recipes.
func (l *loading) impliedModules() []string {
	r := &l.recipe
	if r.IsSet("target_modules") || r.FinetuningType != SMT {
		return nil
	}
	if !l.saidBy("num_submatrix_attn") && !l.saidBy("downsample_attention_blocks_ratio") {
		return nil
	}
	var modules []string
	if r.NumBlocks > 0 || r.TargetRatio > 0 || r.IsSet("trainable_ratio") && r.TrainableRatio > 0 {
		modules = []string{"q_proj", "k_proj", "v_proj"}
	}
	if r.hasMLPBudget() {
		modules = append(modules, mlpModules...)
	}
	return modules
}

// saidBy reports whether the value of an alias's key comes from that alias.
func (l *loading) saidBy(name string) bool {
	a, _ := aliasNamed(name)
	place, read := l.read[name]
	return read && l.recipe.places[a.key] == place
}

// checkIterations refuses iters where it is not max_steps: mlx-lm counts passes, of which several may make one step.
func (l *loading) checkIterations() {
	if n := l.recipe.GradientAccumulationSteps; n > 1 && l.saidBy("iters") {
		l.problem(l.read["iters"], "", "iters counts passes, of which %d make a step here (gradient_accumulation_steps); give max_steps: %d", n, max(1, l.recipe.MaxSteps/n))
	}
}

// translate gives a value the meaning that it has under the alias.
func (a alias) translate(v value) value {
	if to, ok := a.values[v.word()]; ok && v.isScalar() {
		v.text = to
	}
	for _, prefix := range a.prefixes {
		v.text = strings.TrimPrefix(v.text, prefix)
	}
	if len(v.items) > 0 {
		items := make([]value, len(v.items))
		for i, item := range v.items {
			items[i] = a.translate(item)
		}
		v.items = items
	}
	return v
}
