package experiment

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"smt/durable"
	"smt/evaluate"
	"smt/progress"
)

// The states of a cell that has been run.
const (
	Done     = "done"
	Diverged = "diverged" // a loss or gradient was no finite number: a result like any other
	Failed   = "failed"   // a crash or an error: run again by the next start
	planned  = "planned"  // in a dry run
)

// A Result is everything that is known of a cell.
type Result struct {
	Cell
	ID     string `json:"id"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"`

	Params    int     `json:"params_total"`
	Trainable int     `json:"params_trainable"`
	Selected  int     `json:"blocks_selected,omitempty"` // blocks
	BlockSize int     `json:"block_size,omitempty"`
	ShareV    float64 `json:"share_v,omitempty"`
	ChanceV   float64 `json:"share_v_by_chance,omitempty"` // V's share of the target matrices

	Validation RowLosses         `json:"validation"`
	Test       RowLosses         `json:"test"`
	Tasks      []evaluate.Result `json:"tasks,omitempty"`

	Steps          int     `json:"steps"` // that train, without the warm-up
	WarmupSteps    int     `json:"warmup_steps,omitempty"`
	WarmupSeconds  float64 `json:"warmup_seconds,omitempty"`
	TrainSeconds   float64 `json:"train_seconds"` // all steps, warm-up included
	StepSeconds    float64 `json:"step_seconds"`  // median of the steps that train
	WarmupStep     float64 `json:"warmup_step_seconds,omitempty"`
	TokensPerSec   float64 `json:"tokens_per_second"`                     // median of the steps that train
	FastestStep    float64 `json:"fastest_step_seconds"`                  // the least time per token of a step that trains, times the median of its tokens
	FastestWarmup  float64 `json:"fastest_warmup_step_seconds,omitempty"` // the same of the warm-up
	StepTokens     float64 `json:"step_tokens"`                           // median
	MeasureSeconds float64 `json:"measure_seconds"`
	StartRSS       float64 `json:"start_rss_mib"` // of the process, before anything is loaded
	PeakRSS        float64 `json:"peak_rss_mib"`  // at the last step, before anything is written
	PlanMiB        float64 `json:"plan_mib"`      // what smt plan says

	Losses     []float64   `json:"losses,omitempty"` // training loss, step by step
	Norms      []float64   `json:"gradient_norms,omitempty"`
	Signatures []Signature `json:"signatures,omitempty"`
	Notes      []string    `json:"notes,omitempty"`
	Machine    Machine     `json:"machine"`

	// Dir is the cell's directory.
	Dir string `json:"dir"`
}

// RowLosses are the summed losses of rows in nats, and their supervised tokens.
type RowLosses struct {
	Sums   []float64 `json:"sums,omitempty"`
	Tokens []int     `json:"tokens,omitempty"`
}

// Loss is the mean per supervised token.
func (r RowLosses) Loss() Estimate { return LossOf(r.Sums, r.Tokens) }

// Score is what the field reports of a task, from 0 to 100: chrF of a translation, of others the accuracy in percent. It is NaN if
// the task has not been measured.
func (r Result) Score(task string) Estimate {
	for _, t := range r.Tasks {
		switch {
		case t.Task != task:
		case t.Translation != nil:
			return Estimate{t.Translation.ChrF, t.Translation.ChrFStandardError, t.Total}
		default:
			return Estimate{100 * t.Accuracy, 100 * t.StandardError, t.Total}
		}
	}
	return NewEstimate(nil)
}

// Planned reports whether a dry run would have to run the cell.
func (r Result) Planned() bool { return r.Status == planned }

// Usable reports whether the cell has losses.
func (r Result) Usable() bool { return r.Status == Done }

// kept reports whether the cell can be measured without training: its adapter or model is still there, or it needs none.
func (r Result) kept() bool {
	for _, name := range []string{adapterDir, modelDir} {
		if _, err := os.Stat(filepath.Join(r.Dir, runDir, name)); err == nil {
			return true
		}
	}
	return r.Method == Base
}

// Overhead is what training took beyond the process before it, in MiB.
func (r Result) Overhead() float64 { return r.PeakRSS - r.StartRSS }

// estimateJSON is an [Estimate] as JSON, in which NaN is null.
type estimateJSON struct {
	Mean          *float64 `json:"mean"`
	StandardError *float64 `json:"standard_error"`
	N             int      `json:"n"`
}

// MarshalJSON writes NaN as null.
func (e Estimate) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Mean          progress.Number `json:"mean"`
		StandardError progress.Number `json:"standard_error"`
		N             int             `json:"n"`
	}{progress.Number(e.Mean), progress.Number(e.StandardError), e.N})
}

// UnmarshalJSON reads null as NaN.
func (e *Estimate) UnmarshalJSON(text []byte) error {
	var j estimateJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*e = Estimate{math.NaN(), math.NaN(), j.N}
	if j.Mean != nil {
		e.Mean = *j.Mean
	}
	if j.StandardError != nil {
		e.StandardError = *j.StandardError
	}
	return nil
}

// writeJSON writes a value to a file, all of it or nothing.
func writeJSON(path string, v any) error {
	if err := durable.WriteFile(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(v)
	}); err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	return nil
}

// readJSON reads a value from a file.
func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("experiment: %s: %w", path, err)
	}
	return nil
}
