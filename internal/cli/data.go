package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"smt/config"
	"smt/dataset"
	"smt/hub"
	"smt/progress"
	"smt/recipe"
	"smt/tokenizer"
)

// newData is smt data.
func newData() *cobra.Command {
	cmd := &cobra.Command{Use: "data", Short: "Look at training data before it is used", Long: "Look at training data before it is used: check its rows, or show them as a model will see them."}
	cmd.AddCommand(newDataCheck(), newDataShow())
	return cmd
}

// newDataCheck is smt data check.
func newDataCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE ... [--columns name=theirs]",
		Short: "Find every bad row in one pass",
		Long:  `Read files of rows to the end and list every row that cannot be used, with file, line, field, what was got and what was expected.`,
	}
	var columns map[string]string
	cmd.Flags().StringToStringVar(&columns, "columns", nil, "field names in the files, such as instruction=question")
	cmd.SetFlagErrorFunc(flagError)
	cmd.Args = cobra.MinimumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o := dataset.ReadOptions{Columns: map[string]string{}}
		for ours, theirs := range columns {
			o.Columns[theirs] = ours
		}
		report, err := dataset.Check(args, o, nil)
		if err != nil {
			return err
		}
		if err := report.Write(cmd.OutOrStdout()); err != nil {
			return err
		}
		if len(report.Bad) > 0 {
			return &ExitError{ExitBadData, fmt.Errorf("dataset: %d bad rows", len(report.Bad))}
		}
		return nil
	}
	Describe(cmd, []Example{{"check two files", "smt data check train.jsonl eval.jsonl"}}, ExitBadData, ExitIO)
	return cmd
}

// newDataShow is smt data show.
func newDataShow() *cobra.Command {
	var rows int
	cmd := &cobra.Command{
		Use:   "show --model_name_or_path MODEL --dataset FILE [recipe.yaml] [key=value ...]",
		Short: "Print rows as the model will see them, supervised tokens marked",
		Long:  `Print rows as the model will see them, in the recipe's template, with the supervised tokens in green (or in [[ ]] where there is no terminal).`,
	}
	cmd.Flags().IntVar(&rows, "rows", 3, "rows to show; 0: all")
	load := BindRecipe(cmd, "model", "data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, _, err := load("")
		if err != nil {
			return err
		}
		if len(r.Dataset) == 0 || r.ModelNameOrPath == "" && r.Tokenizer == "" {
			return &ExitError{ExitUsage, fmt.Errorf("data show: a model (or tokenizer) and a dataset are needed")}
		}
		return show(cmd, r, rows)
	}
	Describe(cmd, []Example{{"the first three rows", "smt data show --model_name_or_path M --dataset rows.json"},
		{"in the model's chat template", "smt data show --model_name_or_path M --dataset rows.json --template chat --rows 1"}},
		ExitNoModel, ExitBadData, ExitBadModel, ExitIO)
	return cmd
}

// show prints the first rows of a recipe's dataset.
func show(cmd *cobra.Command, r config.Recipe, n int) error {
	w := newWatch(cmd.ErrOrStderr(), "text", 1)
	defer w.Close()
	where := r.Tokenizer
	if where == "" {
		where = r.ModelNameOrPath
	}
	dir, err := hub.Resolve(cmd.Context(), where, w.Download)
	if err != nil {
		return err
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		return err
	}
	rows, err := dataset.Load(r.Dataset, recipe.ReadOptions(r))
	if err != nil {
		return err
	}
	t, err := recipe.NewTemplate(r, rows[0].Format, tok)
	if err != nil {
		return err
	}
	return dataset.Show(cmd.OutOrStdout(), rows, t, tok, dataset.ShowOptions{Rows: n, Color: progress.IsTerminal(cmd.OutOrStdout()),
		Encode: dataset.EncodeOptions{MaxLength: r.MaxSeqLength, Excess: r.ExcessLength}})
}
