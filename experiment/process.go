package experiment

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"smt/recipe"
)

// A Runner runs the cell in a directory to its end and tells of its steps.
type Runner func(ctx context.Context, dir string, step func(recipe.Step)) error

// InProcess runs cells in this process. Their peak memory is then that of the whole process.
func InProcess(ctx context.Context, dir string, step func(recipe.Step)) error {
	return Execute(ctx, dir, stepsOnly{step})
}

// A CellError says that the process of a cell ended badly.
type CellError struct {
	Code    int    // exit code, or -1 if a signal ended it
	Message string // the end of what it wrote to its standard error
}

func (e *CellError) Error() string { return strings.TrimPrefix(e.Message, "smt: ") }

// The exit codes of a cell's process that this package knows; package cli has the list.
const (
	exitIO          = 74 // no room on the disk
	exitInterrupted = 130
	exitTerminated  = 143
)

// exitSetUp are the exit codes that speak of what all cells share, if the first one ends with it: wrong use, no model, a locked
// directory, bad data, a bad model.
var exitSetUp = []int{2, 10, 11, 65, 66}

// Subprocess returns a Runner that starts a process for each cell: command, with the cell's directory as last argument. The
// process writes one [recipe.Step] as JSON a line to its standard output (see [Serve]).
//
// Its standard input stays open while it may go on. When ctx ends, it is closed, and the process saves its state and ends; if
// this process dies, the system closes it, with the same effect. No signal is needed, on any system.
func Subprocess(command ...string) Runner {
	return func(ctx context.Context, dir string, step func(recipe.Step)) error {
		cmd := exec.Command(command[0], append(command[1:len(command):len(command)], dir)...)
		var messages tail
		cmd.Stderr = &messages
		in, err := cmd.StdinPipe()
		if err != nil {
			return fmt.Errorf("experiment: %w", err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return fmt.Errorf("experiment: %w", err)
		}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("experiment: %w", err)
		}
		stop := context.AfterFunc(ctx, func() { in.Close() })
		defer stop()
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var s recipe.Step
			if json.Unmarshal(lines.Bytes(), &s) == nil && s.Event == "step" {
				step(s)
			}
		}
		err = cmd.Wait()
		var exit *exec.ExitError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &exit):
			return fmt.Errorf("experiment: %w", err)
		case exit.ExitCode() == exitInterrupted || exit.ExitCode() == exitTerminated:
			return recipe.ErrInterrupted
		}
		text := strings.TrimSpace(messages.String())
		if text == "" {
			text = exit.Error()
		}
		return &CellError{exit.ExitCode(), text}
	}
}

// Serve is the other side of [Subprocess]: it executes the cell in dir, writes its steps to out, and stops when in ends. A
// parent that has died reads no steps any more; that must not end this process before it has saved its state.
func Serve(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		io.Copy(io.Discard, in) // until it is closed, by the parent or by the system
		cancel()
	}()
	lines := json.NewEncoder(out)
	return Execute(ctx, dir, stepsOnly{func(s recipe.Step) { lines.Encode(s) }})
}

// Command is the command line of this program that runs cells.
func Command(hidden string) ([]string, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("experiment: the program does not know where it is: %w", err)
	}
	return []string{path, hidden}, nil
}

// stepsOnly is a reporter that tells of steps alone.
type stepsOnly struct{ step func(recipe.Step) }

func (s stepsOnly) Step(e recipe.Step)                 { s.step(e) }
func (stepsOnly) Phase(string, int, int)               {}
func (stepsOnly) Validation(recipe.Validation)         {}
func (stepsOnly) Note(string, ...any)                  {}
func (stepsOnly) Table(string, []string, [][]string)   {}
func (stepsOnly) Download(_ string, done, total int64) {}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

// tailBytes is how much it keeps.
const tailBytes = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailBytes; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.text) }
