package experiment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"smt/checkpoint"
	"smt/config"
	"smt/dataset"
	"smt/evaluate"
	"smt/hub"
	"smt/internal/finite"
	"smt/internal/memory"
	"smt/model"
	"smt/recipe"
	"smt/sparse"
)

// The files of a cell's directory.
const (
	cellFile    = "cell.json"    // what is to be run
	trainedFile = "trained.json" // training is over
	resultFile  = "result.json"  // everything is over
	runDir      = "run"          // the output directory of the training run
	adapterDir  = "adapter"      // in it, what the run has learnt
	modelDir    = "model"        // or, if that is no adapter
)

// trained is what has to be kept between training and measuring, in case that the process ends in between.
type trained struct {
	Summary  *recipe.Summary `json:"summary"`
	StartRSS float64         `json:"start_rss_mib"`
	Diverged string          `json:"diverged,omitempty"`
	Notes    []string        `json:"notes,omitempty"`
}

// Execute runs the cell whose directory is dir, from where an earlier process has left it, and writes its result there: a cell
// that has been trained is only measured, and losses of rows that are known are read. It is meant to be the only thing that its
// process does.
func Execute(ctx context.Context, dir string, reporter recipe.Reporter) error {
	start := memory.RSS()
	var c Cell
	if err := readJSON(filepath.Join(dir, cellFile), &c); err != nil {
		return err
	}
	notes := &noting{Reporter: reporter}
	t, err := readTrained(dir)
	if errors.Is(err, fs.ErrNotExist) {
		t, err = train(ctx, dir, c, start, notes)
	}
	if err != nil {
		return err
	}
	r := &Result{Cell: c, ID: c.ID(), Status: Done, StartRSS: t.StartRSS, Notes: t.Notes, Dir: dir}
	if err := r.measure(ctx, t, notes); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, resultFile), r)
}

// readTrained reads what is kept of the training in dir. A model that was removed after it had been measured is as if it had
// not been trained: what is left of its run is removed, and the error is [fs.ErrNotExist].
func readTrained(dir string) (t trained, err error) {
	if err = readJSON(filepath.Join(dir, trainedFile), &t); err != nil || t.Summary == nil || t.Summary.Adapter != "" || t.Diverged != "" {
		return t, err
	}
	if _, err = os.Stat(filepath.Join(dir, runDir, modelDir)); errors.Is(err, fs.ErrNotExist) {
		for _, name := range []string{trainedFile, runDir} {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return t, fmt.Errorf("experiment: %w", err)
			}
		}
	}
	return t, err
}

// train runs the recipe. What ends with numbers that are not finite is a result, too, in a step or, after the last one, in the weights
// that are to be written.
func train(ctx context.Context, dir string, c Cell, start float64, notes *noting) (trained, error) {
	t := trained{StartRSS: start}
	if c.Method != Base {
		r := c.Recipe.Recipe
		r.OutputDir = filepath.Join(dir, runDir)
		// The run goes on with a checkpoint. Without one it starts anew, even if it was stopped when it had written its result.
		saved, _, err := checkpoint.Latest(filepath.Join(r.OutputDir, "checkpoints"))
		if err != nil {
			return t, err
		}
		if r.OverwriteOutputDir = saved == ""; saved != "" {
			r.ResumeFromCheckpoint = "auto"
		}
		var guard *recipe.GuardError
		sum, err := recipe.TrainBlocks(ctx, r, c.Blocks, notes)
		switch {
		case errors.As(err, &guard), errors.Is(err, finite.ErrNot):
			t.Diverged = err.Error()
		case err != nil:
			return t, err
		}
		t.Summary = sum
	}
	t.Notes = notes.texts
	return t, writeJSON(filepath.Join(dir, trainedFile), t)
}

// noting keeps the notes of a run.
type noting struct {
	recipe.Reporter
	texts []string
}

// Note keeps a note and passes it on.
func (n *noting) Note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(n.texts, text) {
		n.texts = append(n.texts, text)
	}
	n.Reporter.Note(format, args...)
}

// measure fills in everything that is measured.
func (r *Result) measure(ctx context.Context, t trained, reporter recipe.Reporter) error {
	began := time.Now()
	c := r.Recipe.Recipe
	dev, err := recipe.NewDevice(c.Device, c.Threads)
	if err != nil {
		return err
	}
	r.Machine = thisMachine(dev.Name(), c.Threads)
	if r.Method != Base {
		if err := r.readSteps(filepath.Join(r.Dir, runDir, "metrics.jsonl")); err != nil {
			return err
		}
		r.Signatures = slices.Concat(SeriesSignatures(r.Name, r.Losses, r.Norms), learning(r.Name, r.Losses))
	}
	if t.Diverged != "" {
		r.diverged(t.Diverged)
		return nil
	}
	dir, adapter := c.ModelNameOrPath, ""
	if s := t.Summary; s != nil {
		r.Params, r.Trainable, r.Selected, r.BlockSize, r.ShareV = s.Params, s.Trainable, s.Blocks, s.BlockSize, s.ShareV
		// The summary has the paths that they were written to; the experiment's directory may have been moved since.
		if s.Adapter != "" {
			adapter = filepath.Join(r.Dir, runDir, adapterDir)
		} else {
			dir = filepath.Join(r.Dir, runDir, modelDir)
		}
	}
	if dir, err = hub.Resolve(ctx, dir, reporter.Download); err != nil {
		return err
	}
	m, err := recipe.OpenTrained(dev, dir, c.Tokenizer, adapter)
	if err != nil {
		return err
	}
	defer m.Close()
	if r.Method == Base {
		r.Params = m.Base.Config.Params()
	} else if err := r.compareWithPlan(m.Base); err != nil {
		return err
	}
	e := evaluate.Evaluator{Decoder: m.Decoder, Tokenizer: m.Tokenizer, Model: r.ID}
	for _, part := range []struct {
		file, records string
		to            *RowLosses
	}{{r.Measures.Validation, "validation.jsonl", &r.Validation}, {r.Measures.Test, "test.jsonl", &r.Test}} {
		if part.file == "" {
			continue
		}
		e.Records = filepath.Join(r.Dir, part.records)
		if *part.to, err = rowLosses(ctx, e, m, c, part.file); err != nil {
			return r.failed(ctx, err)
		}
	}
	for _, task := range r.Measures.Tasks {
		e.Records = filepath.Join(r.Dir, task.records())
		result, err := measureTask(ctx, e, m, c, task)
		if err != nil {
			return r.failed(ctx, err)
		}
		r.Tasks = append(r.Tasks, result)
	}
	r.MeasureSeconds = time.Since(began).Seconds()
	return nil
}

