package cli

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestDataCheck: every file is looked at, whatever is wrong with those before, and a model's chat template is tried where it is given.
func TestDataCheck(t *testing.T) {
	modelDir, rows := tiny(t)
	dir := t.TempDir()
	write(t, filepath.Join(modelDir, "chat_template.jinja"), "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{% for m in messages %}{{ m.content }}.{% endfor %}")
	odd, chats := filepath.Join(dir, "odd.jsonl"), filepath.Join(dir, "chats.jsonl")
	write(t, odd, `{"a": "b"}`)
	write(t, chats, `{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}`)

	code, out, errOut := run(t, "data", "check", odd, filepath.Join(dir, "none.json"), rows, chats)
	if code != ExitBadData || !strings.Contains(errOut, "0 bad rows, 2 of 4 files") {
		t.Errorf("exit %d: %s", code, errOut)
	}
	for _, want := range []string{"odd.jsonl:1: the fields fit no row format", "none.json: no such file", "rows.jsonl: 12 completion rows, 0 bad", "chats.jsonl: 1 chat rows, 0 bad"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	code, out, errOut = run(t, "data", "check", chats, "--model_name_or_path", modelDir)
	if code != ExitBadData || !strings.Contains(out, "chats.jsonl:1: the chat template refuses this chat: no system") || !strings.Contains(errOut, "1 bad rows, 0 of 1 files") {
		t.Errorf("with the template: exit %d: %s %s", code, out, errOut)
	}
	if code, _, errOut := run(t, "data", "check", chats, "--template", "chat"); code != ExitUsage || !strings.Contains(errOut, "need the tokenizer") {
		t.Errorf("a template without a tokenizer: exit %d: %s", code, errOut)
	}
}

// TestDataShowCuts: rows are cut where training cuts them, at the positions of the model.
func TestDataShowCuts(t *testing.T) {
	modelDir, _ := tiny(t)
	rows := filepath.Join(t.TempDir(), "rows.jsonl")
	write(t, rows, `{"prompt": "a", "completion": "`+strings.Repeat("b", 300)+`"}`)
	code, out, errOut := run(t, "data", "show", "--model_name_or_path", modelDir, "--dataset", rows)
	if code != ExitOK || !strings.Contains(out, "rows.jsonl:1: 128 tokens, 127 supervised, ") {
		t.Errorf("exit %d: %.200s %s", code, out, errOut)
	}
}

// TestOwnChatTemplate: a recipe's own chat template goes with the adapter and the model that were trained on it, and takes the place of
// the base's when they are used.
func TestOwnChatTemplate(t *testing.T) {
	modelDir, rows := tiny(t)
	write(t, filepath.Join(modelDir, "chat_template.jinja"), "{% for m in messages %}{{ m.content }}#{% endfor %}")
	const own = "{% for m in messages %}{{ m.role }}: {{ m.content }}.{% endfor %}"
	template, out := filepath.Join(t.TempDir(), "own.jinja"), filepath.Join(t.TempDir(), "out")
	write(t, template, own)
	for _, args := range [][]string{
		{"train", "--model_name_or_path", modelDir, "--dataset", rows, "--output_dir", out, "--block_size", "16", "--num_blocks", "3", "--max_steps", "1",
			"--max_seq_length", "64", "--merge", "--template", "chat", "--chat_template", template},
		{"merge", "--model_name_or_path", modelDir, "--adapter", out + "/adapter", "--output_dir", out + "/merged"},
	} {
		if code, _, errOut := run(t, args...); code != ExitOK {
			t.Fatalf("smt %s: exit %d: %s", args[0], code, errOut)
		}
	}
	for _, o := range []modelOptions{{Model: modelDir, Adapter: out + "/adapter"}, {Model: out + "/model"}, {Model: out + "/merged"}} {
		o.Device, o.Threads = "cpu", 1
		m, err := openModel(t.Context(), o, newWatch(t.Output(), "text", 1))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Tokenizer.ChatTemplate(); got != own {
			t.Errorf("%s %s: chat template %q, expected %q", o.Model, o.Adapter, got, own)
		}
		m.Close()
	}
}

// TestEvalColumns: rows of other names are measured under ours.
func TestEvalColumns(t *testing.T) {
	modelDir := longTiny(t)
	rows := filepath.Join(t.TempDir(), "rows.json")
	write(t, rows, `[{"question": "say", "gold": "hello"}]`)
	args := []string{"eval", "--model_name_or_path", modelDir, "--task", "perplexity", "--dataset", rows}
	if code, _, errOut := run(t, args...); code != ExitBadData || !strings.Contains(errOut, "name them with columns") {
		t.Errorf("without columns: exit %d: %s", code, errOut)
	}
	if code, out, errOut := run(t, append(args, "--columns", "instruction=question,output=gold")...); code != ExitOK || !strings.Contains(out, "of 1 rows") {
		t.Errorf("exit %d: %s %s", code, out, errOut)
	}
}
