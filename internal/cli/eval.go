package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"smt/config"
	"smt/dataset"
	"smt/evaluate"
	"smt/recipe"
)

// newEval is smt eval.
func newEval() *cobra.Command {
	var o modelOptions
	var task, protocol, file, template, records, format string
	var limit, length int
	cmd := &cobra.Command{
		Use:   "eval --model_name_or_path MODEL --task TASK --dataset FILE",
		Short: "Measure a model: accuracy on a task, or perplexity",
		Long: `Measure a model, with or without an adapter. The task "perplexity" gives the mean loss per supervised token of the rows;
the others (boolq, piqa, social_i_qa, hellaswag, winogrande, ARC-Easy, ARC-Challenge, openbookqa, gsm8k, SingleEq, SVAMP,
MultiArith, AddSub, mawps, AQuA) give accuracy under one of three protocols: likelihood (each option scored by the mean
log-probability of its text), llm_adapters and smt (generation with 4 beams, and the papers' extraction).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := newWatch(cmd.OutOrStdout(), format, 1)
			defer w.Close()
			if file == "" || task == "" {
				return &ExitError{ExitUsage, fmt.Errorf("eval: --task and --dataset are needed")}
			}
			rows, err := dataset.Load([]string{file}, dataset.ReadOptions{Evaluation: task != "perplexity"})
			if err != nil {
				return err
			}
			if limit > 0 && len(rows) > limit {
				rows = rows[:limit]
			}
			m, err := openModel(cmd.Context(), o, w)
			if err != nil {
				return err
			}
			defer m.Close()
			r := config.Default()
			r.Template = template
			t, err := recipe.NewTemplate(r, rows[0].Format, m.Tokenizer)
			if err != nil {
				return err
			}
			if task == "perplexity" {
				return perplexity(cmd, m, t, rows, min(length, m.Base.Config.MaxPosition), format)
			}
			which, err := evaluate.FindTask(task)
			if err != nil {
				return &ExitError{ExitUsage, err}
			}
			e := evaluate.Evaluator{Decoder: m.Decoder, Tokenizer: m.Tokenizer, Template: t, Records: records, Model: o.Model + "+" + o.Adapter}
			result, err := e.Run(which, protocol, rows)
			if err != nil {
				return err
			}
			if format == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(result)
			}
			w.Table(file, []string{"task", "protocol", "correct", "total", "accuracy", "± standard error"}, [][]string{{result.Task, result.Protocol,
				fmt.Sprint(result.Correct), fmt.Sprint(result.Total), fmt.Sprintf("%.1f %%", 100*result.Accuracy), fmt.Sprintf("%.1f", 100*result.StandardError)}})
			return nil
		},
	}
	o.bind(cmd)
	f := cmd.Flags()
	f.StringVar(&task, "task", "", "task, or perplexity")
	f.StringVar(&protocol, "protocol", evaluate.Likelihood, "likelihood, llm_adapters or smt")
	f.StringVar(&file, "dataset", "", "rows to evaluate (.json, .jsonl, .parquet)")
	f.StringVar(&template, "template", "auto", "how a row becomes text; as in training")
	f.StringVar(&records, "records", "", "JSON Lines file for each row's prompt, output and verdict; gone on with if it is there")
	f.StringVar(&format, "log_format", "text", "text or json")
	f.IntVar(&limit, "limit", 0, "rows to use; 0: all")
	f.IntVar(&length, "max_seq_length", 512, "longest row of the perplexity, in tokens")
	Describe(cmd, []Example{
		{"200 rows of boolq by likelihood", "smt eval --model_name_or_path M --adapter smt-output/adapter --task boolq --dataset boolq.json --limit 200"},
		{"loss per response token, as JSON", "smt eval --model_name_or_path M --task perplexity --dataset rows.json --log_format json"},
	}, ExitNoModel, ExitBadData, ExitBadModel, ExitIO)
	return cmd
}

// perplexity shows the mean loss over the supervised tokens of rows.
func perplexity(cmd *cobra.Command, m *loaded, t *dataset.Template, rows []dataset.Row, length int, format string) error {
	set, err := dataset.Encode(rows, t, m.Tokenizer, dataset.EncodeOptions{MaxLength: length})
	if err != nil {
		return err
	}
	var ids, labels [][]int32
	for _, e := range set.Examples {
		ids, labels = append(ids, e.IDs), append(labels, e.Labels)
	}
	loss, err := evaluate.Perplexity(m.Decoder, ids, labels, nil)
	if err != nil {
		return err
	}
	if format == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(loss)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "loss %.4f ± %.4f per supervised token, perplexity %.3f (%d tokens of %d rows)\n", loss.Mean, loss.StandardError,
		loss.Perplexity, loss.Tokens, loss.Rows)
	return nil
}
