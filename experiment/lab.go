package experiment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"smt/config"
	"smt/durable"
	"smt/hub"
	"smt/model"
	"smt/recipe"
)

// A Watcher shows an experiment to whoever watches.
type Watcher interface {
	// Phase begins so many cells.
	Phase(name string, cells int)
	// Step tells of a step of the cell of that name, which runs; done cells are finished.
	Step(done int, cell string, s recipe.Step)
	// Cell tells of a finished cell. left is the time that the known cells will still take, or 0 if nobody knows.
	Cell(done, cells int, r Result, left time.Duration)
	// Note tells one thing worth knowing.
	Note(format string, args ...any)
}

// Options say what an experiment runs with.
type Options struct {
	Name    string // compare, or the study's name
	Dir     string
	Command string // as it was given, for the report
	Recipe  config.Recipe

	Methods    []string
	Rates      map[string][]float64 // learning rates to try, by method; those of "" are for all others
	Seeds      []int64
	Budgets    []float64 // trainable share of all parameters
	BlockSizes []int
	WarmupGrid []int // lengths of the warm-up
	Sample     int   // blocks that are tuned alone
	Tasks      []Task
	Extend     int // how many rates the grid may grow by where the best is at its edge
	Refine     int // how many rates are tried between the best one and the better of its neighbours
	KeepModels bool

	Runner  Runner
	Watcher Watcher
	DryRun  bool
}

// A Lab runs cells and keeps their results.
type Lab struct {
	Options
	Config  *model.Config
	Split   Split
	Results []Result // of all cells, in the order in which they were asked for
	Found   []Signature
	Skipped []string // what was left out, and why

	byID    map[string]int
	splits  map[string]Split // of all rows that cells have, by digest
	model   string           // digest of what every run begins with
	release func()
}

// NewLab makes and locks the output directory and, if split, splits the rows. A directory that holds another experiment is refused.
func NewLab(ctx context.Context, o Options, split bool) (*Lab, error) {
	tasks, err := checkTasks(o.Tasks)
	if err != nil {
		return nil, err
	}
	o.Tasks = tasks
	l := &Lab{Options: o, byID: map[string]int{}, splits: map[string]Split{}}
	if err := os.MkdirAll(filepath.Join(o.Dir, "cells"), 0o777); err != nil {
		return nil, fmt.Errorf("experiment: output_dir: %w", err)
	}
	release, err := durable.Lock(o.Dir)
	if err != nil {
		return nil, err
	}
	l.release = release
	if err := l.claim(); err != nil {
		l.Close()
		return nil, err
	}
	if err := l.openModel(ctx); err != nil {
		l.Close()
		return nil, err
	}
	if split {
		if l.Split, err = l.split(filepath.Join(o.Dir, "data"), o.Recipe); err != nil {
			l.Close()
			return nil, err
		}
		l.Watcher.Note("%d training rows, %d validation rows (learning rates are chosen by them), %d test rows (results are reported on them): %s",
			l.Split.TrainRows, l.Split.ValRows, l.Split.TestRows, filepath.Join(o.Dir, "data"))
		if l.Split.Repeated > 0 {
			l.Watcher.Note("%d training rows are left out: a held-out row says the same", l.Split.Repeated)
		}
		if l.Split.TestRows < 30 {
			l.Found = append(l.Found, Signature{Kind: FewRows, Text: fmt.Sprintf("%d test rows: differences between methods will drown in the noise of single rows; set val_size", l.Split.TestRows)})
		}
	}
	return l, nil
}

// openModel finds the model, downloading it once for all cells, reads its shape, and takes its digest.
func (l *Lab) openModel(ctx context.Context) error {
	dir, err := hub.Resolve(ctx, l.Recipe.ModelNameOrPath, func(file string, done, total int64) {
		if done == total {
			l.Watcher.Note("downloaded %s", file)
		}
	})
	if err != nil {
		return err
	}
	l.Recipe.ModelNameOrPath = dir
	if l.Config, err = model.ReadConfig(filepath.Join(dir, "config.json")); err != nil {
		return err
	}
	l.model, err = modelDigest(ctx, dir, l.Recipe)
	return err
}

// split splits a recipe's rows and keeps how many there are.
func (l *Lab) split(dir string, r config.Recipe) (Split, error) {
	s, err := SplitRows(dir, r)
	if err == nil {
		l.splits[s.Digest] = s
	}
	return s, err
}

