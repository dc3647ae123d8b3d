package demo_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smt/config"
	"smt/demo"
	"smt/device/cpu"
	"smt/export"
	"smt/model"
	"smt/recipe"
	"smt/sparse"
	"smt/tokenizer"
)

func extract(t *testing.T) demo.Files {
	t.Helper()
	files, err := demo.Extract(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readRows(t *testing.T, path string) []demo.Row {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []demo.Row
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var r demo.Row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

// TestRowsAreWhatTheWorldWrites generates the task again and checks that held-out rows are none of the training rows.
func TestRowsAreWhatTheWorldWrites(t *testing.T) {
	files := extract(t)
	train, held := readRows(t, files.Train), readRows(t, files.HeldOut)
	if len(train) != demo.TrainRows || len(held) != demo.HeldOutRows {
		t.Fatalf("%d training and %d held-out rows", len(train), len(held))
	}
	seen := map[string]bool{}
	for i, r := range train {
		if r != demo.TaskRow(i) {
			t.Fatalf("row %d is %+v, the world writes %+v", i, r, demo.TaskRow(i))
		}
		seen[r.Prompt] = true
	}
	next := demo.TrainRows
	for i, r := range held {
		if seen[r.Prompt] {
			t.Errorf("held-out row %q is trained on", r.Prompt)
		}
		for seen[demo.TaskRow(next).Prompt] {
			next++
		}
		if r != demo.TaskRow(next) {
			t.Fatalf("held-out row %d is %+v, the world writes %+v", i, r, demo.TaskRow(next))
		}
		next++
	}
}

func TestModelIsSmallAndTokenizerLossless(t *testing.T) {
	files := extract(t)
	info, err := os.Stat(filepath.Join(files.Model, "model.safetensors"))
	if err != nil || info.Size() > 4<<20 {
		t.Errorf("the model's file: %v bytes, %v", info.Size(), err)
	}
	tok, err := tokenizer.Load(files.Model)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		r := demo.PretrainingRow(i)
		if got := tok.Decode(tok.Encode(r.Prompt+r.Completion, true), true); got != r.Prompt+r.Completion {
			t.Errorf("%q becomes %q", r.Prompt+r.Completion, got)
		}
	}
}

// TestBaseDoesWhatItWasPretrainedFor lets the base say lists again that its corpus does not hold: what it lacks before
// tuning is the new task and nothing else.
func TestBaseDoesWhatItWasPretrainedFor(t *testing.T) {
	const beyondCorpus = 1 << 20
	var lines []byte
	for i := range 100 {
		line, err := json.Marshal(demo.PretrainingRow(beyondCorpus + i))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, line...), '\n')
	}
	files := extract(t)
	files.HeldOut = filepath.Join(t.TempDir(), "lists.jsonl")
	if err := os.WriteFile(files.HeldOut, lines, 0o666); err != nil {
		t.Fatal(err)
	}
	if r := score(t, files, ""); r.Accuracy() < 0.95 {
		t.Errorf("%d of %d lists said again, expected at least 95 %%; the first: %+v", r.Correct, r.Total, r.Examples[0])
	}
}

// silent is a Reporter that shows nothing.
type silent struct{}

func (silent) Phase(string, int, int)             {}
func (silent) Step(recipe.Step)                   {}
func (silent) Validation(recipe.Validation)       {}
func (silent) Note(string, ...any)                {}
func (silent) Table(string, []string, [][]string) {}
func (silent) Download(string, int64, int64)      {}

// TestDemoLearnsTheNewTask runs the demo as smt train does, and measures the model before and after.
func TestDemoLearnsTheNewTask(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	files := extract(t)
	out := t.TempDir()
	r, _, err := config.Load(files.Recipe, []config.Override{{Key: "model_name_or_path", Value: files.Model}, {Key: "dataset", Value: files.Train}, {Key: "output_dir", Value: out}})
	if err != nil {
		t.Fatal(err)
	}
	before := score(t, files, "")
	sum, err := recipe.Train(context.Background(), r, silent{})
	if err != nil {
		t.Fatal(err)
	}
	after := score(t, files, sum.Adapter)
	t.Logf("exact match: %.3f before, %.3f after", before.Accuracy(), after.Accuracy())
	if before.Accuracy() > 0.1 || after.Accuracy() < 0.9 {
		t.Errorf("exact match: %.3f before, %.3f after", before.Accuracy(), after.Accuracy())
	}
}

// score measures the base, with an adapter if one is given.
func score(t *testing.T, files demo.Files, adapter string) *demo.Result {
	t.Helper()
	base, err := model.Open(files.Model)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	dec, err := model.New(cpu.New(), base)
	if err != nil {
		t.Fatal(err)
	}
	if adapter != "" {
		a, err := export.ReadAdapter(adapter)
		if err != nil {
			t.Fatal(err)
		}
		g, err := sparse.Attach(dec.Device, a, sparse.Targets(dec.Linears(), model.Modules), func(m sparse.Matrix) (sparse.Base, error) {
			return dec.Linear(m.Name).Base, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range g.Selected {
			*dec.Linear(m.Name).Linear = g.Linears[i]
		}
	}
	tok, err := tokenizer.Load(files.Model)
	if err != nil {
		t.Fatal(err)
	}
	result, err := demo.ExactMatch(dec, tok, files.HeldOut)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestExtractReplacesDemosAlone writes the demo twice, and where someone else's directory is.
func TestExtractReplacesDemosAlone(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if _, err := demo.Extract(dir); err != nil {
			t.Fatal(err)
		}
	}
	dir = t.TempDir()
	own := filepath.Join(dir, "base", "notes.txt")
	if err := os.MkdirAll(filepath.Dir(own), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Extract(dir); err == nil || !strings.Contains(err.Error(), filepath.Dir(own)) {
		t.Errorf("got %v, expected an error about %s", err, filepath.Dir(own))
	}
	if text, err := os.ReadFile(own); err != nil || string(text) != "mine" {
		t.Errorf("%s: %q, %v", own, text, err)
	}
}
