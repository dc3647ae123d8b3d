package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"smt/config"
	"smt/demo"
	"smt/evaluate"
	"smt/experiment"
	"smt/progress"
	"smt/recipe"
)

// experimentFlags are the flags that experiments share beside the recipe's.
type experimentFlags struct {
	methods, budgets, tasks []string
	rates                   []string
	seeds                   []int64
	blockSizes, warmups     []int
	protocol                string
	taskLimit, sample       int
	extend, refine          int
	keepModels, dryRun      bool
	allowCode               bool
}

// bind registers the flags with the study's defaults in the help.
func (f *experimentFlags) bind(cmd *cobra.Command) {
	s := cmd.Flags()
	s.StringSliceVar(&f.methods, "methods", nil, "methods to compare: smt, full, lora, dora, lora_qkvud, dora_qkvud, or a block_score")
	s.StringArrayVar(&f.rates, "learning_rates", nil, "rates to try for all methods, or for one as in lora=1e-4,3e-4; may be repeated, in any order")
	s.Int64SliceVar(&f.seeds, "seeds", nil, "seeds of the runs with the best rate; the first is that of the grid (default: seed and the two after it for smt compare, the one after it for study tasks)")
	s.StringSliceVar(&f.budgets, "budgets", nil, "trainable shares of all parameters, in percent")
	s.StringArrayVar(&f.tasks, "tasks", nil, "accuracy (translations: chrF) on a task's rows as well, as in boolq=boolq.json; may be repeated")
	s.StringVar(&f.protocol, "protocol", "", "how tasks are evaluated (default: what suits the task): "+strings.Join(evaluate.ProtocolNames(), ", "))
	s.IntVar(&f.taskLimit, "task_limit", 200, "rows of a task; 0: all")
	s.BoolVar(&f.allowCode, "allow_code_execution", false, "let the task mbpp run the Python programs that a model writes, in a sandbox that stops accidents, not attacks")
	s.IntSliceVar(&f.blockSizes, "block_sizes", nil, "study block-size: sides of a block (default 32,64,96,192,256)")
	s.IntSliceVar(&f.warmups, "warmups", nil, "study warmup: lengths of the warm-up (default 0,5,25,50,100,200)")
	s.IntVar(&f.sample, "sample", 16, "study selection: blocks that are tuned alone")
	s.IntVar(&f.extend, "extend", 2, "how many rates a grid may grow by where its best is at the edge")
	s.IntVar(&f.refine, "refine", 1, "how many rates to try between the best of a grid and the better of its neighbours")
	s.BoolVar(&f.keepModels, "keep_models", false, "keep the models that full fine-tuning writes")
	s.BoolVar(&f.dryRun, "dry_run", false, "print the cells and how long they will take, and run nothing")
}

// experimentSteps is the length of a cell's tuning if neither max_steps nor num_train_epochs is given.
const experimentSteps = 100

// newExperiment makes the command of a study.
func newExperiment(use string, s experiment.Study, long string, examples ...Example) *cobra.Command {
	var f experimentFlags
	cmd := &cobra.Command{Use: use + " [recipe.yaml] [key=value ...]", Short: s.Summary, Long: long + experimentHelp}
	f.bind(cmd)
	load := BindRecipe(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return runExperiment(cmd, s, f, load) }
	Describe(cmd, examples, ExitNoModel, ExitLocked, ExitOutOfMemory, ExitBadData, ExitBadModel, ExitIO, ExitInterrupted, ExitTerminated)
	return cmd
}

const experimentHelp = `

Without a model and data it runs on the tiny model and task that the program carries, in a minute or two. With yours, the
recipe's keys are the base of every run; without max_steps or num_train_epochs a run has ` + "100" + ` tuning steps.

The output directory gets report.html (one file, with tables and figures), results.csv, results.json, a PNG for each figure,
data/ (the rows, split into training, validation and test rows) and cells/ (one directory for each run). The same command
again goes on where the first stopped: finished cells are not run again. The first Ctrl-C saves the running cell's state.`

