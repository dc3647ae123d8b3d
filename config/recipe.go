// Package config holds the recipe of a run: everything that `smt train` and its sister commands can be told.
//
// There is one table, the fields of [Recipe]. A field's struct tags give its key, its default, what values it takes and a
// line of help; the YAML file, the command's flags, the `--help` text, the reference in the documentation and the resolved
// recipe that a run leaves behind all derive from it (see [Keys]). Names are those of Hugging Face's TrainingArguments;
// what other programs call the same thing is accepted and told (see [Key.Aliases]).
//
// [Load] reads a YAML file, lets overrides from the command line win over it, fills in defaults, and reports all problems
// in one [Error], each with the file and line or the flag it comes from. [Recipe.Resolved] writes a recipe that loads
// again to an equal one.
package config

import (
	"math"
	"reflect"
	"slices"
)

// Learning rates where the recipe names none: the middle of what the field uses. All are starting points for a sweep.
const (
	FullLearningRate    = 2e-5
	LowRankLearningRate = 2e-4
)

// SMTLearningRate is SMT's where the recipe names none, in a model of the given hidden_size of which a share of all parameters is
// trained. Few weights must do the work, so it is far above that of full fine-tuning, and the fewer they are, the larger:
//
//	blocks chosen without data     4/width · 0.0084/share
//	spread, and per_matrix         2/width · √(0.0084/share)
//	global                       2/3/width · √(0.0084/share)
//
// In a model of width 576 the best rates of grids were, at 0.05, 0.2, 0.43, 0.84 and 4.9 %: 1.2e-1, 4.1e-2, 1.35e-2, 7.8e-3, 1.5e-3
// without data, and 1.35e-2, 1.35e-2, 4.5e-3, 4.5e-3, 1.5e-3 by gradients; ranked together 1.5e-3 at 0.84 % (docs/results.md, "Loss against the budget"). A step
// of Adam is about as large in every element: the root keeps its norm, whatever the budget. That the best rate of Adam falls with
// the width is known from training whole models (arXiv 2203.03466).
func SMTLearningRate(width int, share float64, selection, blockScore string) float64 {
	fewer := usualShare / max(share, leastShare)
	rate := 2 / float64(width) * math.Sqrt(fewer)
	switch {
	case slices.Contains(dataFreeScores, blockScore):
		return 4 / float64(width) * fewer
	case selection == "global":
		return rate / 3
	}
	return rate
}

const (
	usualShare = 0.0084 // the default of trainable_ratio
	leastShare = 0.0005 // smaller ones have not been measured
)

// dataFreeScores are the values of block_score that read no data.
var dataFreeScores = []string{"random", "diagonal", "magnitude"}

// The second moment's decay where the recipe names none: SMT's authors train their blocks with 0.95, the rest of the
// field uses Adam's own 0.999.
const (
	SMTAdamBeta2 = 0.95
	AdamBeta2    = 0.999
)

// The values of finetuning_type.
const (
	SMT  = "smt"
	Full = "full"
	LoRA = "lora"
	DoRA = "dora"
)

