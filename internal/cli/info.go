package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"smt/durable"
	"smt/export"
	"smt/model"
)

// newInfo is smt info.
func newInfo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info PATH",
		Short: "Describe a model, an adapter, a checkpoint or the output of a run",
		Long:  `Describe what a directory holds: a Hugging Face model, an adapter, a checkpoint (whose files are verified), or the output of a run.`,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w := newWatch(cmd.OutOrStdout(), "text", 1)
			defer w.Close()
			return describe(args[0], w)
		},
	}
	Describe(cmd, []Example{{"what a run has left", "smt info smt-output"}, {"a model", "smt info path/to/model"}, {"an adapter", "smt info smt-output/adapter"}},
		ExitNoModel, ExitBadModel, ExitIO)
	return cmd
}

// describe finds out what dir is and shows it.
func describe(dir string, w *watch) error {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	switch {
	case has("adapter_config.json"):
		return describeAdapter(dir, w)
	case has("state.json") && has(durable.ManifestName):
		return describeCheckpoint(dir, w)
	case has("recipe.yaml"):
		for _, part := range []string{"adapter", "model"} {
			if has(part) {
				if err := describe(filepath.Join(dir, part), w); err != nil {
					return err
				}
			}
		}
		checkpoints, err := filepath.Glob(filepath.Join(dir, "checkpoints", "checkpoint-*"))
		if err != nil {
			return err
		}
		for _, c := range checkpoints {
			if err := describe(c, w); err != nil {
				w.Note("%s: %v", c, err)
			}
		}
		return nil
	case has("config.json"):
		return describeModel(dir, w)
	}
	if _, err := os.Stat(dir); err != nil {
		return &ExitError{ExitNoModel, fmt.Errorf("info: %w", err)}
	}
	return &ExitError{ExitNoModel, fmt.Errorf("info: %s holds no model (config.json), adapter (adapter_config.json), checkpoint (state.json) or run (recipe.yaml)", dir)}
}

func describeModel(dir string, w *watch) error {
	base, err := model.Open(dir)
	if err != nil {
		return err
	}
	defer base.Close()
	c := base.Config
	dtypes := map[string]int{}
	for _, name := range base.Files.Names() {
		t, _ := base.Files.Tensor(name)
		dtypes[string(t.DType)] += t.Len()
	}
	rows := [][]string{
		{"architecture", c.Architecture},
		{"parameters", fmt.Sprint(c.Params())},
		{"layers", fmt.Sprint(c.Layers)},
		{"hidden, MLP", fmt.Sprintf("%d, %d", c.HiddenSize, c.Intermediate)},
		{"heads, key/value heads, size", fmt.Sprintf("%d, %d, %d", c.Heads, c.KVHeads, c.HeadDim)},
		{"vocabulary", fmt.Sprint(c.VocabSize)},
		{"positions", fmt.Sprint(c.MaxPosition)},
		{"rope", fmt.Sprintf("%s, theta %g", c.Rope.Type, c.Rope.Theta)},
		{"tied head", fmt.Sprint(c.Tied)},
	}
	for _, d := range []string{"F32", "F16", "BF16"} {
		if dtypes[d] > 0 {
			rows = append(rows, []string{d + " values", fmt.Sprint(dtypes[d])})
		}
	}
	rows = append(rows, []string{"files", fmt.Sprintf("%d, %.1f MiB", len(base.Files.Files()), float64(base.Files.Size())/(1<<20))},
		[]string{"sha256 of the weights", export.BaseSHA256(base.Files)})
	w.Table(dir, []string{"model", ""}, rows)
	return nil
}

func describeAdapter(dir string, w *watch) error {
	kind, err := export.Kind(dir)
	if err != nil {
		return err
	}
	if kind == export.KindLoRA {
		a, err := export.ReadLowRank(dir)
		if err != nil {
			return err
		}
		name, values := "LoRA", 0
		if a.DoRA {
			name = "DoRA"
		}
		for _, m := range a.Matrices {
			values += len(m.A) + len(m.B) + len(m.Magnitude)
		}
		w.Table(dir, []string{"adapter", name}, [][]string{{"base", a.BaseModel}, {"rank, scale", fmt.Sprintf("%d, %g", a.Rank, a.Scale())},
			{"matrices", fmt.Sprint(len(a.Matrices))}, {"trained values", fmt.Sprint(values)}})
		return nil
	}
	a, err := export.ReadAdapter(dir)
	if err != nil {
		return err
	}
	modules := map[string]int{}
	for _, m := range a.Matrices {
		modules[m.Name[strings.LastIndexByte(m.Name, '.')+1:]] += len(m.Blocks)
	}
	w.Table(dir, []string{"adapter", "SMT"}, [][]string{{"base", a.BaseModel}, {"sha256 of the base", a.BaseSHA256},
		{"blocks", fmt.Sprintf("%d of %d × %d in %d matrices", a.NumBlocks(), a.BlockSize, a.BlockSize, len(a.Matrices))},
		{"in Q, K, V", fmt.Sprintf("%d, %d, %d", modules["q_proj"], modules["k_proj"], modules["v_proj"])},
		{"score", a.Score}, {"trained values", fmt.Sprint(a.Parameters())}})
	return nil
}

func describeCheckpoint(dir string, w *watch) error {
	if err := durable.Verify(dir); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return err
	}
	var state struct {
		Stage      string  `json:"stage"`
		StageStep  int     `json:"stage_step"`
		Step       int     `json:"step"`
		Tokens     int     `json:"tokens"`
		FinalLoss  float64 `json:"final_loss"`
		BaseSHA256 string  `json:"base_sha256"`
	}
	if err := json.Unmarshal(data, &state); err != nil {
		return fmt.Errorf("checkpoint: %s: %w", dir, err)
	}
	w.Table(dir, []string{"checkpoint", "verified"}, [][]string{{"step of the run", fmt.Sprint(state.Step)},
		{"stage", fmt.Sprintf("%s, step %d", state.Stage, state.StageStep)}, {"tokens seen", fmt.Sprint(state.Tokens)},
		{"loss", fmt.Sprintf("%.4f", state.FinalLoss)}, {"sha256 of the base", state.BaseSHA256}})
	return nil
}
