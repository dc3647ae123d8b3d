package evaluate

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// ErrCodeExecution is the error of tasks that run what a model writes, where nobody has allowed it.
var ErrCodeExecution = errors.New("evaluate: this task runs programs that the model writes; nothing may be run without " +
	"--allow_code_execution (an Evaluator needs a Sandbox)")

// A Sandbox runs Python programs in processes of their own: with an empty environment, in an empty temporary directory, with
// limits of time, memory and file size, and killed together with all processes that they started. Where the system allows it
// (Linux with user namespaces, see Isolation) they have no network, see no other process in /proc and can signal none, and
// can write nowhere but in that directory.
//
// This keeps accidents from doing harm. It is no defence against a program that was written to break out.
type Sandbox struct {
	// Seconds of processor time, and three times as many on the clock, that a program may take.
	Seconds int
	// MemoryMiB is the address space that it may take.
	MemoryMiB int

	python  string   // the interpreter itself
	wrapper []string // what runs it in namespaces of its own; none where that is not possible
}

// The limits of [NewSandbox]: those of a task that needs no more than a second.
const (
	sandboxSeconds   = 10
	sandboxMemoryMiB = 1024
)

// runner.py reads a program and its tests, takes away what a program does not need, and runs them.
//
//go:embed runner.py
var runner string

// NewSandbox looks for python3 and finds out what the system can isolate.
func NewSandbox(ctx context.Context) (*Sandbox, error) {
	s := &Sandbox{Seconds: sandboxSeconds, MemoryMiB: sandboxMemoryMiB}
	found, err := exec.LookPath("python3")
	if err != nil {
		return nil, fmt.Errorf("evaluate: programs are run by python3, which is not installed or not in PATH: %w", err)
	}
	// What is in PATH may be a script of a version manager, which an empty environment would break.
	out, err := exec.CommandContext(ctx, found, "-I", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return nil, fmt.Errorf("evaluate: %s does not run: %w", found, err)
	}
	s.python = strings.TrimSpace(string(out))
	if unshare, err := exec.LookPath("unshare"); err == nil {
		for _, flags := range namespaces {
			s.wrapper = append([]string{unshare}, flags...)
			if problem, err := s.Run(ctx, "", "", []string{"pass"}); err == nil && problem == "" {
				return s, nil
			}
		}
		s.wrapper = nil
	}
	if problem, err := s.Run(ctx, "", "", []string{"pass"}); err != nil || problem != "" {
		return nil, fmt.Errorf("evaluate: %s cannot run an empty program: %w", s.python, errors.Join(err, errors.New(problem)))
	}
	return s, nil
}

// Isolation says what a program is kept from.
func (s *Sandbox) Isolation() string {
	limits := fmt.Sprintf("%d s of processor time, %d MiB", s.Seconds, s.MemoryMiB)
	switch {
	case len(s.wrapper) == 0:
		return limits + ", a process group; no namespaces here, so network and files are within reach"
	case !slices.Contains(s.wrapper, "--mount"):
		return limits + ", no network, no signals to other processes; files are within reach"
	}
	return limits + ", no network, no other processes, read-only files"
}

// A verdict is what runner.py reports on a pipe of its own.
type verdict struct {
	Token   string `json:"token"`
	Problem string `json:"problem"`
}

// maxVerdict bounds what is read of a report.
const maxVerdict = 4096

// Run runs a program, then setup, then the tests, in one namespace, and returns "" if all of it ran to its end, and else what
// went wrong. A program that ends early, with whatever exit code, has not passed. The error is for what is no fault of the
// program.
func (s *Sandbox) Run(ctx context.Context, program, setup string, tests []string) (problem string, err error) {
	dir, err := os.MkdirTemp("", "smt-eval-")
	if err != nil {
		return "", fmt.Errorf("evaluate: sandbox: %w", err)
	}
	defer os.RemoveAll(dir)
	report, write, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("evaluate: sandbox: %w", err)
	}
	defer report.Close()
	defer write.Close()

	// Who ends the run early cannot know the token, which is reported behind the last test.
	secret := make([]byte, 16)
	rand.Read(secret)
	token := hex.EncodeToString(secret)
	job, err := json.Marshal(map[string]any{"token": token, "program": program, "setup": setup, "tests": tests, "directory": dir,
		"seconds": s.Seconds, "bytes": s.MemoryMiB << 20, "mount": slices.Contains(s.wrapper, "--mount")})
	if err != nil {
		return "", fmt.Errorf("evaluate: sandbox: %w", err)
	}

	limit := 3 * time.Duration(s.Seconds) * time.Second
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	line := append(append([]string{}, s.wrapper...), s.python, "-I", "-S", "-B", "-c", runner)
	cmd := exec.CommandContext(timed, line[0], line[1:]...)
	cmd.Env, cmd.Dir = []string{}, dir
	cmd.Stdin, cmd.ExtraFiles = bytes.NewReader(job), []*os.File{write}
	cmd.WaitDelay = time.Second
	kill := ownGroup(cmd)
	cmd.Cancel = kill
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("evaluate: sandbox: %w", err)
	}
	write.Close()
	ended := cmd.Wait()
	kill() // what the program has left behind

	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("evaluate: sandbox: %w", err)
	}
	if timed.Err() != nil {
		return fmt.Sprintf("stopped after %v", limit), nil
	}
	// A process that left the group could keep the pipe open for ever.
	report.SetReadDeadline(time.Now().Add(time.Second))
	said, _ := io.ReadAll(io.LimitReader(report, maxVerdict))
	var v verdict
	switch err := json.Unmarshal(said, &v); {
	case err == nil && v.Problem != "":
		return v.Problem, nil
	case err == nil && v.Token == token && ended == nil:
		return "", nil
	case ended != nil:
		return fmt.Sprintf("ended before its tests were done: %v", ended), nil
	}
	return "ended before its tests were done", nil
}

// program takes the code out of what a model wrote: the first fenced block if there is one, else all of it.
func program(text string) string {
	const fence = "```"
	_, block, ok := strings.Cut(text, fence)
	if !ok {
		return strings.Trim(text, "\r\n")
	}
	// The rest of the fence's line is the name of the language.
	if _, code, ok := strings.Cut(block, "\n"); ok {
		block = code
	}
	block, _, _ = strings.Cut(block, fence)
	return strings.Trim(block, "\r\n")
}