// A Recipe is the complete description of a run. Recipes come from [Load], [Parse] or [Default]; they are values, and
// nothing changes them after that.
//
// The tags of a field: key is its name in YAML and on the command line; group starts a new group of keys; default is its
// value in the form the YAML file would have, "auto" if it depends on other keys; choices or range say what is allowed;
// help is one line for people. A range is an interval in mathematical notation, such as [0,1).
type Recipe struct {
	// ModelNameOrPath is a Hugging Face model directory, or the name of a model on the hub. Empty means the tiny model
	// that the program carries.
	ModelNameOrPath string `group:"model" key:"model_name_or_path" help:"model directory or hub name; the built-in demo model if empty"`
	// InitConfig is the path of a config.json. The model then starts from random weights, for pretraining.
	InitConfig string `key:"init_config" help:"config.json of a model to start from random weights"`
	// Tokenizer is a directory with a tokenizer.json, if it is not the model's own.
	Tokenizer string `key:"tokenizer" help:"directory of the tokenizer, if not the model's"`

	// Dataset are the files to train on, in this order. Relative paths start at the working directory.
	Dataset []string `group:"data" key:"dataset" help:"training files: .json, .jsonl (.gz, .zst) or .parquet"`
	// EvalDataset are the files of the validation loss.
	EvalDataset []string `key:"eval_dataset" help:"validation files"`
	// ValSize takes validation rows out of the training rows: a fraction below 1, or a number of rows.
	ValSize float64 `key:"val_size" default:"0" range:"[0,inf)" help:"rows held out for validation: a fraction below 1, or a count"`
	// Columns maps the names of fields that this program knows to the names they have in the files.
	Columns map[string]string `key:"columns" help:"field names in the files, such as instruction=question"`
	// Template turns a row into text. With auto it follows from the row's fields.
	Template string `key:"template" default:"auto" choices:"auto|alpaca|llm_adapters|smt_reference|prompt_completion|chat|text" help:"how a row becomes text"`
	// ChatTemplate is a file with a Jinja chat template that replaces the model's own.
	ChatTemplate string `key:"chat_template" help:"file with a Jinja chat template, if not the model's"`
	// TrainOnPrompt also supervises the tokens of the prompt.
	TrainOnPrompt bool `key:"train_on_prompt" default:"false" help:"loss on the prompt too, not only on the response"`
	// MaskHistory supervises only the last answer of a conversation.
	MaskHistory bool `key:"mask_history" default:"false" help:"loss on the last answer of a conversation only"`
	// MaxSeqLength is the longest row, and the length of a packed sequence, in tokens.
	MaxSeqLength int `key:"max_seq_length" default:"512" range:"[0,16777216]" help:"longest sequence in tokens; 0: the model's own limit"`
	// ExcessLength says what happens to a row that is longer than MaxSeqLength.
	ExcessLength string `key:"excess_length" default:"truncate" choices:"truncate|drop|raise" help:"what to do with longer rows"`
	// Packing lets rows share a sequence. They do not see each other, and positions start at 0 in each.
	Packing bool `key:"packing" default:"true" help:"let short rows share a sequence, without seeing each other"`
	// MaxRows uses only the first rows of each file of Dataset and EvalDataset.
	MaxRows int `key:"max_rows" default:"0" range:"[0,inf)" help:"rows of each file to use, from the first; 0: all"`

	// FinetuningType is the method.
	FinetuningType string `group:"method" key:"finetuning_type" default:"smt" choices:"smt|full|lora|dora" help:"what is trained"`
	// TargetModules are the linear layers that SMT selects blocks of, or that get a LoRA or DoRA adapter. The paper's are q_proj,
	// k_proj and v_proj.
	TargetModules []string `key:"target_modules" default:"all" choices:"q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj" help:"linear layers to tune, or all"`

	// PerDeviceTrainBatchSize counts the rows, or with packing the sequences, of one forward pass. Two packed sequences of
	// 512 tokens hold some ten rows of usual instruction data.
	PerDeviceTrainBatchSize int `group:"training" key:"per_device_train_batch_size" default:"2" range:"[1,1048576]" help:"rows (packed: sequences) of a forward pass"`
	// GradientAccumulationSteps is the number of forward and backward passes of one optimizer step.
	GradientAccumulationSteps int `key:"gradient_accumulation_steps" default:"1" range:"[1,1048576]" help:"passes per optimizer step"`
	// LearningRate is the peak of the schedule; after SMT's warm-up, that of the blocks. 0 is SMT's own (see SMTLearningRate),
	// which follows from the model.
	LearningRate float64 `key:"learning_rate" default:"auto" range:"[0,inf)" help:"peak learning rate; auto or 0: for smt 4/hidden_size, half of it for blocks ranked by gradients, a sixth with selection global, and more for smaller budgets (docs/method.md); 2e-5 for full, 2e-4 for lora and dora"`
	// LRSchedulerType is the schedule's shape: wsd is warm-up, stable, decay.
	LRSchedulerType string `key:"lr_scheduler_type" default:"linear" choices:"constant|linear|cosine|wsd" help:"shape of the learning rate over time"`
	// WarmupSteps are the steps over which the learning rate rises from 0. It wins over WarmupRatio.
	WarmupSteps int `key:"warmup_steps" default:"0" range:"[0,inf)" help:"steps in which the learning rate rises"`
	// WarmupRatio is the same as a fraction of all steps of the schedule.
	WarmupRatio float64 `key:"warmup_ratio" default:"0" range:"[0,1]" help:"the same as a fraction of the steps"`
	// MinLRRatio is the learning rate at the schedule's end, as a fraction of its peak.
	MinLRRatio float64 `key:"min_lr_ratio" default:"0" range:"[0,1]" help:"last learning rate as a fraction of the peak"`
	// WSDDecayRatio is the fraction of the steps in which a wsd schedule decays.
	WSDDecayRatio float64 `key:"wsd_decay_ratio" default:"0.1" range:"[0,1]" help:"fraction of the steps in which wsd decays"`
	// WeightDecay is AdamW's decoupled decay.
	WeightDecay float64 `key:"weight_decay" default:"0" range:"[0,inf)" help:"weight decay of AdamW; full fine-tuning leaves out norms and biases"`
	// MaxGradNorm is the global norm that the gradients of what is trained are clipped to.
	// With 0 and steps of one pass, full fine-tuning holds the gradients of one layer at a time.
	MaxGradNorm float64 `key:"max_grad_norm" default:"1" range:"[0,inf)" help:"clip the global gradient norm; 0: never"`
	// AdamBeta1 is the decay of the first moment.
	AdamBeta1 float64 `key:"adam_beta1" default:"0.9" range:"[0,1)" help:"decay of Adam's first moment"`
	// AdamBeta2 is the decay of the second moment.
	AdamBeta2 float64 `key:"adam_beta2" default:"auto" range:"[0,1)" help:"decay of Adam's second moment; auto: 0.95 for smt, else 0.999"`
	// AdamEpsilon is added to the root of the second moment.
	AdamEpsilon float64 `key:"adam_epsilon" default:"1e-8" range:"(0,inf)" help:"what Adam adds to its denominator"`
	// NumTrainEpochs is the number of passes over the dataset; it need not be whole.
	NumTrainEpochs float64 `key:"num_train_epochs" default:"1" range:"(0,inf)" help:"passes over the dataset"`
	// MaxSteps is the number of optimizer steps that train; SMT's warm-up comes before them. It wins over NumTrainEpochs.
	MaxSteps int `key:"max_steps" default:"0" range:"[0,inf)" help:"optimizer steps, not counting SMT's warm-up; 0: by epochs"`
	// Seed decides the order of the rows and all random numbers.
	Seed int64 `key:"seed" default:"42" range:"[0,inf)" help:"seed of order and random numbers"`

	// WarmupFullSteps is the length of the phase that gathers gradients, in optimizer steps. 0 follows from the length of the
	// run (see [smt/sparse.WarmupSteps]).
	WarmupFullSteps int `group:"smt" key:"warmup_full_steps" default:"0" range:"[0,inf)" help:"steps that gather gradients before blocks are selected; 0 or auto: an eighth of the tuning steps, 8 to 100"`
	// WarmupUpdate says what these steps do to the weights: nothing, full fine-tuning that is undone after the selection,
	// or full fine-tuning that stays, as in the authors' code.
	WarmupUpdate string `key:"warmup_update" default:"none" choices:"none|rollback|keep" help:"what the warm-up does to the weights"`
	// WarmupLearningRate is the learning rate of a warm-up that trains.
	WarmupLearningRate float64 `key:"warmup_learning_rate" default:"9.65e-6" range:"(0,inf)" help:"learning rate of the warm-up with rollback or keep"`
	// BlockScore turns the gathered gradients G of a block into one number: mean_abs_sum is mean|sum G| (the paper),
	// abs_mean_sum |mean sum G| (the authors' code), mean_abs_step sum mean|G|, l2_sum the norm of sum G, and token_fisher
	// the sum of squared gradients of single tokens; gradient_snr divides the squared norm of sum G by that of single tokens;
	// frequency counts the steps in which the block is among the first, activation multiplies the norms of input and output
	// gradient, activation_channels ranks blocks of input columns by their mean |x|, and v_only is mean_abs_sum in v_proj
	// alone. random (from the seed), diagonal and magnitude (mean |w|) need no warm-up and have none. docs/method.md has the
	// formulas. Where the recipe names none, it is magnitude or mean_abs_step (see [Recipe.usualScore]).
	BlockScore string `key:"block_score" default:"auto" choices:"mean_abs_sum|abs_mean_sum|mean_abs_step|l2_sum|token_fisher|gradient_snr|frequency|activation|activation_channels|v_only|random|diagonal|magnitude" help:"how blocks are ranked; auto: magnitude with selection spread, mean_abs_step with others, and with warmup_full_steps or a warmup_update that trains; random, diagonal and magnitude have no warm-up"`
	// BlockSize is the side of the square blocks, at least 16.
	BlockSize int `key:"block_size" default:"0" range:"[0,16384]" help:"side of a block; 0 or auto: 1/32 of hidden_size, or less, that divides the matrices; 256 at most"`
	// TrainableRatio is the budget as a fraction of all parameters of the model, the authors' meaning. It is 0 where
	// another key gives the budget.
	TrainableRatio float64 `key:"trainable_ratio" default:"0.0084" range:"[0,1]" help:"budget: fraction of all parameters"`
	// NumBlocks is the budget as a number of blocks.
	NumBlocks int `key:"num_blocks" default:"0" range:"[0,inf)" help:"budget: number of blocks"`
	// TargetRatio is the budget as a fraction of the target matrices.
	TargetRatio float64 `key:"target_ratio" default:"0" range:"[0,1]" help:"budget: fraction of the target matrices"`
	// MLPTrainableRatio is a separate budget for gate, up and down projections, as a fraction of all parameters. Without
	// one, those among the target modules share the other budget.
	MLPTrainableRatio float64 `key:"mlp_trainable_ratio" default:"0" range:"[0,1]" help:"budget of the MLP apart: fraction of all parameters"`
	// MLPNumBlocks is the same as a number of blocks.
	MLPNumBlocks int `key:"mlp_num_blocks" default:"0" range:"[0,inf)" help:"budget of the MLP apart: number of blocks"`
	// Selection ranks the blocks of all matrices together (global, the paper), gives each matrix the same number (per_matrix), or
	// gives each its share by size and spreads it over the matrix (spread).
	Selection string `key:"selection" default:"spread" choices:"global|per_matrix|spread" help:"where the budget applies: to all matrices together, to each evenly, or to each by its size and there spread over rows and columns"`

	// LoRARank is the rank of the two adapter matrices.
	LoRARank int `group:"lora" key:"lora_rank" default:"16" range:"[1,65536]" help:"rank of the adapter"`
	// LoRAAlpha scales the adapter by LoRAAlpha / LoRARank.
	LoRAAlpha float64 `key:"lora_alpha" default:"32" range:"(0,inf)" help:"scale of the adapter, times 1/rank"`
	// LoRADropout must be 0: the key is there so that recipes of other programs load.
	LoRADropout float64 `key:"lora_dropout" default:"0" range:"[0,0]" help:"only 0 is supported"`

	// PerDeviceEvalBatchSize counts the rows of one forward pass of the validation.
	PerDeviceEvalBatchSize int `group:"evaluation" key:"per_device_eval_batch_size" default:"2" range:"[1,1048576]" help:"rows (packed: sequences) of a forward pass of the validation"`
	// EvalSteps is how many optimizer steps lie between two validation losses.
	EvalSteps int `key:"eval_steps" default:"0" range:"[0,inf)" help:"steps between two validation losses; 0: only at the end"`
	// EarlyStoppingPatience ends the run after so many validation losses in a row that are no better than the best.
	EarlyStoppingPatience int `key:"early_stopping_patience" default:"0" range:"[0,inf)" help:"stop after so many validations without a better loss; 0: never"`
	// LoadBestModelAtEnd keeps the weights of the lowest validation loss instead of the last.
	LoadBestModelAtEnd bool `key:"load_best_model_at_end" default:"false" help:"end with the weights of the lowest validation loss"`

	// OutputDir is the directory that the run writes to.
	OutputDir string `group:"output" key:"output_dir" default:"smt-output" help:"directory of the results"`
	// OverwriteOutputDir allows an output directory that holds results already.
	OverwriteOutputDir bool `key:"overwrite_output_dir" default:"false" help:"replace the results that are there"`
	// Merge also writes the whole model with the tuned weights.
	Merge bool `key:"merge" default:"false" help:"also write the merged model"`
	// SaveSteps is how many optimizer steps lie between two checkpoints.
	SaveSteps int `key:"save_steps" default:"0" range:"[0,inf)" help:"steps between two checkpoints; 0: only when interrupted"`
	// SaveTotalLimit is how many checkpoints are kept.
	SaveTotalLimit int `key:"save_total_limit" default:"2" range:"[0,inf)" help:"checkpoints to keep; 0: all"`
	// ResumeFromCheckpoint is the path of a checkpoint, auto for the newest of the output directory, or empty.
	ResumeFromCheckpoint string `key:"resume_from_checkpoint" help:"checkpoint to go on from; auto: the newest in output_dir"`
	// LoggingSteps is how many optimizer steps lie between two lines of output; metrics.jsonl holds them all.
	LoggingSteps int `key:"logging_steps" default:"10" range:"[1,inf)" help:"steps between two lines of output"`
	// LogFormat is text for people or json for programs, one object a line.
	LogFormat string `key:"log_format" default:"text" choices:"text|json" help:"form of the output"`

	// Device computes: cpu is the fast one, reference the plain float64 loops that it is tested against.
	Device string `group:"machine" key:"device" default:"cpu" choices:"cpu|reference" help:"what computes"`
	// Threads is the number of cores to use. The results do not depend on it.
	Threads int `key:"threads" default:"0" range:"[0,4096]" help:"cores to use; 0: all"`
	// Precision says how products with frozen weights are computed: in float32; with operands rounded to bfloat16; in 8-bit
	// integers in the backward pass; or in 8-bit integers in both passes, with a head in bfloat16. Sums, and whatever is
	// trained, stay float32. Weights stay as they are on disk.
	Precision string `key:"precision" default:"float32" choices:"float32|bf16|int8_backward|int8" help:"products of frozen weights: float32, bf16, or 8-bit integers in the backward pass or both"`
	// Int8OutlierRatio is the fraction of a linear layer's input channels, the largest ones, that int8 keeps in float32.
	Int8OutlierRatio float64 `key:"int8_outlier_ratio" default:"0.01" range:"[0,1]" help:"int8: fraction of the input channels, the largest ones, that stay float32"`
	// GradientCheckpointing recomputes the activations of a layer in the backward pass instead of keeping them.
	GradientCheckpointing bool `key:"gradient_checkpointing" default:"false" help:"recompute activations to save memory"`

	// places says where each key was set that was set explicitly: "recipe.yaml:12" or "--learning_rate".
	places map[string]string
}

// IsSet reports whether key was set explicitly, by the file or an override, and not left to its default.
func (r Recipe) IsSet(key string) bool {
	_, set := r.places[key]
	return set
}

// Equal reports whether two recipes say the same, wherever they say it. (go-cmp uses it, too.)
func (r Recipe) Equal(other Recipe) bool {
	a, b := reflect.ValueOf(r), reflect.ValueOf(other)
	for _, key := range table {
		if !sameValue(a.Field(key.field), b.Field(key.field)) {
			return false
		}
	}
	return true
}

// sameValue compares two fields; an empty list or map equals one that was never made.
func sameValue(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice, reflect.Map:
		if a.Len() == 0 && b.Len() == 0 {
			return true
		}
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
