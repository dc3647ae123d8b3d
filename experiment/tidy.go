package experiment

import (
	"fmt"
	"os"
	"path/filepath"
)

// tidy removes what a finished cell no longer needs: checkpoints and models as large as the base, once the test rows are measured or,
// while learning rates are chosen, if another rate does better.
func (l *Lab) tidy(r *Result) error {
	for _, name := range []string{"checkpoints", "best"} {
		if err := os.RemoveAll(filepath.Join(r.Dir, runDir, name)); err != nil {
			return fmt.Errorf("experiment: %w", err)
		}
	}
	if r.Measures.Test == "" {
		return l.keepBest(*r)
	}
	return l.dropModel(r)
}

// keepBest drops the models of the runs that differ from r in the learning rate alone, but for that of the lowest validation loss,
// which may be chosen.
func (l *Lab) keepBest(r Result) error {
	same := func(other Result) string {
		other.Recipe.LearningRate = 0
		return other.Cell.ID()
	}
	var rivals []Result
	for _, other := range l.Results {
		if (other.Status == Done || other.Status == Diverged) && same(other) == same(r) {
			rivals = append(rivals, other)
		}
	}
	best := Best(rivals)
	for i := range rivals {
		if best == nil || rivals[i].ID != best.ID {
			if err := l.dropModel(&rivals[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropModel removes the cell's model if it is as large as the base, unless models are kept.
func (l *Lab) dropModel(r *Result) error {
	if l.KeepModels {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(r.Dir, runDir, modelDir)); err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	return nil
}
