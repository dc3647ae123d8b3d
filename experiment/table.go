package experiment

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"smt/durable"
	"smt/evaluate"
	"smt/internal/finite"
	"smt/report"
)

// A File is results.json: everything that an experiment knows.
type File struct {
	Experiment string         `json:"experiment"`
	Question   string         `json:"question"`
	Command    string         `json:"command"`
	Finished   bool           `json:"finished"`
	Split      Split          `json:"rows"`
	Answers    []string       `json:"answers,omitempty"`
	Tables     []report.Table `json:"tables,omitempty"`
	Signatures []Signature    `json:"signatures"`
	Skipped    []string       `json:"left_out,omitempty"`
	Cells      []Result       `json:"cells"`
}

// ReadFile reads results.json.
func ReadFile(path string) (File, error) {
	var f File
	err := readJSON(path, &f)
	return f, err
}

// WriteResults writes results.csv and results.json as far as the experiment has come.
func (l *Lab) WriteResults() error { return l.writeResults(Study{}, nil) }

func (l *Lab) writeResults(s Study, o *Outcome) error {
	f := File{Experiment: l.Name, Question: s.Question, Command: l.Command, Split: l.Split, Signatures: l.Signatures(), Skipped: l.Skipped}
	if f.Signatures == nil {
		f.Signatures = []Signature{}
	}
	for _, r := range l.Results {
		if r.Status != "" {
			f.Cells = append(f.Cells, r)
		}
	}
	if o != nil {
		f.Finished, f.Answers = true, o.Answers
		for _, section := range o.Sections {
			f.Tables = append(f.Tables, section.Tables...)
		}
	}
	if err := writeJSON(filepath.Join(l.Dir, "results.json"), f); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(l.Dir, "results.csv"), func(w io.Writer) error { return WriteCSV(w, f.Cells) }); err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	return nil
}

// column is a column of results.csv.
type column struct {
	name string
	cell func(*Result) string
}

// WriteCSV writes one row for each cell. Labels and tasks have columns of their own, in the order in which they come up; what
// is not known is empty.
func WriteCSV(w io.Writer, cells []Result) error {
	var out bytes.Buffer
	table := csv.NewWriter(&out)
	columns := columnsOf(cells)
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = c.name
	}
	table.Write(line)
	for i := range cells {
		for j, c := range columns {
			line[j] = c.cell(&cells[i])
		}
		table.Write(line)
	}
	table.Flush()
	if err := table.Error(); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

// columnsOf lists the columns for some cells.
func columnsOf(cells []Result) []column {
	// A score may well be 0; of other numbers 0 says that there is none.
	score := func(of func(*Result) float64) func(*Result) string {
		return func(r *Result) string {
			if x := of(r); finite.Is(x) {
				return strconv.FormatFloat(x, 'g', -1, 64)
			}
			return ""
		}
	}
	number := func(of func(*Result) float64) func(*Result) string {
		return func(r *Result) string {
			if of(r) == 0 {
				return ""
			}
			return score(of)(r)
		}
	}
	text := func(of func(*Result) string) func(*Result) string { return of }
	columns := []column{{"name", text(func(r *Result) string { return r.Name })}, {"method", text(func(r *Result) string { return r.Method })}}
	var labels []string
	var tasks []evaluate.Result // the first of each
	for _, c := range cells {
		for _, l := range c.Labels {
			if !slices.Contains(labels, l.Name) {
				labels = append(labels, l.Name)
			}
		}
		for _, t := range c.Tasks {
			if !slices.ContainsFunc(tasks, func(seen evaluate.Result) bool { return seen.Task == t.Task }) {
				tasks = append(tasks, t)
			}
		}
	}
	for _, name := range labels {
		columns = append(columns, column{name, text(func(r *Result) string { return r.Label(name) })})
	}
	columns = append(columns,
		column{"learning_rate", number(func(r *Result) float64 { return r.Recipe.LearningRate })},
		column{"seed", text(func(r *Result) string { return fmt.Sprint(r.Recipe.Seed) })},
		column{"status", text(func(r *Result) string { return r.Status })},
		column{"params_trainable", number(func(r *Result) float64 { return float64(r.Trainable) })},
		column{"params_total", number(func(r *Result) float64 { return float64(r.Params) })},
		column{"blocks", number(func(r *Result) float64 { return float64(r.Selected) })},
		column{"block_size", number(func(r *Result) float64 { return float64(r.BlockSize) })},
		column{"share_v", number(func(r *Result) float64 { return r.ShareV })},
		column{"validation_loss", number(func(r *Result) float64 { return r.Validation.Loss().Mean })},
		column{"validation_standard_error", number(func(r *Result) float64 { return r.Validation.Loss().StandardError })},
		column{"test_loss", number(func(r *Result) float64 { return r.Test.Loss().Mean })},
		column{"test_standard_error", number(func(r *Result) float64 { return r.Test.Loss().StandardError })},
		column{"test_rows", number(func(r *Result) float64 { return float64(len(r.Test.Sums)) })},
	)
	for _, t := range tasks {
		name, measure := t.Task, "accuracy_percent_"
		if t.Translation != nil {
			measure = "chrf_"
		}
		columns = append(columns, column{measure + name, score(func(r *Result) float64 { return r.Score(name).Mean })},
			column{measure + "standard_error_" + name, score(func(r *Result) float64 { return r.Score(name).StandardError })})
	}
	return append(columns,
		column{"steps", number(func(r *Result) float64 { return float64(r.Steps) })},
		column{"warmup_steps", number(func(r *Result) float64 { return float64(r.WarmupSteps) })},
		column{"warmup_seconds", number(func(r *Result) float64 { return r.WarmupSeconds })},
		column{"train_seconds", number(func(r *Result) float64 { return r.TrainSeconds })},
		column{"step_seconds", number(func(r *Result) float64 { return r.StepSeconds })},
		column{"tokens_per_second", number(func(r *Result) float64 { return r.TokensPerSec })},
		column{"start_rss_mib", number(func(r *Result) float64 { return r.StartRSS })},
		column{"peak_rss_mib", number(func(r *Result) float64 { return r.PeakRSS })},
		column{"plan_mib", number(func(r *Result) float64 { return r.PlanMiB })},
		column{"signatures", text(func(r *Result) string {
			var kinds []string
			for _, s := range r.Signatures {
				kinds = append(kinds, s.Kind)
			}
			return strings.Join(kinds, "; ")
		})},
		column{"cpu", text(func(r *Result) string { return r.Machine.CPU })},
		column{"threads", number(func(r *Result) float64 { return float64(r.Machine.Threads) })},
		column{"device", text(func(r *Result) string { return r.Machine.Device })},
		column{"revision", text(func(r *Result) string { return r.Machine.Revision })},
		column{"dir", text(func(r *Result) string { return r.Dir })},
	)
}
