package recipe

import (
	"context"
	"fmt"
	"io"
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
	summary Summary
	unlock  func()
	made    bool // the run made its output directory
	random  bool // and in it a model with random weights, which goes again if the run does not begin
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
	if s.tokenizer, err = tokenizer.Load(tokenizerDir); err != nil {
		return nil, err
	}
	configPath, makes := filepath.Join(dir, "config.json"), s.makesModel(dir)
	if makes {
		configPath = r.InitConfig
	}
	c, err := model.ReadConfig(configPath)
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
	if makes {
		if err := s.clearOutput(); err != nil {
			return nil, err
		}
		s.random = true
		if err := writeRandom(dir, r.InitConfig, tokenizerDir, uint64(r.Seed)); err != nil {
			return nil, err
		}
	}
	if s.base, err = model.Open(dir); err != nil {
		return nil, err
	}
	if err := s.checkRoom(); err != nil {
		return nil, err
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
	if !makes {
		if err := s.clearOutput(); err != nil {
			return nil, err
		}
	}
	saved := r // as a recipe for another run, which goes on with nothing and replaces nothing
	saved.ResumeFromCheckpoint, saved.OverwriteOutputDir = "", false
	if err := durable.WriteFile(s.path("recipe.yaml"), func(w io.Writer) error {
		_, err := w.Write(saved.Resolved())
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

// locate finds the directories of the model and its tokenizer: on disk, from the hub, or where a model with random weights is to be
// made or, if the run goes on, lies. Neither may lie where the run will write.
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
		return s.path(initDir), tokenizerDir, s.checkApart(tokenizerDir)
	}
	if dir, err = hub.Resolve(ctx, r.ModelNameOrPath, s.downloading); err != nil {
		return "", "", err
	}
	if tokenizerDir == "" {
		tokenizerDir = dir
	}
	return dir, tokenizerDir, s.checkApart(dir, tokenizerDir)
}

// makesModel reports whether the run makes the model in dir that it begins with. One that goes on where it was has it already.
func (s *session) makesModel(dir string) bool {
	if s.recipe.InitConfig == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "model.safetensors"))
	return s.resume == "" || err != nil
}

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

// findCheckpoint looks for what the recipe wants to go on from. A run that goes on in the output directory of another one, or that
// begins anew, replaces nothing there.
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
		if path != "" {
			s.resume = path
			return nil
		}
		// An adapter or a model is what a whole run has left: without a checkpoint, to go on would be to learn it again. Without a
		// recipe.yaml, no run has been here.
		names := []string{"adapter", "model"}
		if _, err := os.Stat(s.path("recipe.yaml")); err != nil {
			names = outputs
		}
		if err := s.checkFree(names); err != nil {
			return err
		}
		s.reporter.Note("no checkpoint in %s: starting at step 0", s.path("checkpoints"))
	default:
		if !durable.Contains(s.path("checkpoints"), want) {
			if err := s.checkFree(outputs); err != nil {
				return err
			}
		}
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
	return s.bringBest()
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