// runExperiment runs a study and shows what came of it.
func runExperiment(cmd *cobra.Command, s experiment.Study, f experimentFlags, load func(string) (config.Recipe, config.Notices, error)) error {
	r, notices, err := load("")
	if err != nil {
		return err
	}
	if !r.IsSet("output_dir") {
		r.OutputDir = "smt-" + s.Name
	}
	o := experiment.Options{Dir: r.OutputDir, Command: commandLine(cmd), Extend: f.extend, Refine: f.refine, KeepModels: f.keepModels, DryRun: f.dryRun, Sample: f.sample}
	w := &experimentWatch{watch: newWatch(cmd.OutOrStdout(), r.LogFormat, 1), out: cmd.OutOrStdout(), json: r.LogFormat == "json", terminal: progress.IsTerminal(cmd.OutOrStdout())}
	defer w.Close()
	o.Watcher = w
	if r.ModelNameOrPath == "" && len(r.Dataset) == 0 && r.InitConfig == "" {
		w.Note("no model and no data given: this is the demo's model and task. smt %s --help shows how to use yours.", strings.TrimPrefix(cmd.CommandPath(), "smt "))
		if r, err = demoExperiment(s, r.OutputDir, load, &o); err != nil {
			return err
		}
	} else if err := complete(r); err != nil {
		return err
	}
	for _, n := range notices {
		w.Note("%s", n)
	}
	if !r.IsSet("max_steps") && !r.IsSet("num_train_epochs") {
		r.MaxSteps = experimentSteps
	}
	o.Recipe = r
	if err := f.fill(&o); err != nil {
		return &ExitError{ExitUsage, err}
	}
	command, err := experiment.Command(hiddenCell)
	if err != nil {
		return err
	}
	o.Runner = experiment.Subprocess(command...)
	l, outcome, err := experiment.Perform(cmd.Context(), s, o)
	if err != nil {
		if errors.Is(err, recipe.ErrInterrupted) {
			w.Note("interrupted: the same command goes on from here")
		}
		return cellCode(err)
	}
	if f.dryRun {
		return w.dryRun(l)
	}
	for _, section := range outcome.Sections {
		for _, t := range section.Tables {
			title := t.Title
			if title == "" {
				title = section.Title
			}
			w.Table(title, t.Header, t.Rows)
		}
	}
	var found [][]string
	for _, g := range experiment.Grouped(l.Signatures()) {
		found = append(found, []string{g.Kind, g.Cell, g.Text})
	}
	if len(found) > 0 {
		w.Table("warnings", []string{"", "cell", ""}, found)
	}
	for _, a := range outcome.Answers {
		w.Note("%s", a)
	}
	w.Note("report: %s", filepath.Join(o.Dir, "report.html"))
	if n := l.Failures(); n > 0 {
		return fmt.Errorf("experiment: %d of %d cells failed; the same command runs them again: %s", n, len(l.Results), firstFailure(l))
	}
	return nil
}

// firstFailure is the message of the first cell that failed.
func firstFailure(l *experiment.Lab) string {
	for _, r := range l.Results {
		if r.Status == experiment.Failed {
			return r.Name + ": " + r.Error
		}
	}
	return ""
}

