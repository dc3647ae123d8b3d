package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Validate checks the recipe as a whole and returns an [Error] with everything that is wrong: values out of range, keys
// that contradict each other, and keys that need another. It reads no file.
func (r Recipe) Validate() error {
	return errorOf(append(r.outOfRange(), r.contradictions()...))
}

// outOfRange finds the values that their key does not allow.
func (r Recipe) outOfRange() []Problem {
	var problems []Problem
	fields := reflect.ValueOf(r)
	for _, key := range table {
		if message := key.checkField(fields.Field(key.field)); message != "" {
			problems = append(problems, Problem{r.places[key.Name], key.Name, message})
		}
	}
	return problems
}

// exclusive lists the keys of which only one may be other than zero or empty.
var exclusive = []struct {
	keys []string
	why  string
}{
	{[]string{"model_name_or_path", "init_config"}, "a model starts from weights or at random"},
	{[]string{"eval_dataset", "val_size"}, "validation rows have files of their own or are taken from the training rows"},
	{[]string{"trainable_ratio", "num_blocks", "target_ratio"}, "each gives the budget of SMT"},
	{[]string{"mlp_trainable_ratio", "mlp_num_blocks"}, "each gives the budget of the MLP"},
}

// isZero reports whether a key has no value, or 0.
func (r Recipe) isZero(key string) bool {
	field := reflect.ValueOf(r).Field(table[byName[key]].field)
	return sameValue(field, reflect.Zero(field.Type()))
}

// contradictions finds the keys that cannot stand together.
func (r Recipe) contradictions() []Problem {
	var problems []Problem
	report := func(key, format string, args ...any) {
		problems = append(problems, Problem{r.places[key], key, fmt.Sprintf(format, args...)})
	}
	together := func(keys []string, why string) {
		problems = append(problems, Problem{Message: r.listPlaces(keys) + " contradict each other: " + why + "; keep one"})
	}

	for _, set := range exclusive {
		if used := slices.DeleteFunc(slices.Clone(set.keys), r.isZero); len(used) > 1 {
			together(used, set.why)
		}
	}
	if r.ResumeFromCheckpoint == "auto" && r.OverwriteOutputDir {
		together([]string{"resume_from_checkpoint", "overwrite_output_dir"}, "the newest checkpoint would be overwritten")
	}
	if r.InitConfig != "" && r.FinetuningType != Full {
		report("finetuning_type", "got %s, expected full: a random start trains all weights", r.FinetuningType)
	}
	if r.ChatTemplate != "" && r.Template != "auto" && r.Template != "chat" {
		report("chat_template", "is not used with template %s, expected auto or chat", r.Template)
	}
	if r.ValSize > 1 && r.ValSize != float64(int64(r.ValSize)) {
		report("val_size", "got %s, expected a fraction below 1 or a whole number of rows", formatNumber(r.ValSize))
	}
	if r.FinetuningType != Full && len(r.TargetModules) == 0 {
		report("target_modules", "is empty, expected at least one module for finetuning_type %s", r.FinetuningType)
	}
	if r.Precision != "float32" && r.FinetuningType == Full {
		report("precision", "got %s, expected float32 with finetuning_type full: the others are for frozen weights", r.Precision)
	}
	if r.Precision != "float32" && r.FinetuningType == SMT && r.WarmupUpdate != "none" {
		report("precision", "got %s, expected float32 with warmup_update %s: the others are for frozen weights", r.Precision, r.WarmupUpdate)
	}
	r.checkValidation(report)
	if r.FinetuningType == SMT {
		r.checkSMT(report)
	}
	return problems
}

// checkValidation checks what needs a validation loss.
func (r Recipe) checkValidation(report func(key, format string, args ...any)) {
	hasRows := len(r.EvalDataset) > 0 || r.ValSize > 0
	if r.EvalSteps > 0 && !hasRows {
		report("eval_steps", "needs eval_dataset or val_size")
	}
	for _, need := range []struct {
		key  string
		used bool
	}{
		{"early_stopping_patience", r.EarlyStoppingPatience > 0},
		{"load_best_model_at_end", r.LoadBestModelAtEnd},
	} {
		if !need.used {
			continue
		}
		if !hasRows {
			report(need.key, "needs eval_dataset or val_size")
		}
		if r.EvalSteps == 0 {
			report(need.key, "needs eval_steps")
		}
	}
}

// The modules of the MLP, which may have a budget of their own.
var mlpModules = []string{"gate_proj", "up_proj", "down_proj"}

// hasMLPBudget reports whether the MLP has a budget of its own.
func (r *Recipe) hasMLPBudget() bool { return r.MLPTrainableRatio > 0 || r.MLPNumBlocks > 0 }

// checkSMT checks block size and budget.
func (r Recipe) checkSMT(report func(key, format string, args ...any)) {
	if r.BlockSize > 0 && r.BlockSize < 16 {
		report("block_size", "got %d, expected 16 or more, or 0 for a size that fits", r.BlockSize)
	}
	hasBudget := r.TrainableRatio > 0 || r.NumBlocks > 0 || r.TargetRatio > 0
	if !hasBudget && !r.hasMLPBudget() {
		report("trainable_ratio", "there is no budget, expected trainable_ratio, num_blocks or target_ratio above 0")
	}
	if hasBudget && r.BlockScore == "v_only" && !slices.Contains(r.TargetModules, "v_proj") {
		report("block_score", "got v_only, which needs v_proj among target_modules")
	}
	isMLP := func(module string) bool { return slices.Contains(mlpModules, module) }
	if r.hasMLPBudget() && !slices.ContainsFunc(r.TargetModules, isMLP) {
		key := "mlp_num_blocks"
		if r.MLPTrainableRatio > 0 {
			key = "mlp_trainable_ratio"
		}
		report(key, "needs one of %s among target_modules", strings.Join(mlpModules, ", "))
	}
}

// listPlaces names keys together with where they were set.
func (r Recipe) listPlaces(keys []string) string {
	texts := make([]string, len(keys))
	for i, key := range keys {
		texts[i] = key
		if place := r.places[key]; place != "" {
			texts[i] += " (" + place + ")"
		}
	}
	last := len(texts) - 1
	return strings.Join(texts[:last], ", ") + " and " + texts[last]
}
