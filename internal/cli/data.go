package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"smt/config"
	"smt/dataset"
	"smt/hub"
	"smt/model"
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
		Long: `Read files of rows to the end and list every row that cannot be used, with file, line, field, what was got and what was
expected. With a model or tokenizer, rows that its chat template or --template refuses are among them.`,
	}
	r := config.Default()
	f := cmd.Flags()
	f.StringToStringVar(&r.Columns, "columns", nil, "field names in the files, such as instruction=question")
	for _, flag := range []struct {
		to  *string
		key string
	}{{&r.ModelNameOrPath, "model_name_or_path"}, {&r.Tokenizer, "tokenizer"}, {&r.Template, "template"}, {&r.ChatTemplate, "chat_template"}} {
		key, _ := config.Lookup(flag.key)
		f.StringVar(flag.to, flag.key, key.Default, key.Help)
	}
	f.Lookup("model_name_or_path").Usage = "model directory or hub name, whose chat template rows are tried in"
	cmd.SetFlagErrorFunc(flagError)
	cmd.Args = cobra.MinimumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := r.Validate(); err != nil {
			return &ExitError{ExitUsage, err}
		}
		template, err := checkTemplate(cmd, r)
		if err != nil {
			return err
		}
		report := dataset.Check(args, recipe.ReadOptions(r), template)
		if err := report.Write(cmd.OutOrStdout()); err != nil {
			return err
		}
		if bad, failed := len(report.Bad), report.Failed(); bad+failed > 0 {
			return &ExitError{ExitBadData, fmt.Errorf("dataset: %d bad rows, %d of %d files that cannot be used", bad, failed, len(args))}
		}
		return nil
	}
	Describe(cmd, []Example{{"check two files", "smt data check train.jsonl eval.jsonl"},
		{"in a model's chat template, too", "smt data check chats.jsonl --model_name_or_path M"}}, ExitNoModel, ExitBadData, ExitBadModel, ExitIO)
	return cmd
}

// checkTemplate returns what makes the templates that rows are tried in, nil without a tokenizer.
func checkTemplate(cmd *cobra.Command, r config.Recipe) (func(dataset.Format) (*dataset.Template, error), error) {
	if r.ModelNameOrPath == "" && r.Tokenizer == "" {
		if r.Template != "auto" || r.ChatTemplate != "" {
			return nil, &ExitError{ExitUsage, fmt.Errorf("data check: template and chat_template need the tokenizer: give model_name_or_path or tokenizer")}
		}
		return nil, nil
	}
	w := newWatch(cmd.ErrOrStderr(), "text", 1)
	defer w.Close()
	tok, err := openTokenizer(cmd.Context(), r, w)
	if err != nil {
		return nil, err
	}
	return func(format dataset.Format) (*dataset.Template, error) { return recipe.NewTemplate(r, format, tok) }, nil
}

// openTokenizer opens a recipe's tokenizer: its own, or else the model's.
func openTokenizer(ctx context.Context, r config.Recipe, w *watch) (*tokenizer.Tokenizer, error) {
	where := r.Tokenizer
	if where == "" {
		where = r.ModelNameOrPath
	}
	dir, err := hub.Resolve(ctx, where, w.Download)
	if err != nil {
		return nil, err
	}
	return tokenizer.Load(dir)
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

// show prints the first rows of a recipe's dataset, cut where training cuts them.
func show(cmd *cobra.Command, r config.Recipe, n int) error {
	w := newWatch(cmd.ErrOrStderr(), "text", 1)
	defer w.Close()
	tok, err := openTokenizer(cmd.Context(), r, w)
	if err != nil {
		return err
	}
	length := r.MaxSeqLength
	if r.ModelNameOrPath != "" {
		dir, err := hub.Resolve(cmd.Context(), r.ModelNameOrPath, w.Download)
		if err != nil {
			return err
		}
		c, err := model.ReadConfig(filepath.Join(dir, "config.json"))
		if err != nil {
			return err
		}
		length = recipe.MaxLength(r, c, w.Note)
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
		Encode: dataset.EncodeOptions{MaxLength: length, Excess: r.ExcessLength}})
}
