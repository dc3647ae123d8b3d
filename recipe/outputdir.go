package recipe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"smt/config"
	"smt/durable"
	"smt/sparse"
)

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
// earlier run has left.
func (s *session) checkApart(dirs ...string) error {
	for _, dir := range dirs {
		for _, name := range outputs {
			if durable.Contains(s.path(name), dir) {
				return fmt.Errorf("recipe: output_dir: %s holds %s, which the run reads; give another output_dir", s.path(name), dir)
			}
		}
	}
	return nil
}

// checkRoom sees to it that a run that ends with a whole model has the disk for it, before it begins.
func (s *session) checkRoom() error {
	r := s.recipe
	moves := r.FinetuningType == config.SMT && r.WarmupUpdate == string(sparse.UpdateKeep) && !sparse.Score(r.BlockScore).DataFree()
	if r.FinetuningType != config.Full && !moves && !r.Merge {
		return nil
	}
	need := s.base.Files.Size()
	for _, name := range s.stale() { // makes room
		filepath.WalkDir(s.path(name), func(_ string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				if info, err := e.Info(); err == nil {
					need -= info.Size()
				}
			}
			return nil
		})
	}
	return durable.Require(s.path("model"), need)
}

// stale lists what the run will remove: what an earlier one has left where this one starts from step 0, which it does only where there
// is nothing, or where it may. Checkpoints that are too damaged to go on with are kept.
func (s *session) stale() []string {
	if s.resume != "" {
		return nil
	}
	var names []string
	for _, name := range outputs {
		if name == "checkpoints" && s.recipe.ResumeFromCheckpoint != "" || name == initDir && s.random {
			continue
		}
		names = append(names, name)
	}
	return names
}

// clearOutput removes what is stale in the output directory, once the run is known to have all that it needs.
func (s *session) clearOutput() error {
	for _, name := range s.stale() {
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
