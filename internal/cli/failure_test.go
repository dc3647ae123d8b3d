package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"smt/durable"
	"smt/generate"
	"smt/recipe"
)

// TestExitCode: an error of a package has the code of what it is about, and of a cause that means the same everywhere.
func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, ExitOK},
		{errors.New("recipe: checkpoint-000002 was made with another recipe"), ExitUsage},
		{errors.New("recipe: the dataset holds no row to train on"), ExitBadData},
		{fmt.Errorf("recipe: output_dir: %w", &fs.PathError{Op: "mkdir", Path: "out", Err: syscall.EACCES}), ExitIO},
		{fmt.Errorf("recipe: %w", syscall.ENOSPC), ExitIO},
		{fmt.Errorf("recipe: %w", durable.ErrLocked), ExitLocked},
		{&recipe.GuardError{Step: 3, What: "the loss is NaN"}, ExitGuard},
		{recipe.ErrInterrupted, ExitInterrupted},
		{fmt.Errorf("benchmark: config %q: %w", "none", fs.ErrNotExist), ExitUsage},
		{fmt.Errorf("durable: out: is not empty: %w", fs.ErrExist), ExitUsage},
		{fmt.Errorf("export: out: holds the base: %w", fs.ErrExist), ExitUsage},
		{errors.New("export: adapter_config.json: is not JSON"), ExitBadModel},
		{fmt.Errorf("export: %w", fs.ErrNotExist), ExitNoModel},
		{&generate.VocabularyError{ID: 50000, Vocabulary: 256}, ExitBadModel},
		{errors.New("unheard of"), ExitFailure},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: got %d, expected %d", c.err, got, c.want)
		}
	}
}
