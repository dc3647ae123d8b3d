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
	cmd.AddCommand(newBenchStep(), newBenchGEMM())
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
medium one, and the shape of Llama-3.2-1B, with random weights; a model directory works too. peak_fraction is the rate of the
work that the method cannot do without beside that of float32 multiplications that wait for nothing, measured in the same
process: products in bf16 or in 8-bit integers can exceed 1.`,
		Args: flagsOnly,
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
	f.IntVar(&o.Layers, "layers", 0, "layers of S, M or L; 0: as many as they have (8, 16, 16)")
	f.StringVar(&o.Method, "method", "smt", "smt, full, lora or dora")
	f.IntVar(&o.Seq, "seq", 512, "tokens of a sequence")
	f.IntVar(&o.Batch, "batch", 2, "sequences of a step")
	f.IntVar(&o.Steps, "steps", 6, "steps to time")
	f.IntVar(&o.Warmup, "warmup", 2, "steps before them")
	f.Float64Var(&o.Share, "budget", 0, "share of all parameters that is trained; 0: 0.005 for smt, 0.0084 for lora and dora")
	f.StringVar((*string)(&o.Precision), "precision", "float32", "float32, bf16, int8_backward or int8")
	f.BoolVar(&o.Checkpointing, "gradient_checkpointing", false, "recompute activations to save memory")
	f.IntVar(&threads, "threads", 0, "cores to use; 0: all")
	cmd.SetFlagErrorFunc(flagError)
	Describe(cmd, []Example{{"SMT on the medium shape", "smt bench step --config M --method smt --seq 512 --batch 2"}}, ExitBadModel, ExitOutOfMemory)
	return cmd
}

// newBenchGEMM is smt bench gemm.
func newBenchGEMM() *cobra.Command {
	var o benchmark.GEMMOptions
	var threads int
	cmd := &cobra.Command{
		Use:   "gemm",
		Short: "Time a matrix product and print one JSON line",
		Long: `Time one of the three products of a linear layer W [n, k] with m tokens, and print one JSON line: forward (y = x Wᵀ), dx
(dX = dY W) or dw (dW = dYᵀ X). bench/gemm compares them with MKL and OpenBLAS.`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dev, err := recipe.NewDevice("cpu", threads)
			if err != nil {
				return err
			}
			r, err := benchmark.GEMM(dev, o)
			if err != nil {
				return &ExitError{ExitUsage, err}
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Direction, "direction", "forward", "forward, dx or dw")
	f.IntVar(&o.M, "m", 1024, "tokens")
	f.IntVar(&o.N, "n", 2048, "outputs of the layer")
	f.IntVar(&o.K, "k", 2048, "inputs of the layer")
	f.IntVar(&o.Rounds, "rounds", 7, "rounds, of which the median counts")
	f.StringVar((*string)(&o.Precision), "precision", "float32", "float32, bf16 or int8")
	f.IntVar(&threads, "threads", 0, "cores to use; 0: all")
	cmd.SetFlagErrorFunc(flagError)
	Describe(cmd, []Example{{"the gradient of an MLP's weight", "smt bench gemm --direction dw --m 1024 --n 8192 --k 2048"}}, ExitOutOfMemory)
	return cmd
}
