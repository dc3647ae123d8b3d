package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"smt/export"
	"smt/hub"
	"smt/model"
)

// newMerge is smt merge.
func newMerge() *cobra.Command {
	var base, adapter, out string
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "merge --model_name_or_path MODEL --adapter ADAPTER --output_dir DIR",
		Short: "Write a complete model from a base and an adapter",
		Long: `Add an SMT, LoRA or DoRA adapter to its base and write a complete Hugging Face directory. Names, shards and dtypes are those
of the base; tensors that the adapter does not change, and the tokenizer's files, are the same bytes; changed tensors are
computed in float32 and rounded once. A chat template that the adapter was trained with takes the place of the base's.`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := newWatch(cmd.OutOrStdout(), "text", 1)
			defer w.Close()
			for _, f := range []struct{ name, value string }{{"model_name_or_path", base}, {"adapter", adapter}, {"output_dir", out}} {
				if f.value == "" {
					return &ExitError{ExitUsage, fmt.Errorf("merge: --%s is missing", f.name)}
				}
			}
			dir, err := hub.Resolve(cmd.Context(), base, w.Download)
			if err != nil {
				return err
			}
			deltas, err := readDeltas(dir, adapter)
			if err != nil {
				return err
			}
			chat, err := export.ReadChatTemplate(adapter)
			if err != nil {
				return err
			}
			if err := export.Merge(cmd.Context(), dir, out, deltas, export.MergeOptions{Overwrite: overwrite, Keep: []string{adapter}, ChatTemplate: chat}); err != nil {
				return err
			}
			w.Note("%s: %d of the base's matrices have changed", out, len(deltas))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&base, "model_name_or_path", "", "the base: model directory or hub name")
	f.StringVar(&adapter, "adapter", "", "directory of the adapter")
	f.StringVar(&out, "output_dir", "", "directory of the merged model")
	f.BoolVar(&overwrite, "overwrite_output_dir", false, "replace an earlier model in output_dir")
	Describe(cmd, []Example{{"a tuned model as one directory", "smt merge --model_name_or_path base --adapter smt-output/adapter --output_dir tuned"}},
		ExitNoModel, ExitBadModel, ExitIO, ExitInterrupted, ExitTerminated)
	return cmd
}

// readDeltas reads an adapter of either kind as changes of the base's tensors; an SMT adapter must belong to the base.
func readDeltas(baseDir, adapter string) (map[string]export.Delta, error) {
	kind, err := export.Kind(adapter)
	if err != nil {
		return nil, err
	}
	if kind == export.KindLoRA {
		a, err := export.ReadLowRank(adapter)
		if err != nil {
			return nil, err
		}
		return a.Deltas(), nil
	}
	a, err := export.ReadAdapter(adapter)
	if err != nil {
		return nil, err
	}
	base, err := model.Open(baseDir)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	return a.Deltas(), a.CheckBase(base.Files)
}
