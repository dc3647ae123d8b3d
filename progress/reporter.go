// Package progress tells what a run does, while it does it: to people at a terminal, to log files, and to programs.
//
// A run talks to a [Reporter]; [New] chooses which. It also keeps its [Metrics] in a file that can be taken back to an
// earlier step.
package progress

import (
	"io"
	"os"
)

// A Reporter shows the phases of a run, its steps, remarks and tables. Its methods may be called by several goroutines.
type Reporter interface {
	// Phase begins a phase and ends the one before it. total is the step at which it will be complete, or 0 if nobody
	// knows.
	Phase(name string, total int)
	// Step tells that a step of the phase is done. Not every step is shown.
	Step(StepInfo)
	// Note shows a remark of one or more lines.
	Note(text string)
	// Table shows rows of cells under a header.
	Table(title string, header []string, rows [][]string)
	// Close ends the last phase. Nothing may be called after it.
	Close()
}

// StepInfo is what is known after a step.
type StepInfo struct {
	// Step counts from 1 to the phase's total. A phase that goes on where another one ended, or that resumes, may begin
	// above 1.
	Step int
	// Epoch is how many times the dataset has been seen, with a fraction.
	Epoch float64

	// Training tells that the following values are known: the mean loss of the supervised tokens in nats, the global
	// gradient norm before clipping, and the learning rate of the step, which is 0 where nothing is updated.
	Training                     bool
	Loss, GradNorm, LearningRate float64
	// TokensPerSecond is the speed of the step, or 0 if it is not known.
	TokensPerSecond float64
	// PeakMiB is the peak memory so far, or 0 if it is not known.
	PeakMiB float64

	// Validated tells that the validation loss was measured after the step.
	Validated      bool
	ValidationLoss float64
}

// Options choose a [Reporter].
type Options struct {
	Out io.Writer
	// Terminal asks for a progress bar.
	Terminal bool
	// JSON asks for one object a line; Terminal does not matter then.
	JSON bool
	// LogEvery is how many training steps lie between two lines where there is no bar; 0 is 1.
	LogEvery int
}

// New makes the reporter for the options: JSON lines, a bar on a terminal, or plain lines.
func New(o Options) Reporter {
	cadence := newCadence(o.LogEvery)
	switch {
	case o.JSON:
		return &jsonLines{out: o.Out, cadence: cadence}
	case o.Terminal:
		return &terminal{out: o.Out, cadence: cadence}
	}
	return &plain{out: o.Out, cadence: cadence}
}

// IsTerminal reports whether w is a terminal, where a bar can be drawn.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	// The null device is a character device, too.
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
