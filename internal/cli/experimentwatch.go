package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"smt/experiment"
	"smt/progress"
	"smt/recipe"
)

// experimentWatch shows an experiment: a bar of cells on a terminal, a line for each that is finished, and between them, in a
// log file, a sign of life now and then.
type experimentWatch struct {
	*watch
	out      io.Writer
	json     bool
	terminal bool
	shown    time.Time
}

// signOfLife is how long a log stays silent at most while a cell runs.
const signOfLife = 20 * time.Second

// Phase begins so many cells.
func (w *experimentWatch) Phase(name string, cells int) {
	w.shown = time.Now()
	w.watch.Reporter.Phase(name, cells)
}

// Step shows how far the running cell is.
func (w *experimentWatch) Step(done int, cell string, s recipe.Step) {
	switch {
	case w.json:
		if w.due() {
			json.NewEncoder(w.out).Encode(struct {
				Event string `json:"event"`
				Cell  string `json:"name"`
				recipe.Step
			}{"cell_step", cell, s})
		}
	case w.terminal:
		w.watch.Reporter.Step(progress.StepInfo{Step: done, Training: true, Loss: s.Loss, LearningRate: s.LearningRate, GradNorm: s.GradNorm,
			TokensPerSecond: s.TokensPerSec, PeakMiB: s.PeakRSS})
	case w.due():
		w.Note("  %s: %s %d/%d, loss %.4f, %.0f tokens/s, peak %.0f MiB", cell, s.Stage, s.StageStep, s.StageSteps, s.Loss, s.TokensPerSec, s.PeakRSS)
	}
}

// due reports whether it is time for a sign of life.
func (w *experimentWatch) due() bool {
	if time.Since(w.shown) < signOfLife {
		return false
	}
	w.shown = time.Now()
	return true
}

// Cell shows a finished cell.
func (w *experimentWatch) Cell(done, cells int, r experiment.Result, left time.Duration) {
	kind, loss := "test", r.Test.Loss()
	if r.Measures.Test == "" { // a learning rate is being chosen
		kind, loss = "validation", r.Validation.Loss()
	}
	if w.json {
		json.NewEncoder(w.out).Encode(struct {
			Event     string              `json:"event"`
			Done      int                 `json:"done"`
			Cells     int                 `json:"cells"`
			Name      string              `json:"name"`
			Status    string              `json:"status"`
			Trainable int                 `json:"params_trainable"`
			Val       experiment.Estimate `json:"validation_loss"`
			Test      experiment.Estimate `json:"test_loss"`
			Seconds   float64             `json:"train_seconds"`
			PeakRSS   float64             `json:"peak_rss_mib"`
			Left      float64             `json:"seconds_left"`
		}{"cell", done, cells, r.Name, r.Status, r.Trainable, r.Validation.Loss(), r.Test.Loss(), r.TrainSeconds, r.PeakRSS, left.Seconds()})
		return
	}
	text := fmt.Sprintf("[%d/%d] %s: ", done, cells, r.Name)
	switch {
	case r.Status == experiment.Done:
		var facts []string
		if loss.N > 0 {
			facts = append(facts, fmt.Sprintf("%s loss %.4f ± %.4f", kind, loss.Mean, loss.StandardError))
		}
		if r.Method != experiment.Base {
			facts = append(facts, fmt.Sprintf("%.1f s, %.0f MiB", r.TrainSeconds, r.PeakRSS))
		}
		text += strings.Join(facts, ", ")
	default:
		text += r.Status + ": " + r.Error
	}
	if left > 0 {
		text += fmt.Sprintf("; %s left", left.Round(time.Second))
	}
	w.Note("%s", text)
	w.shown = time.Now()
	if w.terminal {
		w.watch.Reporter.Step(progress.StepInfo{Step: done})
	}
}

// dryRun shows the cells and an estimate of the time.
func (w *experimentWatch) dryRun(l *experiment.Lab) error {
	estimate, err := l.Estimate()
	if err != nil {
		return err
	}
	var rows [][]string
	open := 0
	for i, r := range l.Results {
		seconds := "finished"
		if r.Planned() {
			open, seconds = open+1, fmt.Sprintf("%.0f s", estimate.Seconds[i])
		}
		rows = append(rows, []string{r.Name, r.Method, seconds, fmt.Sprintf("%.0f MiB", estimate.MiB[i])})
	}
	w.Table("cells", []string{"cell", "method", "time", "memory by smt plan"}, rows)
	tasks := ""
	if len(l.Tasks) > 0 {
		tasks = " What the tasks take comes on top: it depends on how much the models write."
	}
	w.Note("%d cells to run, about %s at %.1f GFLOP/s (measured now, with a step of %s). Rates are chosen as results come in: the second round's are only guessed here, grids may grow, and cells that only the results tell of, such as single blocks, are not counted."+tasks,
		open, time.Duration(estimate.Total*float64(time.Second)).Round(time.Second), estimate.GFLOPS, estimate.Measured)
	return nil
}