// failed says what the error of a measure means: an interruption if ctx has ended. If a trained model computes numbers that are not
// finite, its run has diverged in its last step, after which there was no loss to tell; it is no error then.
func (r *Result) failed(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return recipe.ErrInterrupted
	case r.Method != Base && errors.Is(err, finite.ErrNot):
		r.diverged(err.Error())
		return nil
	}
	return err
}

// diverged makes the result that of a run whose numbers are not finite.
func (r *Result) diverged(text string) {
	r.Status, r.Error = Diverged, text
	r.Signatures = append(r.Signatures, Signature{Kind: NotFinite, Cell: r.Name, Text: text})
}

// compareWithPlan adds the plan of the run and looks at V's share.
func (r *Result) compareWithPlan(base *model.Base) error {
	c := r.Recipe.Recipe
	p, err := recipe.PlanOf(base, c, c.FinetuningType)
	if err != nil {
		return err
	}
	r.PlanMiB = float64(p.Peak) / (1 << 20)
	r.Signatures = append(r.Signatures, MemorySignature(r.Name, r.Overhead(), r.PlanMiB)...)
	if c.FinetuningType != config.SMT {
		return nil
	}
	all, inV := 0, 0
	for _, t := range sparse.MatricesOf(base.Config, c.TargetModules) {
		all += t.In * t.Out
		if t.Module == "v_proj" {
			inV += t.In * t.Out
		}
	}
	r.ChanceV = float64(inV) / float64(max(all, 1))
	if r.Method == config.SMT && r.Blocks == nil && paperLike(c) {
		r.Signatures = append(r.Signatures, ShareSignature(r.Name, r.ShareV, r.ChanceV)...)
	}
	return nil
}

// paperLike reports whether a recipe selects blocks of Q, K and V together by what the rows say, as the paper does where it finds
// nearly all of them in V. Other strategies fix every matrix's share, with more modules V cannot hold as much, and rules that read
// no row find nothing.
func paperLike(c config.Recipe) bool {
	return sparse.Strategy(c.Selection) == sparse.Global && !sparse.Score(c.BlockScore).DataFree() &&
		slices.Equal(slices.Sorted(slices.Values(c.TargetModules)), slices.Sorted(slices.Values(sparse.PaperModules)))
}

// readSteps reads the series of the run. It covers all processes that the run has had.
func (r *Result) readSteps(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	var steps, warmup, speed, tokens []float64
	fastest, fastestWarmup := math.Inf(1), math.Inf(1) // seconds per token
	for line := range bytes.Lines(text) {
		var s recipe.Step
		if err := json.Unmarshal(line, &s); err != nil {
			return fmt.Errorf("experiment: %s: %w", path, err)
		}
		if s.Event != "step" {
			continue
		}
		r.TrainSeconds += s.Seconds
		r.PeakRSS = max(r.PeakRSS, s.PeakRSS)
		if s.Stage == "warm-up" {
			warmup = append(warmup, s.Seconds)
			fastestWarmup = min(fastestWarmup, s.Seconds/float64(s.Tokens))
			r.WarmupSeconds += s.Seconds
			continue
		}
		steps, speed, tokens = append(steps, s.Seconds), append(speed, s.TokensPerSec), append(tokens, float64(s.Tokens))
		fastest = min(fastest, s.Seconds/float64(s.Tokens))
		r.Losses, r.Norms = append(r.Losses, s.Loss), append(r.Norms, s.GradNorm)
	}
	r.Steps, r.WarmupSteps = len(steps), len(warmup)
	if len(steps) > 0 {
		r.StepSeconds, r.TokensPerSec, r.StepTokens = Median(steps), Median(speed), Median(tokens)
		r.FastestStep = fastest * r.StepTokens
	}
	if len(warmup) > 0 {
		r.WarmupStep = Median(warmup)
		if len(steps) > 0 {
			r.FastestWarmup = fastestWarmup * r.StepTokens
		}
	}
	return nil
}

// rowLosses measures the rows of a file one by one. Its records let an interrupted measure go on.
func rowLosses(ctx context.Context, e evaluate.Evaluator, m *recipe.Trained, c config.Recipe, file string) (RowLosses, error) {
	rows, err := dataset.Load([]string{file}, dataset.ReadOptions{})
	if err != nil {
		return RowLosses{}, err
	}
	if e.Template, err = recipe.NewTemplate(c, rows[0].Format, m.Tokenizer); err != nil {
		return RowLosses{}, err
	}
	_, records, err := e.ResponseLoss(ctx, rows, c.MaxSeqLength)
	if err != nil {
		return RowLosses{}, err
	}
	var losses RowLosses
	for _, r := range records {
		losses.Sums, losses.Tokens = append(losses.Sums, r.Loss), append(losses.Tokens, r.Tokens)
	}
	return losses, nil
}
