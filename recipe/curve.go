package recipe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"smt/report"
)

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
