package recipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"smt/checkpoint"
	"smt/config"
	"smt/dataset"
	"smt/device"
	"smt/device/cpu"
	"smt/device/reference"
	"smt/durable"
	"smt/export"
	"smt/hub"
	"smt/model"
	"smt/progress"
	"smt/sparse"
	"smt/tokenizer"
)

// A session is one run of any method: what was opened for it, and how far it has come.
type session struct {
	recipe    config.Recipe
	reporter  Reporter
	metrics   *progress.Metrics
	device    device.Device
	base      *model.Base
	baseHash  string
	tokenizer *tokenizer.Tokenizer
	data      *Data
	decoder   *model.Decoder

	loader, validation *dataset.Loader // validation is nil if there are no validation rows
	timeline           *timeline
	batches            []dataset.Batch // of the step at hand
	input              input

	state   state
	chosen  bool   // the blocks are the caller's: there is no warm-up
	resume  string // checkpoint to go on from, or empty
	resumed string // the same, once its tensors are read
	summary Summary
	unlock  func()
	made    bool // the run made its output directory
	random  bool // and in it, before it was known to have all it needs, a model with random weights
}

// state is what a checkpoint says besides tensors.
type state struct {
	Recipe     string  `json:"recipe_hash"`
	Base       string  `json:"base_sha256"`
	Data       string  `json:"data_sha256"`
	Stage      string  `json:"stage"`
	StageStep  int     `json:"stage_step"` // steps of the stage that are done
	Step       int     `json:"step"`       // steps of the run that are done
	Updates    int     `json:"optimizer_steps"`
	Gathered   int     `json:"accumulated_steps"`
	Tokens     int     `json:"tokens"`
	Supervised int     `json:"supervised_tokens"`
	Seconds    float64 `json:"train_seconds"`
	FinalLoss  float64 `json:"final_loss"`
	ValLoss    float64 `json:"val_loss,omitempty"`
	Best       *best   `json:"best,omitempty"`
	// Selection is what the warm-up chose, once it is over.
	Selection *selectionFile `json:"selection,omitempty"`
}

// best is the lowest validation loss so far.
type best struct {
	Step  int     `json:"step"`
	Loss  float64 `json:"loss"`
	Since int     `json:"evaluations_since"`
}

// NewDevice makes the device that a recipe names.
func NewDevice(name string, threads int) (device.Device, error) {
	switch name {
	case "", "cpu":
		if threads > 0 {
			return cpu.New(cpu.WithThreads(threads)), nil
		}
		return cpu.New(), nil
	case "reference":
		return reference.New(), nil
	}
	return nil, fmt.Errorf("recipe: device %q: expected cpu or reference", name)
}

// manyPasses is how many passes over the rows bear the usual learning rates. 100 steps on 54 rows of mbpp left a test loss
// of 1.20 at the rate that suits thousands of rows, and of 1.04 at a third of it (docs/results.md).
const manyPasses = 5

