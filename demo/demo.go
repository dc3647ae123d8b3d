// Package demo is what "smt train" shows without a model and data: a tiny model, and a task that it learns in seconds.
//
// The world is small: lists of words. A Llama-architecture model of 0.8 million parameters has been pretrained, by this
// program's own full fine-tuning from random weights, to say a list again. The new task asks, in words that the model has
// never met, for the first or the last word of a list. Before tuning it does not know what is wanted; Sparse Matrix Tuning of
// a few blocks of the attention weights teaches it.
//
// Everything here is made by go generate ./demo from nothing, in about two minutes on two cores: world.go writes the texts,
// generate/ learns the tokenizer and pretrains the model. On the same kind of CPU the same bytes come out.
package demo

//go:generate go run ./generate -out model

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"smt/durable"
)

//go:embed model recipe.yaml
var files embed.FS

// heldOutName is the file of the rows that are not trained on, by which a demo's directory is known.
const heldOutName = "heldout.jsonl"

// Files are the places of what Extract has written.
type Files struct {
	Model   string // a Hugging Face model directory
	Train   string // rows of the new task
	HeldOut string // rows of the new task that are not trained on
	Recipe  string // the demo's recipe
}

// Extract writes the demo's files to base/ below dir, replacing those of an earlier demo and no other directory.
func Extract(dir string) (Files, error) {
	base := filepath.Join(dir, "base")
	if entries, err := os.ReadDir(base); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(base, heldOutName)); err != nil {
			return Files{}, fmt.Errorf("demo: %s holds no earlier demo, and the demo's files would replace it; give another output_dir", base)
		}
	}
	d, err := durable.NewDir(base, true)
	if err != nil {
		return Files{}, fmt.Errorf("demo: %w", err)
	}
	defer d.Discard()
	entries, err := fs.ReadDir(files, "model")
	if err != nil {
		return Files{}, fmt.Errorf("demo: %w", err)
	}
	for _, e := range entries {
		content, err := files.ReadFile("model/" + e.Name())
		if err != nil {
			return Files{}, fmt.Errorf("demo: %w", err)
		}
		if err := d.WriteFile(e.Name(), func(w io.Writer) error { _, err := w.Write(content); return err }); err != nil {
			return Files{}, fmt.Errorf("demo: %w", err)
		}
	}
	recipe, err := files.ReadFile("recipe.yaml")
	if err != nil {
		return Files{}, fmt.Errorf("demo: %w", err)
	}
	if err := d.WriteFile("recipe.yaml", func(w io.Writer) error { _, err := w.Write(recipe); return err }); err != nil {
		return Files{}, fmt.Errorf("demo: %w", err)
	}
	if err := d.Commit(); err != nil {
		return Files{}, fmt.Errorf("demo: %w", err)
	}
	return Files{Model: base, Train: filepath.Join(base, "train.jsonl"), HeldOut: filepath.Join(base, heldOutName),
		Recipe: filepath.Join(base, "recipe.yaml")}, nil
}
