package cli

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"smt/config"
	"smt/durable"
)

// The exit codes of the program. Those from 64 on follow sysexits.h and the shell's 128 + signal.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitSkippedRows = 3
	ExitNoModel     = 10
	ExitLocked      = 11
	ExitOutOfMemory = 12
	ExitBadData     = 65
	ExitBadModel    = 66
	ExitIO          = 74
	ExitGuard       = 75
	ExitInterrupted = 130
	ExitTerminated  = 143
)

// exitMeanings says in the help of a command what a code stands for, in ascending order.
var exitMeanings = []struct {
	code    int
	meaning string
}{
	{ExitOK, "success"},
	{ExitFailure, "an internal error, or a check that failed"},
	{ExitUsage, "a wrong flag, key or argument"},
	{ExitSkippedRows, "finished, but some rows of the data were skipped"},
	{ExitNoModel, "the model was not found"},
	{ExitLocked, "another process is using the output directory or the file of records"},
	{ExitOutOfMemory, "not enough memory"},
	{ExitBadData, "bad data: the message names the file and row"},
	{ExitBadModel, "a bad model, tokenizer or adapter file: the message names it"},
	{ExitIO, "a file could not be read or written, or the disk is full"},
	{ExitGuard, "stopped because the loss or a gradient was no finite number"},
	{ExitInterrupted, "interrupted (Ctrl-C); a checkpoint was saved if training had begun"},
	{ExitTerminated, "terminated; a checkpoint was saved if training had begun"},
}

// An ExitError is an error that knows the exit code of the program.
type ExitError struct {
	Code int
	Err  error
}

// Error is the message of the error inside.
func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap gives the error inside to errors.Is and errors.As.
func (e *ExitError) Unwrap() error { return e.Err }

// WithCode gives err an exit code, unless it has one of its own already: an [ExitError], a cancelled context, a locked
// directory or a full disk mean the same wherever they come up. A nil error stays nil.
func WithCode(code int, err error) error {
	if err == nil || ownCode(err) != 0 {
		return err
	}
	return &ExitError{code, err}
}

// Code is the exit code for the error of a command.
func Code(err error) int {
	if err == nil {
		return ExitOK
	}
	if code := ownCode(err); code != 0 {
		return code
	}
	var (
		path    *fs.PathError
		system  syscall.Errno
		problem *config.Error
	)
	switch {
	case errors.As(err, &problem):
		return ExitUsage
	case errors.As(err, &path), errors.As(err, &system), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return ExitIO
	}
	return ExitFailure
}

// ownCode is the code of an error that means the same in every command, or 0.
func ownCode(err error) int {
	var exit *ExitError
	switch {
	case errors.As(err, &exit):
		return exit.Code
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.Is(err, durable.ErrLocked):
		return ExitLocked
	case errors.Is(err, syscall.ENOMEM):
		return ExitOutOfMemory
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EROFS):
		return ExitIO
	}
	return 0
}
