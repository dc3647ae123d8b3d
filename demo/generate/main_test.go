package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"smt/demo"
)

// TestEmbeddedFilesAreTheGeneratedOnes writes everything but the weights again and compares it byte by byte with what the
// program carries.
func TestEmbeddedFilesAreTheGeneratedOnes(t *testing.T) {
	dir := t.TempDir()
	var sample []string
	for i := range tokenizerRows {
		row := demo.PretrainingRow(i)
		sample = append(sample, row.Prompt+row.Completion)
	}
	if err := writeTokenizer(dir, sample); err != nil {
		t.Fatal(err)
	}
	if err := writeTask(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "train.jsonl", "heldout.jsonl"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("..", "model", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: what is generated now differs from what the program carries; run go generate ./demo", name)
		}
	}
}

// TestLearnMergesTheMostFrequentPairFirst follows the algorithm by hand on a few words.
func TestLearnMergesTheMostFrequentPairFirst(t *testing.T) {
	// The pair a, b occurs three times and b, a twice; joined, ab, a is left, twice.
	vocabulary, merges := learn([]string{"aba", "aba", "ab"}, []string{"a", "b"}, 10)
	if want := "[a b ab aba]"; want != fmt.Sprint(vocabulary) {
		t.Errorf("vocabulary %v, expected %s", vocabulary, want)
	}
	if want := "[a b ab a]"; want != fmt.Sprint(merges) {
		t.Errorf("merges %q, expected %s", merges, want)
	}
	if _, merges := learn([]string{"aba"}, []string{"a", "b"}, 1); len(merges) != 1 {
		t.Errorf("limit 1: %d merges", len(merges))
	}
}
