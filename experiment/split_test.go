package experiment

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"smt/config"
	"smt/dataset"
)

func TestSplitRows(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	for i := range 50 {
		fmt.Fprintf(&text, "{\"question\": \"q%d\", \"input\": \"i\", \"output\": \"a \\\"%d\\\"\"}\n", i, i)
	}
	file := filepath.Join(dir, "rows.jsonl")
	// The last row is there twice; one of them may be held out, and then the other one is no training row.
	if err := os.WriteFile(file, []byte(text.String()+`{"question": "q7", "input": "i", "output": "a \"7\""}`+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	r := config.Default()
	r.Dataset, r.Columns, r.ValSize = []string{file}, map[string]string{"instruction": "question"}, 21
	s, err := SplitRows(filepath.Join(dir, "data"), r)
	if err != nil {
		t.Fatal(err)
	}
	if s.TrainRows+s.ValRows+s.TestRows+s.Repeated != 51 || s.ValRows != 10 || s.TestRows != 11 {
		t.Errorf("%+v", s)
	}
	seen := map[string]string{}
	for _, path := range []string{s.Train, s.Validation, s.Test} {
		rows, err := dataset.Load([]string{path}, dataset.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if at := seen[row.Instruction]; at != "" && (at != path || path != s.Train) && row.Instruction != "q7" || !strings.HasPrefix(row.Output, `a "`) {
				t.Errorf("%s: row %+v is in %s, too", path, row, at)
			}
			if row.Instruction == "q7" && seen["q7"] != "" && path != s.Train && seen["q7"] == s.Train {
				t.Errorf("q7 is trained on and held out")
			}
			seen[row.Instruction] = path
		}
	}
	again, err := SplitRows(filepath.Join(dir, "data"), r)
	if err != nil || !reflect.DeepEqual(again, s) {
		t.Errorf("split again: %+v, %v", again, err)
	}
	r.ValSize = 51
	if _, err := SplitRows(filepath.Join(dir, "data"), r); err == nil || !strings.Contains(err.Error(), "val_size") {
		t.Errorf("all rows held out: %v", err)
	}
}

// TestSplitOfEvaluationRows gives held-out rows that are sorted by topic: validation and test rows have both.
func TestSplitOfEvaluationRows(t *testing.T) {
	dir := t.TempDir()
	var held strings.Builder
	for i := range 40 {
		fmt.Fprintf(&held, "{\"instruction\": \"%s %d\", \"output\": \"a\"}\n", []string{"law", "code"}[i/20], i)
	}
	r := config.Default()
	for name, text := range map[string]string{"train.jsonl": `{"instruction": "q", "output": "a"}`, "held.jsonl": held.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r.Dataset, r.EvalDataset = []string{filepath.Join(dir, "train.jsonl")}, []string{filepath.Join(dir, "held.jsonl")}
	s, err := SplitRows(filepath.Join(dir, "data"), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{s.Validation, s.Test} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		law, code := strings.Count(string(text), "law"), strings.Count(string(text), "code")
		if law+code != 20 || law < 4 || code < 4 {
			t.Errorf("%s: %d rows of law and %d of code, expected 20, mixed", path, law, code)
		}
	}
}

// TestSplitKeepsRowsWhole splits chats of two files, of each of which max_rows uses the first, with answers that carry no loss: they
// carry none in the files of the split.
func TestSplitKeepsRowsWhole(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for f := range 2 {
		var text strings.Builder
		for i := range 20 {
			fmt.Fprintf(&text, `{"messages": [{"role": "user", "content": "q%d.%d"}, {"role": "assistant", "content": "draft", "weight": 0}, {"role": "user", "content": "again"}, {"role": "assistant", "content": "answer"}]}`+"\n", f, i)
		}
		files = append(files, filepath.Join(dir, fmt.Sprintf("%d.jsonl", f)))
		if err := os.WriteFile(files[f], []byte(text.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r := config.Default()
	r.Dataset, r.MaxRows, r.ValSize = files, 15, 10
	s, err := SplitRows(filepath.Join(dir, "data"), r)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := dataset.Load([]string{s.Train, s.Validation, s.Test}, dataset.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	of := map[byte]int{}
	for _, row := range rows {
		of[row.Messages[0].Content[1]]++
		if !row.Messages[1].Masked || row.Messages[3].Masked {
			t.Errorf("%s: the answers that carry no loss are %t and %t, expected the first alone", row.Messages[0].Content, row.Messages[1].Masked, row.Messages[3].Masked)
		}
	}
	if of['0'] != 15 || of['1'] != 15 {
		t.Errorf("rows of the two files: %v, expected 15 of each", of)
	}
}