// fill turns the flags into options.
func (f *experimentFlags) fill(o *experiment.Options) error {
	if len(f.methods) > 0 {
		o.Methods = f.methods
		for _, m := range o.Methods {
			if err := experiment.CheckMethod(m); err != nil {
				return err
			}
		}
	}
	if len(f.seeds) > 0 {
		o.Seeds = f.seeds
	}
	if slices.ContainsFunc(f.rates, func(text string) bool { return !strings.Contains(text, "=") }) {
		o.Rates = nil // rates for all take the place of those that the demo has for each method
	}
	if o.Rates == nil {
		o.Rates = map[string][]float64{}
	}
	for _, text := range f.rates {
		method, list, named := strings.Cut(text, "=")
		if !named {
			method, list = "", text
		}
		if method != "" {
			if err := experiment.CheckMethod(method); err != nil {
				return fmt.Errorf("cli: --learning_rates %s: %w", text, err)
			}
		}
		o.Rates[method] = nil
		for _, word := range strings.Split(list, ",") {
			rate, err := strconv.ParseFloat(word, 64)
			if err != nil || !(rate > 0) {
				return fmt.Errorf("cli: --learning_rates %s: got %q, expected numbers above 0", text, word)
			}
			o.Rates[method] = append(o.Rates[method], rate)
		}
	}
	if len(f.budgets) > 0 {
		o.Budgets = nil
	}
	for _, text := range f.budgets {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
		if err != nil || !(percent > 0) || percent > 100 {
			return fmt.Errorf("cli: --budgets: got %q, expected percentages above 0, such as 0.84", text)
		}
		o.Budgets = append(o.Budgets, percent/100)
	}
	for _, text := range f.tasks {
		name, file, ok := strings.Cut(text, "=")
		if _, err := evaluate.FindTask(name); err != nil || !ok {
			return fmt.Errorf("cli: --tasks: got %q, expected TASK=FILE with one of %s", text, strings.Join(evaluate.TaskNames(), ", "))
		}
		task := experiment.Task{Name: name, File: file, Protocol: f.protocol, Limit: f.taskLimit, AllowCode: f.allowCode}
		if _, _, err := task.Check(); err != nil {
			return fmt.Errorf("cli: --tasks %s: %w", text, err)
		}
		o.Tasks = append(o.Tasks, task)
	}
	if len(f.blockSizes) > 0 {
		o.BlockSizes = slices.Clone(f.blockSizes)
	}
	if len(f.warmups) > 0 {
		o.WarmupGrid = slices.Clone(f.warmups)
	}
	return nil
}

// demoExperiment prepares the demo: its model and rows, and settings by which an experiment ends soon.
func demoExperiment(s experiment.Study, dir string, load func(string) (config.Recipe, config.Notices, error), o *experiment.Options) (config.Recipe, error) {
	files, err := demo.Extract(filepath.Join(dir, "demo"))
	if err != nil {
		return config.Recipe{}, err
	}
	settings := filepath.Join(dir, "demo", "experiment.yaml")
	if err := os.WriteFile(settings, []byte(experiment.DemoRecipe), 0o666); err != nil {
		return config.Recipe{}, err
	}
	r, _, err := load(settings)
	if err != nil {
		return r, err
	}
	r.ModelNameOrPath, r.Dataset, r.OutputDir = files.Model, []string{files.Train}, dir
	o.FillDemo(s, files)
	if s.OwnRows {
		r.ValSize = 0 // each task has fewer rows
		r.Dataset, err = experiment.DemoTasks(filepath.Join(dir, "demo"))
	}
	return r, err
}

// commandLine is the command as it was given.
func commandLine(cmd *cobra.Command) string {
	words := []string{"smt"}
	for _, word := range os.Args[1:] {
		if strings.ContainsAny(word, " \t\n'\"$&|;<>*?()") || word == "" {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, word)
	}
	if len(words) == 1 || !strings.HasPrefix(cmd.CommandPath(), "smt "+words[1]) { // not run by main
		return cmd.CommandPath()
	}
	return strings.Join(words, " ")
}

// cellCode gives the error of a cell's process the exit code that the process ended with.
func cellCode(err error) error {
	if code, ok := experiment.ExitCode(err); ok && code > 0 {
		return &ExitError{code, err}
	}
	return err
}

// hiddenCell is the command that runs one cell; it is no part of what people use.
const hiddenCell = "cell"

// newCell is smt cell.
func newCell() *cobra.Command {
	return &cobra.Command{
		Use:    hiddenCell + " DIR",
		Short:  "Run one cell of an experiment (what smt compare and smt study start)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return experiment.Serve(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
