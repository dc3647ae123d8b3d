package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"smt/config"
	"smt/evaluate"
	"smt/recipe"
)

// evalOptions are the flags of smt eval.
type evalOptions struct {
	model      modelOptions
	tasks      []string
	answerKind string
	protocol   string
	dataset    string
	columns    map[string]string
	template   string
	records    string
	format     string
	limit      int
	length     int
	newTokens  int
	allowCode  bool
	compare    bool
}

// newEval is smt eval.
func newEval() *cobra.Command {
	var o evalOptions
	cmd := &cobra.Command{
		Use:   "eval --model_name_or_path MODEL --task TASK[,TASK...] --dataset FILE|DIR | eval --compare A.jsonl B.jsonl",
		Short: "Measure a model: loss, accuracy, BLEU and chrF, pass@1; compare two models row by row",
		Long: `Measure a model, with or without an adapter, on rows with the fields instruction, input, output and answer.

Tasks:
  boolq piqa social_i_qa hellaswag winogrande ARC-Easy ARC-Challenge openbookqa   accuracy (commonsense)
  gsm8k SingleEq SVAMP MultiArith AddSub mawps AQuA                               accuracy (arithmetic)
  pubmedqa legalbench                                                             accuracy by the answer's label
  multi30k translation                                                            BLEU and chrF
  mbpp                                                                            pass@1; needs --allow_code_execution
  perplexity                                                                      mean loss per response token
Any other name is a task of its own; --answer_kind says what its answers are, where its rows leave that open.

Protocols: likelihood compares the options by the mean log-probability of their text; llm_adapters and smt generate with 4
beams and extract the answer as the papers' scripts do; greedy asks with --template and takes the most likely tokens.

With several tasks, --dataset is a directory of TASK.json files and --records one for TASK.jsonl files. With --records, an
interrupted run is gone on with. --compare prints the paired difference of two such files and its standard error. Results go to
standard output, progress to standard error. docs/evaluation.md states all of it with formulas and sources.`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case !o.compare:
				return flagsOnly(cmd, args)
			case len(args) != 2:
				return &ExitError{ExitUsage, fmt.Errorf("cli: --compare takes two files of records, got %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.format != "text" && o.format != "json" {
				return &ExitError{ExitUsage, fmt.Errorf("cli: log_format %q: expected text or json", o.format)}
			}
			out := evalReport{out: cmd.OutOrStdout(), json: o.format == "json"}
			if o.compare {
				return compareRuns(args[0], args[1], &out)
			}
			// What was measured before a task failed, or Ctrl-C, is shown all the same.
			err := o.measure(cmd, &out)
			out.tables(o.dataset)
			return cmp.Or(err, out.err)
		},
	}
	o.model.bind(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&o.tasks, "task", nil, "tasks, parted by commas")
	f.StringVar(&o.answerKind, "answer_kind", "", "what the answers of a task of another name are: choice, number, letter, label, translation or code")
	f.StringVar(&o.protocol, "protocol", "auto", "likelihood, llm_adapters, smt or greedy; auto: likelihood where there are options, llm_adapters for numbers and letters, greedy for translation and code")
	f.StringVar(&o.dataset, "dataset", "", "rows to evaluate (.json, .jsonl, .parquet), or a directory of TASK.json")
	f.StringToStringVar(&o.columns, "columns", nil, "field names in the files, such as instruction=question")
	f.StringVar(&o.template, "template", "auto", "how a row becomes text, for likelihood, greedy and perplexity; as in training")
	f.StringVar(&o.records, "records", "", "JSON Lines file (several tasks: directory) for each row's prompt, output and verdict; gone on with if it is there")
	f.StringVar(&o.format, "log_format", "text", "text or json")
	f.IntVar(&o.limit, "limit", 0, "rows of each task to use; 0: all")
	f.IntVar(&o.length, "max_seq_length", 512, "longest row of the perplexity, in tokens")
	f.IntVar(&o.newTokens, "max_new_tokens", 256, "tokens that greedy generates at most")
	f.BoolVar(&o.allowCode, "allow_code_execution", false, "run the Python programs that the model writes, in a sandbox that stops accidents, not attacks")
	f.BoolVar(&o.compare, "compare", false, "compare two files of records instead")
	Describe(cmd, []Example{
		{"200 rows of boolq by likelihood", "smt eval --model_name_or_path M --adapter smt-output/adapter --task boolq --dataset boolq.json --limit 200"},
		{"several tasks as the papers do, to be gone on with after Ctrl-C", "smt eval --model_name_or_path M --task boolq,piqa,ARC-Easy --dataset test/ --protocol llm_adapters --records runs/"},
		{"loss per response token, as JSON", "smt eval --model_name_or_path M --task perplexity --dataset rows.json --log_format json"},
		{"rows of your own whose answers are numbers", "smt eval --model_name_or_path M --task mine --answer_kind number --dataset mine.json"},
		{"is B better than A on the same rows?", "smt eval --compare A.jsonl B.jsonl"},
	}, ExitNoModel, ExitLocked, ExitBadData, ExitBadModel, ExitIO, ExitInterrupted)
	return cmd
}

// measure evaluates all tasks. Everything that can be wrong with the data is found before the model is opened.
func (o *evalOptions) measure(cmd *cobra.Command, out *evalReport) error {
	ctx := cmd.Context()
	w := newWatch(cmd.ErrOrStderr(), o.format, 1)
	defer w.Close()
	jobs, err := o.jobs()
	if err != nil {
		return err
	}
	sandbox, err := o.sandbox(ctx, jobs)
	if err != nil {
		return err
	}
	m, err := openModel(ctx, o.model, w)
	if err != nil {
		return err
	}
	defer m.Close()
	identity := ""
	if o.records != "" {
		if identity, err = modelIdentity(m, o.model.Adapter); err != nil {
			return err
		}
	}
	if sandbox != nil {
		w.Note("programs run with %s", sandbox.Isolation())
	}
	for _, job := range jobs {
		if job.left > 0 {
			w.Note("%s: %d rows are left out: their sub-tasks have no closed set of labels in this file", job.name, job.left)
		}
		r := config.Default()
		r.Template = o.template
		template, err := recipe.NewTemplate(r, job.rows[0].Format, m.Tokenizer)
		if err != nil {
			return err
		}
		w.Phase(job.name+" "+job.protocol, len(job.rows), 0)
		e := evaluate.Evaluator{Decoder: m.Decoder, Tokenizer: m.Tokenizer, Template: template, MaxNewTokens: o.newTokens, Sandbox: sandbox,
			Records: job.records, Model: identity, Progress: func(done, _ int) { w.Rows(done) }}
		if job.loss() {
			loss, _, err := e.ResponseLoss(ctx, job.rows, o.length)
			if err != nil {
				return err
			}
			out.loss(loss)
			continue
		}
		result, _, err := e.Evaluate(ctx, job.task, job.protocol, job.rows)
		if err != nil {
			return err
		}
		out.result(result)
	}
	return nil
}

// compareRuns prints the differences of two files of records.
func compareRuns(pathA, pathB string, out *evalReport) error {
	a, err := evaluate.ReadRecords(pathA)
	if err != nil {
		return err
	}
	b, err := evaluate.ReadRecords(pathB)
	if err != nil {
		return err
	}
	differences, err := evaluate.Compare(a, b)
	if err != nil {
		return &ExitError{ExitUsage, err}
	}
	out.differences(pathA, pathB, differences)
	return out.err
}
