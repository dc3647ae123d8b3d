package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"smt/config"
	"smt/hub"
	"smt/model"
	"smt/recipe"
)

// newPlan is smt plan.
func newPlan() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan --model_name_or_path MODEL [recipe.yaml] [key=value ...]",
		Short: "State the memory and work of a run before anything is loaded",
		Long: `State the bytes that a run needs, by class, and the floating-point operations per token, for Sparse Matrix Tuning beside full
fine-tuning, and LoRA and DoRA of lora_rank, which may train more or fewer parameters. Nothing is loaded: the files' headers are
enough. Weights stay mapped and are counted as if all of them were resident; activations are those of the largest batch that
the recipe allows. Full fine-tuning is planned with the gradients of all parameters held, as clipping and gradient accumulation
need them, and with layers updated in the backward pass, as max_grad_norm 0 with gradient_accumulation_steps 1 does.`,
	}
	load := BindRecipe(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, _, err := load("")
		if err != nil {
			return err
		}
		if r.ModelNameOrPath == "" {
			return &ExitError{ExitUsage, fmt.Errorf("plan: model_name_or_path is missing")}
		}
		return plan(cmd, r)
	}
	Describe(cmd, []Example{{"what tuning needs", "smt plan --model_name_or_path M --max_seq_length 1024 --per_device_train_batch_size 4"}},
		ExitNoModel, ExitBadModel, ExitIO)
	return cmd
}

// plan shows the plans of the recipe's method and of those it is compared with.
func plan(cmd *cobra.Command, r config.Recipe) error {
	w := newWatch(cmd.OutOrStdout(), "text", 1)
	defer w.Close()
	dir, err := hub.Resolve(cmd.Context(), r.ModelNameOrPath, w.Download)
	if err != nil {
		return err
	}
	base, err := model.Open(dir)
	if err != nil {
		return err
	}
	defer base.Close()
	var plans []*recipe.Plan
	held, byLayer := r, r
	held.MaxGradNorm = max(r.MaxGradNorm, 1)
	byLayer.MaxGradNorm, byLayer.GradientAccumulationSteps = 0, 1
	for _, m := range []struct {
		method string
		recipe config.Recipe
	}{{config.SMT, r}, {config.LoRA, r}, {config.DoRA, r}, {config.Full, held}, {config.Full, byLayer}} {
		p, err := recipe.PlanOf(base, m.recipe, m.method)
		if err != nil {
			return err
		}
		if r.LogFormat == "json" {
			if err := json.NewEncoder(cmd.OutOrStdout()).Encode(p); err != nil {
				return err
			}
		}
		plans = append(plans, p)
	}
	if r.LogFormat == "json" {
		return nil
	}
	header := []string{""}
	lines := []struct {
		name string
		cell func(*recipe.Plan) string
	}{
		{"trained parameters", func(p *recipe.Plan) string { return fmt.Sprint(p.Trainable) }},
		{"weights, mapped", func(p *recipe.Plan) string { return mib(p.Weights) }},
		{"weights, copies in 8-bit integers", func(p *recipe.Plan) string { return mib(p.Quantized) }},
		{"warm-up: activations", func(p *recipe.Plan) string { return mib(p.WarmupPasses) }},
		{"selection: what the block scores need", func(p *recipe.Plan) string { return mib(p.Sums) }},
		{"warm-up: training state", func(p *recipe.Plan) string { return mib(p.WarmupTraining) }},
		{"tuning: activations", func(p *recipe.Plan) string { return mib(p.Passes) }},
		{"tuning: masters and gradients", func(p *recipe.Plan) string { return mib(p.Trained) }},
		{"tuning: Adam's moments", func(p *recipe.Plan) string { return mib(p.Adam) }},
		{"peak", func(p *recipe.Plan) string { return mib(p.Peak) }},
		{"MFLOP per token, forward", func(p *recipe.Plan) string { return fmt.Sprintf("%.1f", p.Forward/1e6) }},
		{"MFLOP per token, backward", func(p *recipe.Plan) string { return fmt.Sprintf("%.1f", p.Backward/1e6) }},
	}
	rows := make([][]string, len(lines))
	for i, l := range lines {
		rows[i] = []string{l.name}
		for _, p := range plans {
			rows[i] = append(rows[i], l.cell(p))
		}
	}
	for _, p := range plans {
		name := p.Method
		if p.ByLayer {
			name += ", by layer"
		}
		header = append(header, name)
	}
	w.Table(fmt.Sprintf("%s, %d tokens a pass, MiB", dir, plans[0].Tokens), header, rows)
	return nil
}

// mib writes bytes as mebibytes.
func mib(bytes int) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(bytes)/(1<<20))
}
