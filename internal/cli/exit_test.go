package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"smt/config"
	"smt/durable"
)

func TestCode(t *testing.T) {
	_, missing := os.Open(t.TempDir() + "/none")
	wrap := func(err error) error { return fmt.Errorf("outer: %w", err) }
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, ExitOK},
		{errors.New("x"), ExitFailure},
		{wrap(&config.Error{}), ExitUsage},
		{wrap(missing), ExitIO},
		{wrap(&fs.PathError{Op: "write", Err: syscall.ENOSPC}), ExitIO},
		{wrap(syscall.EIO), ExitIO},
		{wrap(syscall.ENOMEM), ExitOutOfMemory},
		{wrap(durable.ErrLocked), ExitLocked},
		{wrap(context.Canceled), ExitInterrupted},
		{wrap(&ExitError{ExitGuard, missing}), ExitGuard},
		{WithCode(ExitNoModel, missing), ExitNoModel},
		{WithCode(ExitBadData, errors.New("row")), ExitBadData},
		{WithCode(ExitBadData, wrap(&ExitError{ExitSkippedRows, missing})), ExitSkippedRows},
		{WithCode(ExitBadData, wrap(syscall.ENOSPC)), ExitIO},
		{WithCode(ExitNoModel, context.Canceled), ExitInterrupted},
	} {
		if got := Code(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
	if WithCode(ExitBadData, nil) != nil {
		t.Error("WithCode makes an error of none")
	}
	inner := &ExitError{ExitNoModel, missing}
	if inner.Error() != missing.Error() || !errors.Is(inner, fs.ErrNotExist) {
		t.Error("an ExitError hides what is inside")
	}
}

func TestDescribe(t *testing.T) {
	cmd := &cobra.Command{Use: "x", Long: "Does x.\n"}
	Describe(cmd, []Example{{"one", "smt x"}, {"two", "smt x \\\n  --y"}}, ExitBadData)
	want := `Does x.

EXAMPLES
  # one
  smt x

  # two
  smt x \
    --y

EXIT STATUS
    0  success
    1  an internal error, or a check that failed
    2  a wrong flag, key or argument
   65  bad data: the message names the file and row`
	if cmd.Long != want {
		t.Errorf("got\n%s\nwant\n%s", cmd.Long, want)
	}
	bare := &cobra.Command{Use: "y"}
	Describe(bare, nil)
	if !strings.HasPrefix(bare.Long, "EXIT STATUS\n    0  success\n") {
		t.Errorf("got %q", bare.Long)
	}
}
