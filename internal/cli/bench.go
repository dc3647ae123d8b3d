package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"smt/benchmark"
	"smt/recipe"
)

// newBench is smt bench.
func newBench() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Time the engine", Long: "Time the engine on models of fixed shapes with random weights and tokens."}
	cmd.AddCommand(newBenchStep())
	return cmd
}

// newBenchStep is smt bench step.
func newBenchStep() *cobra.Command {
	var o benchmark.StepOptions
	var threads int
	cmd := &cobra.Command{
		Use:   "step",
		Short: "Time optimizer steps and print one JSON line",
		Long: `Time optimizer steps of a method and print one JSON line: seconds, tokens per second, memory. S, M and L are a small model, a
medium one, and the shape of Llama-3.2-1B, with random weights; a model directory works too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dev, err := recipe.NewDevice("cpu", threads)
			if err != nil {
				return err
			}
			r, err := benchmark.Step(dev, o)
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Config, "config", "S", "S, M, L or a model directory")
	f.StringVar(&o.Method, "method", "smt", "smt, full, lora or dora")
	f.IntVar(&o.Seq, "seq", 512, "tokens of a sequence")
	f.IntVar(&o.Batch, "batch", 2, "sequences of a step")
	f.IntVar(&o.Steps, "steps", 6, "steps to time")
	f.IntVar(&o.Warmup, "warmup", 2, "steps before them")
	f.Float64Var(&o.Share, "budget", 0, "share of all parameters that is trained; 0: 0.005 for smt, 0.0084 for lora and dora")
	f.StringVar((*string)(&o.Precision), "precision", "float32", "float32, int8_backward or int8")
	f.BoolVar(&o.Checkpointing, "gradient_checkpointing", false, "recompute activations to save memory")
	f.IntVar(&threads, "threads", 0, "cores to use; 0: all")
	cmd.SetFlagErrorFunc(flagError)
	Describe(cmd, []Example{{"SMT on the medium shape", "smt bench step --config M --method smt --seq 512 --batch 2"}}, ExitBadModel, ExitOutOfMemory)
	return cmd
}
