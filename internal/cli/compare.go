package cli

import (
	"github.com/spf13/cobra"

	"smt/experiment"
)

// newCompare is smt compare.
func newCompare() *cobra.Command {
	return newExperiment("compare", experiment.Compare, `Compare Sparse Matrix Tuning with full fine-tuning, LoRA, DoRA and with blocks chosen by other rules than the
recipe's (at random, along the diagonal, by magnitude, in V only, by gradients), at equal trainable parameters, on your model
and data. Each method gets its own learning rate, chosen on validation rows; the best is run with several seeds and reported
on test rows: mean, standard error, paired difference to smt, time, memory.`,
		Example{"the demo's model and task", "smt compare"},
		Example{"your own", "smt compare --model_name_or_path M --dataset rows.json"},
		Example{"what would be run, and how long it takes", "smt compare --model_name_or_path M --dataset rows.json --dry_run"},
		Example{"SMT beside LoRA on five modules, with accuracy on boolq", "smt compare --model_name_or_path M --dataset rows.json --methods smt,lora,lora_qkvud \\\n    --learning_rates smt=3e-4,1e-3 --learning_rates 1e-4,3e-4 --tasks boolq=boolq.json"})
}
