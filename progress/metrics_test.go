package progress

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestMetricsResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.jsonl")
	m := open(t, path, 0)
	for step := 1; step <= 4; step++ {
		if err := m.Append(StepInfo{Step: step, Training: true, Loss: float64(step)}.record("warm-up")); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Append(map[string]any{"event": "selection", "blocks": 7}); err != nil {
		t.Fatal(err)
	}
	if err := m.Append(StepInfo{Step: 5}.record("tuning")); err != nil {
		t.Fatal(err)
	}
	closeMetrics(t, m)
	whole := read(t, path)

	// The record of the end of a run goes too: the resumed run will write its own.
	if err := os.WriteFile(path, append(bytes.Clone(whole), `{"event":"done","step":5}`+"\n"...), 0o666); err != nil {
		t.Fatal(err)
	}
	closeMetrics(t, open(t, path, 5))
	if got := read(t, path); !bytes.Equal(got, whole) {
		t.Errorf("after the end: got\n%s", got)
	}

	// A crash in the middle of a record leaves a part of it.
	if err := os.WriteFile(path, append(bytes.Clone(whole), `{"event":"step","st`...), 0o666); err != nil {
		t.Fatal(err)
	}
	closeMetrics(t, open(t, path, 99))
	if got := read(t, path); !bytes.Equal(got, whole) {
		t.Errorf("after a crash: got\n%s", got)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for _, c := range []struct{ keep, lines int }{{4, 5}, {2, 2}, {0, 0}, {-1, 0}} {
		if err := os.WriteFile(path, whole, 0o666); err != nil {
			t.Fatal(err)
		}
		closeMetrics(t, open(t, path, c.keep))
		if got := read(t, path); !bytes.Equal(got, bytes.Join(lines[:c.lines], nil)) {
			t.Errorf("keep through %d: got\n%s", c.keep, got)
		}
	}
}

// TestMetricsGarbage reopens what no run has written: the records in it survive, nothing else does.
func TestMetricsGarbage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.jsonl")
	good := `{"step":1}` + "\n"
	text := "null\n[1]\n\x00\xff\n" + good + `{"step":"x"}` + "\n" + strings.Repeat("x", 3*maxRecord) + "\n" + `{"step":1` + "\n" + good
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	closeMetrics(t, open(t, path, 5))
	if got := string(read(t, path)); got != good+good {
		t.Errorf("got %.200q", got)
	}
}

func TestMetricsErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenMetrics(filepath.Join(dir, "none", "m.jsonl"), 0); err == nil {
		t.Error("a folder that is not there: got no error")
	}
	if _, err := OpenMetrics(dir, 0); err == nil {
		t.Error("a folder: got no error")
	}
	m := open(t, filepath.Join(dir, "m.jsonl"), 0)
	for _, record := range []any{math.NaN(), 1, []int{1}, nil, map[string]float64{"x": math.Inf(1)}} {
		if m.Append(record) == nil {
			t.Errorf("record %v: got no error", record)
		}
	}
	if err := m.Append(map[string]Number{"x": Number(math.Inf(1))}); err != nil {
		t.Error(err)
	}
	closeMetrics(t, m)
	if err := m.Append(map[string]int{}); err == nil {
		t.Error("a closed file: got no error")
	}
	if got := string(read(t, filepath.Join(dir, "m.jsonl"))); got != "{\"x\":null}\n" {
		t.Errorf("got %q", got)
	}
}

func TestMetricsConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.jsonl")
	m := open(t, path, 0)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				m.Append(StepInfo{Step: 1, Training: true}.record("tuning"))
			}
		})
	}
	all.Wait()
	closeMetrics(t, m)
	whole := read(t, path)
	closeMetrics(t, open(t, path, 1))
	if bytes.Count(whole, []byte("\n")) != 400 || !bytes.Equal(whole, read(t, path)) {
		t.Error("records of several goroutines are mixed up")
	}
}

func open(t *testing.T, path string, keep int) *Metrics {
	t.Helper()
	m, err := OpenMetrics(path, keep)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func closeMetrics(t *testing.T, m *Metrics) {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
