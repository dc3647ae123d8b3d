package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

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
