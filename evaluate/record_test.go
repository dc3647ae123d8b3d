package evaluate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smt/dataset"
	"smt/durable"
)

// A doubtful tokenizer has given up on a text.
type doubtful struct{ bytesTokenizer }

var errDoubtful = errors.New("the ids are not reliable")

func (doubtful) Err() error { return errDoubtful }

// TestDoubtfulTokens: what a tokenizer does not vouch for leaves no record that a later run would believe.
func TestDoubtfulTokens(t *testing.T) {
	e, rows := newEvaluator(t, "llama"), questionRows(2)
	e.Tokenizer, e.MaxNewTokens = doubtful{}, 1
	for _, kind := range []string{Likelihood, Greedy, lossKind} {
		e.Records = filepath.Join(t.TempDir(), "records.jsonl")
		var err error
		if kind == lossKind {
			answered := slices.Clone(rows)
			for i := range answered {
				answered[i].Output = answered[i].Answer
			}
			_, _, err = e.ResponseLoss(t.Context(), answered, 0)
		} else {
			_, err = e.Run(mustFind(t, "ARC-Easy"), kind, rows)
		}
		if !errors.Is(err, errDoubtful) {
			t.Errorf("%s: error %v, expected the tokenizer's", kind, err)
		}
		if records := loadRecords(t, e.Records); len(records) != 0 {
			t.Errorf("%s: %d records were written", kind, len(records))
		}
	}
}

// TestHashRows: what a chat masks is part of the rows of which records are.
func TestHashRows(t *testing.T) {
	chat := func(masked bool) []dataset.Row {
		return []dataset.Row{{Format: dataset.FormatChat, Messages: []dataset.Message{{Role: dataset.RoleUser, Content: "a"},
			{Role: dataset.RoleAssistant, Content: "b", Masked: masked}}}}
	}
	if hashRows(chat(false)) == hashRows(chat(true)) {
		t.Error("a masked answer and one that carries loss have the same hash")
	}
}

func TestRecordErrors(t *testing.T) {
	e, task, rows := newEvaluator(t, "llama"), mustFind(t, "ARC-Easy"), questionRows(3)
	path := filepath.Join(t.TempDir(), "records.jsonl")
	e.Records = path
	if _, err := e.Run(task, Likelihood, rows); err != nil {
		t.Fatal(err)
	}
	whole, _ := os.ReadFile(path)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for name, c := range map[string]struct {
		left []byte
		rows []dataset.Row
		want string
	}{
		"other data":    {whole, questionRows(4), "records.jsonl:1: the records are of another run"},
		"not a record":  {[]byte("hello\n"), rows, "records.jsonl:1: not a record"},
		"no whole line": {[]byte("[1]"), rows, "records.jsonl: not a file of records: it has no whole line, and begins with \"[1]\""},
		"unknown field": {slices.Concat(lines[0], []byte(`{"row":0,"note":1}`+"\n")), rows, `records.jsonl:2: not a record: json: unknown field "note"`},
		"row twice":     {slices.Concat(lines[0], lines[1], lines[1]), rows, "records.jsonl:3: row"},
		"row too large": {slices.Concat(lines[0], []byte(`{"row":3}`+"\n")), rows, "records.jsonl:2: row 3: expected each of 0 to 2 once"},
		"endless line":  {bytes.Repeat([]byte("x"), maxRecordLine+1<<17), rows, "records.jsonl:1: a line of more than 16 MiB"},
	} {
		if err := os.WriteFile(path, c.left, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Run(task, Likelihood, c.rows); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected %q in it", name, err, c.want)
		}
		if left, _ := os.ReadFile(path); !bytes.Equal(left, c.left) {
			t.Errorf("%s: the file was changed", name)
		}
	}
	other, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := durable.LockFile(other); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(task, Likelihood, rows); !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("in use: error %v", err)
	}
	e.Records = filepath.Join(t.TempDir(), "none", "records.jsonl")
	if _, err := e.Run(task, Likelihood, rows); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: error %v", err)
	}
}