// claim writes which experiment the directory belongs to.
func (l *Lab) claim() error {
	path := filepath.Join(l.Dir, "experiment.json")
	var mine struct {
		Name string `json:"experiment"`
	}
	switch err := readJSON(path, &mine); {
	case errors.Is(err, fs.ErrNotExist):
		mine.Name = l.Name
		return writeJSON(path, mine)
	case err != nil:
		return err
	case mine.Name != l.Name:
		return fmt.Errorf("experiment: output_dir: %s holds the experiment %q, expected %q or an empty directory; give another one", l.Dir, mine.Name, l.Name)
	}
	return nil
}

// Close unlocks the directory.
func (l *Lab) Close() { l.release() }

// Cell makes a cell with the lab's rows and measures. The recipe is taken as it is but for what the lab decides: where rows
// come from and results go.
func (l *Lab) Cell(name, method string, r config.Recipe, labels ...Label) Cell {
	r.EvalDataset, r.ValSize, r.MaxRows, r.Columns = nil, 0, 0, nil
	r.Merge, r.OverwriteOutputDir, r.ResumeFromCheckpoint, r.LogFormat, r.OutputDir = false, false, "", "text", ""
	return Cell{Name: name, Method: method, Labels: labels, Recipe: Recipe{r}, Measures: Measures{Tasks: l.Tasks}, Model: l.model}.On(l.Split)
}

// On returns the cell with other rows.
func (c Cell) On(s Split) Cell {
	c.Recipe.Dataset = []string{s.Train}
	if c.Recipe.EvalSteps > 0 {
		c.Recipe.EvalDataset = []string{s.Validation}
	}
	c.Measures.Validation, c.Measures.Test, c.Measures.Digest = s.Validation, s.Test, s.Digest
	return c
}

// Run brings cells to their end, in order, and returns their results. Those that are finished are only read; those that were
// interrupted go on, and those that have fewer measures than they are to have are measured again. A cell that fails does not
// end the experiment unless all others would fail with it.
func (l *Lab) Run(ctx context.Context, phase string, cells []Cell) ([]Result, error) {
	results, open, stored := make([]Result, len(cells)), []int{}, 0
	for _, c := range cells {
		at, known := l.byID[c.ID()]
		switch {
		case !known:
			at = len(l.Results)
			l.byID[c.ID()] = at
			l.Results = append(l.Results, l.stored(c, filepath.Join(l.Dir, "cells", c.dirName())))
			if l.Results[at].Status == "" {
				open = append(open, at)
			} else {
				stored++
			}
		case l.Results[at].Measures.cover(c.Measures):
		case l.Results[at].Planned():
			l.Results[at].Measures = c.Measures
		case l.Results[at].Status == Done:
			l.Results[at] = l.stored(c, l.Results[at].Dir)
			open = append(open, at)
		}
	}
	if stored > 0 && !l.DryRun {
		l.Watcher.Note("%s: %d of %d cells were finished by an earlier run", phase, stored, len(cells))
	}
	if err := l.runAll(ctx, phase, open); err != nil {
		return nil, err
	}
	for i, c := range cells {
		results[i] = l.Results[l.byID[c.ID()]]
		results[i].Cell = c // with this phase's name and labels
	}
	return results, nil
}

// stored is the result of a cell that lies in dir, without a status if there is none or if it lacks a measure.
func (l *Lab) stored(c Cell, dir string) Result {
	var old Result
	if readJSON(filepath.Join(dir, resultFile), &old) != nil || old.ID != c.ID() || old.Status != Done && old.Status != Diverged || old.onOtherModel(c.Model) {
		return Result{Cell: c, ID: c.ID(), Dir: dir}
	}
	old.Dir = dir
	if !old.kept() { // the scores of an earlier version are believed rather than trained for again
		old.Measures = old.Measures.told(c.Measures.Tasks)
	}
	if old.Status == Diverged || old.Measures.cover(c.Measures) {
		c.Measures = old.Measures
	} else {
		old.Status = ""
	}
	old.Cell = c
	return old
}