// open prepares everything that does not depend on the method. Data is read, checked and tokenized before the weights are
// touched. The output directory is locked until close.
func open(ctx context.Context, r config.Recipe, reporter Reporter) (_ *session, err error) {
	s := &session{recipe: r, reporter: reporter}
	defer func() {
		if err == nil {
			return
		}
		if s.random {
			os.RemoveAll(s.path(initDir))
		}
		s.close()
	}()
	if s.device, err = NewDevice(r.Device, r.Threads); err != nil {
		return nil, err
	}
	if err := s.openOutput(); err != nil {
		return nil, err
	}
	if err := s.findCheckpoint(); err != nil {
		return nil, err
	}
	dir, tokenizerDir, err := s.locate(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.checkApart(dir, tokenizerDir); err != nil {
		return nil, err
	}
	if s.tokenizer, err = tokenizer.Load(tokenizerDir); err != nil {
		return nil, err
	}
	c, err := model.ReadConfig(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	if r.FinetuningType == config.SMT && r.LearningRate == 0 {
		if r.LearningRate, err = LearningRate(c, r); err != nil {
			return nil, err
		}
		reporter.Note("learning_rate %.2g: for hidden_size %d, the budget, block_score %s and selection %s", r.LearningRate, c.HiddenSize, r.BlockScore, r.Selection)
		s.recipe = r
	}
	if s.data, err = ReadData(r, s.tokenizer, c, reporter.Note); err != nil {
		return nil, err
	}
	if s.base, err = model.Open(dir); err != nil {
		return nil, err
	}
	if r.FinetuningType == config.Full || r.WarmupUpdate == string(sparse.UpdateKeep) || r.Merge {
		if err := durable.Require(s.path("model"), s.base.Files.Size()); err != nil {
			return nil, err
		}
	}
	s.baseHash = export.BaseSHA256(s.base.Files)
	if s.decoder, err = model.New(s.device, s.base); err != nil {
		return nil, err
	}
	s.loader = s.data.loader(s.data.Train, r.PerDeviceTrainBatchSize, true)
	if s.data.Validation != nil {
		s.validation = s.data.loader(s.data.Validation, r.PerDeviceEvalBatchSize, false)
	}
	s.timeline = newTimeline(s.loader, r.GradientAccumulationSteps)
	if s.loader.BatchesPerEpoch(0) == 0 {
		return nil, fmt.Errorf("recipe: the dataset holds no row to train on")
	}
	if passes := s.passes(); passes > manyPasses {
		reporter.Note("%.1f passes over the rows: after so many, a learning_rate below %.2g may do better; val_size or eval_dataset with load_best_model_at_end keeps the best step",
			passes, r.LearningRate)
	}
	s.state = state{Recipe: recipeHash(r), Base: s.baseHash, Data: s.data.digest()}
	if err := s.readCheckpoint(); err != nil {
		return nil, err
	}
	if err := s.clearOutput(); err != nil {
		return nil, err
	}
	if err := durable.WriteFile(s.path("recipe.yaml"), func(w io.Writer) error {
		_, err := w.Write(r.Resolved())
		return err
	}); err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	s.random = false // from here on the directory is that of a run
	keep := s.state.Step
	if keep == 0 {
		keep = -1
	}
	s.metrics, err = progress.OpenMetrics(s.path("metrics.jsonl"), keep)
	return s, err
}

// locate finds the directories of the model and its tokenizer: on disk, from the hub, or made here with random weights.
func (s *session) locate(ctx context.Context) (dir, tokenizerDir string, err error) {
	r := s.recipe
	if r.Tokenizer != "" {
		if tokenizerDir, err = hub.Resolve(ctx, r.Tokenizer, s.downloading); err != nil {
			return "", "", err
		}
	}
	if r.InitConfig != "" {
		if tokenizerDir == "" {
			return "", "", fmt.Errorf("recipe: init_config: a model that starts from random weights needs a tokenizer: give its directory with --tokenizer")
		}
		dir = s.path(initDir)
		if err := s.checkApart(tokenizerDir); err != nil {
			return "", "", err
		}
		if _, err := os.Stat(filepath.Join(dir, "model.safetensors")); err == nil && s.resume != "" {
			return dir, tokenizerDir, nil // the model that the run being resumed began with
		}
		s.random = true
		return dir, tokenizerDir, writeRandom(dir, r.InitConfig, tokenizerDir, uint64(r.Seed))
	}
	if dir, err = hub.Resolve(ctx, r.ModelNameOrPath, s.downloading); err != nil {
		return "", "", err
	}
	if tokenizerDir == "" {
		tokenizerDir = dir
	}
	return dir, tokenizerDir, nil
}

// openOutput makes and locks the output directory, and refuses to mix two runs.
func (s *session) openOutput() error {
	r := s.recipe
	_, err := os.Stat(r.OutputDir)
	s.made = errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(r.OutputDir, 0o777); err != nil {
		return fmt.Errorf("recipe: output_dir: %w", err)
	}
	release, err := durable.Lock(r.OutputDir)
	if err != nil {
		return err
	}
	s.unlock = release
	if _, err := durable.RemoveStale(r.OutputDir); err != nil {
		return err
	}
	if r.ResumeFromCheckpoint == "" && !r.OverwriteOutputDir {
		return s.checkFree(outputs)
	}
	return nil
}

// checkFree refuses an output directory that holds one of the given files.
func (s *session) checkFree(names []string) error {
	for _, name := range names {
		if _, err := os.Lstat(s.path(name)); err == nil {
			return &ErrOutputTaken{s.path(name)}
		}
	}
	return nil
}

// checkApart refuses a model or a tokenizer that lies where the run will write, and where overwrite_output_dir removes what an
// earlier run has left. The random model that a run makes for itself may lie there.
func (s *session) checkApart(dirs ...string) error {
	for _, dir := range dirs {
		if dir == s.path(initDir) && s.recipe.InitConfig != "" {
			continue
		}
		for _, name := range outputs {
			if durable.Contains(s.path(name), dir) {
				return fmt.Errorf("recipe: output_dir: %s holds %s, which the run reads; give another output_dir", s.path(name), dir)
			}
		}
	}
	return nil
}

// clearOutput removes what an earlier run has left in the output directory, once this one is known to have all that it needs: a run
// starts from step 0 only where there is nothing, or where it may. The random model that this run has made has taken the place of an
// older one already; checkpoints that are too damaged to go on with are kept.
func (s *session) clearOutput() error {
	if s.resume != "" {
		return nil
	}
	for _, name := range outputs {
		if name == initDir && s.recipe.InitConfig != "" || name == "checkpoints" && s.recipe.ResumeFromCheckpoint != "" {
			continue
		}
		if err := os.RemoveAll(s.path(name)); err != nil {
			return fmt.Errorf("recipe: output_dir: %w", err)
		}
	}
	return nil
}

// ErrOutputTaken says that the output directory holds what the run would replace.
type ErrOutputTaken struct{ Path string }

func (e *ErrOutputTaken) Error() string {
	return fmt.Sprintf("recipe: output_dir: %s is there already, of an earlier run or your own; give another directory, --resume_from_checkpoint auto to go on with a run that was stopped, or --overwrite_output_dir to replace it", e.Path)
}

// outputs are what a run leaves in its output directory.
var outputs = []string{"recipe.yaml", "metrics.jsonl", selectionName, "selection.png", "loss.png", "adapter", "model", "checkpoints", "best", initDir}

// initDir is the model with random weights that a run of init_config begins with.
const initDir = "init"

// path is a file of the output directory.
func (s *session) path(name string) string { return filepath.Join(s.recipe.OutputDir, name) }

// downloading tells the reporter about a download.
func (s *session) downloading(file string, done, total int64) { s.reporter.Download(file, done, total) }

// reportTrainable notes what is trained.
func (s *session) reportTrainable(values int, what string) {
	total := s.base.Config.Params()
	s.summary.Trainable = values
	s.reporter.Note("trainable parameters: %d of %d (%.3f %%): %s", values, total, 100*float64(values)/float64(total), what)
}

// findCheckpoint looks for what the recipe wants to go on from.
func (s *session) findCheckpoint() error {
	switch want := s.recipe.ResumeFromCheckpoint; want {
	case "":
		return nil
	case "auto":
		path, notes, err := checkpoint.Latest(s.path("checkpoints"))
		if err != nil {
			return err
		}
		for _, n := range notes {
			s.reporter.Note("%s", n)
		}
		if path == "" {
			// An adapter or a model is what a whole run has left: without a checkpoint, to go on would be to learn it again.
			if err := s.checkFree([]string{"adapter", "model"}); err != nil {
				return err
			}
			s.reporter.Note("no checkpoint in %s: starting at step 0", s.path("checkpoints"))
			return nil
		}
		s.resume = path
	default:
		s.resume = want
	}
	return nil
}

// readCheckpoint reads the state of the checkpoint to go on from, if there is one, and refuses that of another run.
func (s *session) readCheckpoint() error {
	if s.resume == "" {
		return nil
	}
	mine := s.state
	if err := checkpoint.ReadState(s.resume, &s.state); err != nil {
		return err
	}
	if s.state.Base != mine.Base {
		return fmt.Errorf("recipe: %s was made from another base model (sha256 %.12s..., this one is %.12s...)", s.resume, s.state.Base, mine.Base)
	}
	if s.state.Recipe != mine.Recipe {
		return fmt.Errorf("recipe: %s was made with another recipe: the run would not be the same; start anew, or give the recipe that is saved in %s", s.resume, s.path("recipe.yaml"))
	}
	if s.state.Data != mine.Data {
		return fmt.Errorf("recipe: %s was made with other rows: the files, or how they become tokens, have changed since; start anew, or give the rows it was made with", s.resume)
	}
	s.reporter.Note("going on from %s, after step %d", s.resume, s.state.Step)
	return nil
}

// limits are the largest batches of the run.
func (s *session) limits() model.Limits {
	l := model.Limits{Tokens: s.loader.MaxTokens(), Supervised: s.loader.MaxSupervised(), Positions: s.data.Longest, Backward: true,
		Checkpointing: s.recipe.GradientCheckpointing, Compact: model.Precision(s.recipe.Precision).Compact()}
	if s.validation != nil {
		l.Tokens, l.Supervised = max(l.Tokens, s.validation.MaxTokens()), max(l.Supervised, s.validation.MaxSupervised())
	}
	return l
}

// close gives back what open took.
func (s *session) close() {
	if s.metrics != nil {
		s.metrics.Close()
	}
	if s.base != nil {
		s.base.Close()
	}
	if s.unlock != nil {
		s.unlock()
	}
	if s.made {
		os.Remove(s.recipe.OutputDir) // which fails, as it should, unless the run came to nothing and left it empty
	}
}
