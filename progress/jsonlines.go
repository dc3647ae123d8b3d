package progress

import (
	"encoding/json"
	"io"
	"math"
	"sync"
)

// jsonLines writes one JSON object a line, for programs. Each has an "event": phase, step, note or table.
type jsonLines struct {
	mu  sync.Mutex
	out io.Writer
	cadence
	phase string
}

// A Number is a float64 that JSON can hold: what is not finite becomes null.
type Number float64

// MarshalJSON writes the shortest text that reads back as the number.
func (n Number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// A stepRecord is a [StepInfo] as JSON. What is not known is left out.
type stepRecord struct {
	Event           string  `json:"event"`
	Phase           string  `json:"phase"`
	Step            int     `json:"step"`
	Total           int     `json:"total,omitempty"`
	Epoch           Number  `json:"epoch,omitempty"`
	Loss            *Number `json:"loss,omitempty"`
	ValidationLoss  *Number `json:"eval_loss,omitempty"`
	GradNorm        *Number `json:"grad_norm,omitempty"`
	LearningRate    *Number `json:"learning_rate,omitempty"`
	TokensPerSecond Number  `json:"tokens_per_second,omitempty"`
	PeakMiB         Number  `json:"peak_rss_mib,omitempty"`
	SecondsLeft     Number  `json:"seconds_left,omitempty"`
}

// record gives the step the form that is written.
func (s StepInfo) record(phase string) stepRecord {
	record := stepRecord{
		Event: "step", Phase: phase, Step: s.Step, Epoch: Number(s.Epoch),
		TokensPerSecond: Number(s.TokensPerSecond), PeakMiB: Number(s.PeakMiB),
	}
	number := func(x float64) *Number { n := Number(x); return &n }
	if s.Training {
		record.Loss, record.GradNorm, record.LearningRate = number(s.Loss), number(s.GradNorm), number(s.LearningRate)
	}
	if s.Validated {
		record.ValidationLoss = number(s.ValidationLoss)
	}
	return record
}

// write writes an object. What this package writes can always be encoded, and an output that is gone ends no run.
func (j *jsonLines) write(object any) {
	line, err := json.Marshal(object)
	if err != nil {
		return
	}
	j.out.Write(append(line, '\n'))
}

// Phase writes {"event": "phase", "phase": name, "total": total}.
func (j *jsonLines) Phase(name string, total int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.phase = name
	j.begin(total)
	j.write(struct {
		Event string `json:"event"`
		Phase string `json:"phase"`
		Total int    `json:"total,omitempty"`
	}{"phase", name, total})
}

// Step writes a [stepRecord] if one is due.
func (j *jsonLines) Step(s StepInfo) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.step(s.Step)
	if !j.due(s) {
		return
	}
	record := s.record(j.phase)
	record.Total = j.total
	if left, ok := j.left(s.Step); ok {
		record.SecondsLeft = Number(math.Round(left.Seconds()))
	}
	j.write(record)
}

// Note writes {"event": "note", "text": text}.
func (j *jsonLines) Note(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.write(struct {
		Event string `json:"event"`
		Text  string `json:"text"`
	}{"note", text})
}

// Table writes {"event": "table", "title": title, "header": [...], "rows": [[...], ...]}.
func (j *jsonLines) Table(title string, header []string, rows [][]string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.write(struct {
		Event  string     `json:"event"`
		Title  string     `json:"title"`
		Header []string   `json:"header"`
		Rows   [][]string `json:"rows"`
	}{"table", title, header, rows})
}

// Close has nothing to do: every line is complete.
func (j *jsonLines) Close() {}
