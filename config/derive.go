package config

import "reflect"

// fillIn gives values to the keys whose defaults depend on other keys, and tells what is not obvious. After it, exactly
// one key gives the budget of SMT, so that nothing later needs to know which keys were set.
func (r *Recipe) fillIn(notices *Notices) {
	if r.InitConfig != "" && !r.IsSet("finetuning_type") {
		r.FinetuningType = Full
		*notices = append(*notices, "init_config: a random start trains all weights: finetuning_type is full")
	}
	if !r.IsSet("learning_rate") || r.LearningRate == 0 {
		switch r.FinetuningType {
		case Full:
			r.LearningRate = FullLearningRate
		case LoRA, DoRA:
			r.LearningRate = LowRankLearningRate
		default: // it follows from the model
			r.LearningRate = 0
		}
	}
	if !r.IsSet("adam_beta2") {
		r.AdamBeta2 = AdamBeta2
		if r.FinetuningType == SMT {
			r.AdamBeta2 = SMTAdamBeta2
		}
	}
	if !r.IsSet("trainable_ratio") && (r.NumBlocks > 0 || r.TargetRatio > 0) {
		r.TrainableRatio = 0
	}
	if r.BlockScore == "" {
		r.BlockScore = r.usualScore()
	}
}

// usualScore is the block_score of a recipe that names none. Blocks that are spread learn more where the weights are large than where
// the gradients are, at larger rates and without a warm-up; blocks that are ranked together learn less there (docs/results.md, "Which
// rule is the default"). A recipe that says how to warm up wants gradients.
func (r *Recipe) usualScore() string {
	warmup := r.WarmupFullSteps > 0 || r.WarmupUpdate != "none"
	if r.Selection == "spread" && !warmup {
		return "magnitude"
	}
	return "mean_abs_step"
}

// noteUnused tells which keys were set but mean nothing beside the others. Those that say what they would say anyway are
// passed over, so that a resolved recipe loads without a word.
func (r *Recipe) noteUnused(notices *Notices) {
	defaults := reflect.ValueOf(Default())
	fields := reflect.ValueOf(*r)
	r.unused(func(key Key, why string) {
		if r.IsSet(key.Name) && !sameValue(fields.Field(key.field), defaults.Field(key.field)) {
			*notices = append(*notices, r.places[key.Name]+": "+key.Name+" has no effect "+why)
		}
	})
}

// Essential is the recipe with the keys that mean nothing beside the others at their defaults, so that recipes which differ in such
// keys alone are equal.
func (r Recipe) Essential() Recipe {
	essential := r
	defaults := reflect.ValueOf(blank())
	fields := reflect.ValueOf(&essential).Elem()
	r.unused(func(key Key, _ string) { fields.Field(key.field).Set(defaults.Field(key.field)) })
	return essential
}

// unused finds the keys that mean nothing beside the others, and says why.
func (r *Recipe) unused(found func(key Key, why string)) {
	named := func(name, why string) { found(table[byName[name]], why) }
	for _, key := range table {
		if key.Group == "smt" && r.FinetuningType != SMT || key.Group == "lora" && r.FinetuningType != LoRA && r.FinetuningType != DoRA {
			// The budget of a recipe that is not SMT's says nothing.
			found(key, "with finetuning_type "+r.FinetuningType)
		}
	}
	if r.FinetuningType == Full {
		named("target_modules", "with finetuning_type full")
	}
	if r.FinetuningType == SMT && r.WarmupUpdate == "none" {
		named("warmup_learning_rate", "with warmup_update none")
	}
	if r.TrainOnPrompt {
		named("mask_history", "beside train_on_prompt")
	}
	if r.Precision != "int8" {
		named("int8_outlier_ratio", "with precision "+r.Precision)
	}
	if r.MaxSteps > 0 {
		named("num_train_epochs", "beside max_steps")
	}
	if r.WarmupSteps > 0 {
		named("warmup_ratio", "beside warmup_steps")
	}
	if r.LRSchedulerType != "wsd" {
		named("wsd_decay_ratio", "with lr_scheduler_type "+r.LRSchedulerType)
	}
}
