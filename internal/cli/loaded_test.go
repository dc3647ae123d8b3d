package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"smt/model"
	"smt/tokenizer"
)

// TestModelIdentity changes each file on which the answers of a model depend, and expects another identity each time; where
// the files lie makes no difference, whatever the directories are called.
func TestModelIdentity(t *testing.T) {
	modelDir := longTiny(t)
	adapter := filepath.Join(t.TempDir(), "lr[1e-4]", "adapter")
	if err := os.MkdirAll(adapter, 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(adapter, "adapter_model.safetensors"), "weights")
	write(t, filepath.Join(adapter, "adapter_config.json"), `{"lora_alpha": 8}`)
	identity := func(dir, adapter string) string {
		base, err := model.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer base.Close()
		got, err := modelIdentity(&loaded{Base: base}, adapter)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	copyOf := func(dir string) string {
		to := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		return to
	}
	first := identity(modelDir, adapter)
	if got := identity(copyOf(modelDir), copyOf(adapter)); got != first {
		t.Errorf("a copy is %s, expected %s", got, first)
	}
	seen := map[string]string{identity(modelDir, ""): "no adapter", first: "the model"}
	check := func(name, got string) {
		if other, ok := seen[got]; ok {
			t.Errorf("another %s has the identity of %s: %s", name, other, got)
		}
		seen[got] = name
	}
	for _, name := range append([]string{"config.json"}, tokenizer.Files()...) {
		other := copyOf(modelDir)
		text, err := os.ReadFile(filepath.Join(other, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		write(t, filepath.Join(other, name), string(text)+"\n")
		check(name, identity(other, adapter))
	}
	adapterFiles := []string{"adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"}
	for _, name := range adapterFiles {
		other := copyOf(adapter)
		write(t, filepath.Join(other, name), "other")
		check(name, identity(modelDir, other))
		if !slices.Contains(adapterFiles[:2], name) {
			continue // it may be missing
		}
		if err := os.Remove(filepath.Join(other, name)); err != nil {
			t.Fatal(err)
		}
		base, err := model.Open(modelDir)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := modelIdentity(&loaded{Base: base}, other); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without %s: %q, %v", name, got, err)
		}
		base.Close()
	}
}