// runAll runs the cells with the given places in Results.
func (l *Lab) runAll(ctx context.Context, phase string, open []int) error {
	if len(open) == 0 {
		return nil
	}
	if l.DryRun {
		for _, at := range open {
			l.Results[at].Status = planned
		}
		return nil
	}
	l.Watcher.Phase(phase, len(open))
	for n, at := range open {
		if ctx.Err() != nil {
			return recipe.ErrInterrupted
		}
		if err := l.runOne(ctx, n, &l.Results[at]); err != nil {
			return err
		}
		if err := l.WriteResults(); err != nil {
			return err
		}
		l.Watcher.Cell(n+1, len(open), l.Results[at], l.left(open[n+1:]))
	}
	return nil
}

// runOne runs a cell and fills in its result.
func (l *Lab) runOne(ctx context.Context, done int, r *Result) error {
	var old Cell
	if readJSON(filepath.Join(r.Dir, cellFile), &old) == nil && old.onOtherModel(r.Model) {
		// Nothing of it is of use: neither an adapter nor a checkpoint nor losses of single rows.
		if err := os.RemoveAll(r.Dir); err != nil {
			return fmt.Errorf("experiment: %w", err)
		}
	}
	if err := os.MkdirAll(r.Dir, 0o777); err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	if err := writeJSON(filepath.Join(r.Dir, cellFile), r.Cell); err != nil {
		return err
	}
	name := r.Name
	err := l.Runner(ctx, r.Dir, func(s recipe.Step) { l.Watcher.Step(done, name, s) })
	var ended *CellError
	switch {
	case err == nil:
		found := Result{}
		if err := readJSON(filepath.Join(r.Dir, resultFile), &found); err != nil {
			return err
		}
		found.Cell, found.Dir = r.Cell, r.Dir
		*r = found
		return l.tidy(r)
	case errors.As(err, &ended) && !l.hopeless(ended.Code):
		r.Status, r.Error = Failed, ended.Message
		r.Signatures = []Signature{{Kind: FailedCell, Cell: r.Name, Text: ended.Message}}
		return nil
	}
	return err
}

// hopeless reports whether a cell's process that ended with the exit code means that all others would, too. A full disk does. What is
// said of the recipe, the model or the rows does as long as no cell has come to its end; then it is about the one cell.
func (l *Lab) hopeless(code int) bool {
	started := slices.ContainsFunc(l.Results, func(r Result) bool { return r.Status == Done || r.Status == Diverged })
	return code == exitIO || !started && slices.Contains(exitSetUp, code)
}

// left estimates the time for the cells with the given places from those that are done: the mean of the same method, or of
// all methods. Cells that only lack measures are not trained again.
func (l *Lab) left(open []int) time.Duration {
	training, measures, counts := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, r := range l.Results {
		if r.Status == Done {
			for _, key := range []string{r.Method, ""} {
				training[key] += r.TrainSeconds
				measures[key] += r.MeasureSeconds
				counts[key]++
			}
		}
	}
	total := 0.0
	for _, at := range open {
		r := &l.Results[at]
		key := r.Method
		if counts[key] == 0 {
			key = ""
		}
		if counts[key] == 0 {
			continue
		}
		if !r.kept() {
			total += training[key] / counts[key]
		}
		total += measures[key] / counts[key]
	}
	return time.Duration(total * float64(time.Second))
}

// Best is the usable result with the lowest validation loss, or nil.
func Best(results []Result) *Result {
	var best *Result
	for i := range results {
		r := &results[i]
		if r.Usable() && (best == nil || r.Validation.Loss().Mean < best.Validation.Loss().Mean) {
			best = r
		}
	}
	return best
}

// Signatures lists everything that was found, in the whole experiment and in its cells.
func (l *Lab) Signatures() []Signature {
	all := slices.Clone(l.Found)
	for _, r := range l.Results {
		for _, s := range r.Signatures {
			s.Method = r.Method
			all = append(all, s)
		}
	}
	return all
}

// Failures counts the cells that failed.
func (l *Lab) Failures() int {
	n := 0
	for _, r := range l.Results {
		if r.Status == Failed {
			n++
		}
	}
	return n
}

// WithRate returns the recipe with another learning rate; WithSeed with another seed.
func WithRate(r config.Recipe, rate float64) config.Recipe { r.LearningRate = rate; return r }

// WithSeed returns the recipe with another seed.
func WithSeed(r config.Recipe, seed int64) config.Recipe { r.Seed = seed; return r }

// roundRate keeps two digits of a learning rate, so that a grid that grows has the same rates each time.
func roundRate(rate float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(rate, 'e', 1, 64), 64)
	if err != nil {
		return rate
	}
	return rounded
}
