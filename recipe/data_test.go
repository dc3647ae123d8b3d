package recipe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smt/config"
	"smt/model"
	"smt/model/modeltest"
	"smt/tokenizer"
)

// tiny is the tokenizer and the shape of a tiny model.
func tiny(t *testing.T) (*tokenizer.Tokenizer, *model.Config) {
	t.Helper()
	dir := modeltest.WriteWithTokenizer(t, modeltest.Llama(), 31)
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := model.ReadConfig(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	return tok, c
}

// TestReadDataMaxRows: max_rows counts in each file, of validation too, and what is left out is told.
func TestReadDataMaxRows(t *testing.T) {
	tok, c := tiny(t)
	file := func(name string, rows int) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(strings.Repeat(`{"prompt": "a", "completion": "b"}`+"\n", rows)), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	r := config.Default()
	r.Dataset, r.EvalDataset, r.MaxRows, r.MaxSeqLength = []string{file("a.jsonl", 5), file("b.jsonl", 1), file("c.jsonl", 3)}, []string{file("d.jsonl", 4)}, 2, 1000
	var notes []string
	d, err := ReadData(r, tok, c, func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) })
	if err != nil {
		t.Fatal(err)
	}
	if train, validation := len(d.Train.Examples), len(d.Validation.Examples); train != 2+1+2 || validation != 2 {
		t.Errorf("%d training and %d validation rows, expected 5 and 2", train, validation)
	}
	told := strings.Join(notes, "\n")
	for _, want := range []string{"max_rows 2: 3 rows of " + r.Dataset[0] + " are left out", "1 rows of " + r.Dataset[2], "2 rows of " + r.EvalDataset[0], "made for 128 positions"} {
		if !strings.Contains(told, want) {
			t.Errorf("no note %q in\n%s", want, told)
		}
	}
}

// TestChatTemplateIsThatOfTheTrainingRows: validation rows of another form have a template of their own, which is not the run's.
func TestChatTemplateIsThatOfTheTrainingRows(t *testing.T) {
	tok, c := tiny(t)
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const source = "{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}"
	r := config.Default()
	r.ChatTemplate = file("own.jinja", source)
	r.Dataset = []string{file("chats.jsonl", `{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}`+"\n")}
	r.EvalDataset = []string{file("pairs.jsonl", `{"prompt": "a", "completion": "b"}`+"\n")}
	d, err := ReadData(r, tok, c, func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.ChatTemplate(); got != source {
		t.Errorf("the run's chat template is %q, expected %q", got, source)
	}
}
