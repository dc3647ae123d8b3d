package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"smt/model"
	"smt/parity"
	"smt/recipe"
)

// parameterRows is how many parameters the table shows, those with the largest differences first.
const parameterRows = 30

// newParity is smt parity.
func newParity() *cobra.Command {
	var dir, reference, configFile, adapter, device, format string
	var tolerance float64
	cmd := &cobra.Command{
		Use:   "parity --model_name_or_path DIR --reference DIR",
		Short: "Compare the engine with stored results of a reference implementation",
		Long: `Compare logits, loss and every gradient with stored results: ref.safetensors (input_ids, labels, logits, loss) and
grads.safetensors in the reference directory. Where that holds golden.json, the whole run of Sparse Matrix Tuning stored
there is repeated and its selections, scores, losses and tuned weights are compared.`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" || reference == "" {
				return &ExitError{ExitUsage, fmt.Errorf("parity: --model_name_or_path and --reference are needed")}
			}
			dev, err := recipe.NewDevice(device, 0)
			if err != nil {
				return &ExitError{ExitUsage, err}
			}
			if configFile == "" {
				configFile = filepath.Join(dir, "config.json")
			}
			base, err := model.OpenWithConfig(dir, configFile)
			if err != nil {
				return err
			}
			defer base.Close()
			var result any
			var worst float64
			w := newWatch(cmd.OutOrStdout(), "text", 1)
			defer w.Close()
			if parity.IsGolden(reference) {
				r, err := parity.RunGolden(dev, base, reference)
				if err != nil {
					return err
				}
				result, worst = r, r.Worst()
				if format != "json" {
					w.Table(reference+" on "+dev.Name(), []string{"compared", "difference"}, [][]string{{"selections equal", fmt.Sprint(r.SelectionEqual)},
						{"scores, relative to the largest", fmt.Sprintf("%.3g", r.ScoreMaxRel)}, {"losses and norms", fmt.Sprintf("%.3g", r.LossMaxAbs)},
						{"tuned weights", fmt.Sprintf("%.3g", r.TunedMaxAbs)}})
					for _, d := range r.Differences {
						w.Note("%s", d)
					}
				}
			} else {
				r, err := parity.Run(dev, base, reference, adapter)
				if err != nil {
					return err
				}
				result, worst = r, r.Worst()
				if format != "json" {
					rows := [][]string{{"logits, largest difference", fmt.Sprintf("%.3g", r.LogitsMaxAbs)}, {"loss", fmt.Sprintf("%.3g", r.LossAbs)}}
					largest := slices.SortedStableFunc(slices.Values(r.Parameters), func(a, b parity.Gradient) int { return cmp.Compare(b.RelL2, a.RelL2) })
					for _, p := range largest[:min(len(largest), parameterRows)] {
						rows = append(rows, []string{p.Name, fmt.Sprintf("%.3g", p.RelL2)})
					}
					if rest := len(largest) - parameterRows; rest > 0 {
						rows = append(rows, []string{fmt.Sprintf("%d more parameters", rest), fmt.Sprintf("<= %.3g", largest[parameterRows].RelL2)})
					}
					w.Table(reference+" on "+dev.Name(), []string{"compared (gradients: relative L2)", "difference"}, rows)
				}
			}
			if format == "json" {
				if err := json.NewEncoder(cmd.OutOrStdout()).Encode(result); err != nil {
					return err
				}
			}
			if !(worst <= tolerance) {
				return &ExitError{ExitFailure, fmt.Errorf("parity: the largest difference is %.3g, expected at most %g", worst, tolerance)}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "model_name_or_path", "", "model directory")
	f.StringVar(&reference, "reference", "", "directory of the stored results")
	f.StringVar(&configFile, "config", "", "config.json to use, if not the model's")
	f.StringVar(&adapter, "adapter", "", "LoRA or DoRA adapter whose gradients are stored")
	f.StringVar(&device, "device", "cpu", "cpu or reference")
	f.Float64Var(&tolerance, "tolerance", 1e-4, "largest difference that is accepted")
	f.StringVar(&format, "log_format", "text", "text or json")
	cmd.SetFlagErrorFunc(flagError)
	Describe(cmd, []Example{{"a family", "smt parity --model_name_or_path reference/qwen3 --reference reference/qwen3"},
		{"a LoRA adapter, in float64", "smt parity --model_name_or_path reference/llama --reference reference/llama_lora --adapter reference/llama_lora/adapter --device reference"},
		{"a whole SMT run", "smt parity --model_name_or_path reference/llama --reference reference/llama_smt"}},
		ExitNoModel, ExitBadModel, ExitIO)
	return cmd
}
