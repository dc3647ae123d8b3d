package recipe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"smt/durable"
	"smt/report"
)

// metrics is metrics.jsonl: one JSON object a line for every step, validation and the end of the run.
type metrics struct {
	file *os.File
}

// openMetrics opens the file for appending. Lines of steps after keep are dropped first, so that a resumed run leaves the
// lines that an uninterrupted one would.
func openMetrics(path string, keep int) (*metrics, error) {
	if err := truncateMetrics(path, keep); err != nil {
		return nil, fmt.Errorf("recipe: %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	return &metrics{file: f}, nil
}

// truncateMetrics rewrites the file with the lines up to step keep. A torn last line, left by a crash, goes too.
func truncateMetrics(path string, keep int) error {
	old, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(old))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Event string
			Step  int
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Event != "done" && line.Step <= keep && keep > 0 {
			kept.Write(lines.Bytes())
			kept.WriteByte('\n')
		}
	}
	if bytes.Equal(kept.Bytes(), old) {
		return nil
	}
	return durable.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(kept.Bytes())
		return err
	})
}

// write appends one line.
func (m *metrics) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("recipe: metrics: %w", err)
	}
	if _, err := m.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("recipe: metrics: %w", err)
	}
	return nil
}

// sync makes sure that the lines are on disk, before a checkpoint that counts on them.
func (m *metrics) sync() error { return m.file.Sync() }

func (m *metrics) close() error { return m.file.Close() }

// readCurve reads the loss curve back from metrics.jsonl: a resumed run then shows its steps before the interruption too.
func readCurve(path string) ([]report.Series, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	warmup, training := report.Series{Name: "warm-up (gathering gradients)"}, report.Series{Name: "training"}
	validation := report.Series{Name: "validation"}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		var line struct {
			Event, Stage string
			Step, Loss   float64
			Validation   float64 `json:"eval_loss"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("recipe: %s: %w", path, err)
		}
		to, y := &training, line.Loss
		switch {
		case line.Event == "eval":
			to, y = &validation, line.Validation
		case line.Event != "step":
			continue
		case line.Stage == stageWarmup:
			to = &warmup
		}
		to.X, to.Y = append(to.X, line.Step), append(to.Y, y)
	}
	var series []report.Series
	for _, c := range []report.Series{warmup, training, validation} {
		if len(c.X) > 0 {
			series = append(series, c)
		}
	}
	return series, nil
}
