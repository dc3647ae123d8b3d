package cli

import (
	"io"
	"path/filepath"
	"slices"
	"testing"

	"smt/model/modeltest"
)

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
