package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smt/model/modeltest"
)

// TestGenerateInterrupted: a signal ends the search, of whatever kind, and the program says so. The model's random weights give no
// stop token soon.
func TestGenerateInterrupted(t *testing.T) {
	modelDir, _ := tiny(t)
	for _, beams := range []string{"1", "2"} {
		ctx, cancel := context.WithCancel(t.Context())
		root := newRoot()
		root.SetArgs([]string{"generate", "--model_name_or_path", modelDir, "--prompt", "hello", "--max_new_tokens", "100", "--num_beams", beams})
		var out bytes.Buffer
		root.SetOut(writerFunc(func(p []byte) (int, error) {
			cancel()
			return out.Write(p)
		}))
		if beams != "1" { // nothing is shown until the search ends
			cancel()
		}
		if err := root.ExecuteContext(ctx); exitCode(err) != ExitInterrupted || !errors.Is(err, context.Canceled) {
			t.Errorf("%s beams: got %v and exit code %d, expected an interruption", beams, err, exitCode(err))
		}
		if text := out.String(); beams == "1" && (len(text) > 10 || !strings.HasSuffix(text, "\n")) || beams != "1" && text != "" {
			t.Errorf("%s beams: shown %q after the signal", beams, text)
		}
		cancel()
	}
}

// A writerFunc is a writer.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestGenerateStops: a model ends with the token that training appends, and in a chat with the one behind a turn, whether its
// configuration knows them or not.
func TestGenerateStops(t *testing.T) {
	c := modeltest.Llama()
	c["num_hidden_layers"], c["eos_token_id"] = 1, 39
	dir := modeltest.WriteWithTokenizer(t, c, 31)
	write(t, filepath.Join(dir, "chat_template.jinja"), "{% for m in messages %}{{ m.role }}: {{ m.content }}#{% endfor %}")
	m, err := openModel(t.Context(), modelOptions{Model: dir, Device: "cpu", Threads: 1}, newWatch(io.Discard, "text", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	turn := m.Tokenizer.Encode("#", false)
	for template, want := range map[string][]int32{"text": {39, 2}, "alpaca": {39, 2}, "chat": append([]int32{39, 2}, turn...)} {
		if _, got, err := encodePrompt(m, template, "a"); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: stop tokens %v, %v, expected %v", template, got, err, want)
		}
	}
}
