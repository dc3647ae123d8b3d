package cli

import (
	"fmt"
	"io"

	"smt/progress"
	"smt/recipe"
)

// watch shows a run through package progress.
type watch struct {
	progress.Reporter
	last progress.StepInfo
}

// newWatch chooses a bar, lines or JSON.
func newWatch(out io.Writer, format string, every int) *watch {
	return &watch{Reporter: progress.New(progress.Options{Out: out, Terminal: progress.IsTerminal(out), JSON: format == "json", LogEvery: every})}
}

// Phase begins a stage.
func (w *watch) Phase(name string, steps, _ int) { w.Reporter.Phase(name, steps) }

// Step shows a finished step.
func (w *watch) Step(s recipe.Step) {
	w.last = progress.StepInfo{Step: s.StageStep, Epoch: s.Epoch, Training: true, Loss: s.Loss, GradNorm: s.GradNorm,
		LearningRate: s.LearningRate, TokensPerSecond: s.TokensPerSec, PeakMiB: s.PeakRSS}
	w.Reporter.Step(w.last)
}

// Rows shows how many rows of a phase are finished.
func (w *watch) Rows(done int) { w.Reporter.Step(progress.StepInfo{Step: done}) }

// Validation shows a validation loss with the step before it.
func (w *watch) Validation(v recipe.Validation) {
	w.Note("validation after step %d: loss %.4f%s", v.Step, v.Loss, map[bool]string{true: " (the lowest so far)"}[v.Best])
}

// Note shows a remark.
func (w *watch) Note(format string, args ...any) { w.Reporter.Note(fmt.Sprintf(format, args...)) }

// Download tells of a file once all of it has come and has been found to be right.
func (w *watch) Download(file string, done, total int64) {
	if done == total {
		w.Note("downloaded %s (%.1f MiB)", file, float64(total)/(1<<20))
	}
}
