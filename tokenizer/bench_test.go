package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// mathTexts returns instruction and output of each row of the math_9k training set.
func mathTexts(b *testing.B) (texts []string) {
	b.Helper()
	file, err := os.ReadFile(filepath.Join(shared, "data/math/train/math_9k.json"))
	if err != nil {
		b.Skipf("training set is not here: %v", err)
	}
	var rows []struct{ Instruction, Output string }
	if err := json.Unmarshal(file, &rows); err != nil {
		b.Fatal(err)
	}
	for _, row := range rows {
		texts = append(texts, row.Instruction+row.Output)
	}
	return texts
}

// BenchmarkEncode encodes math_9k, one text after the other on one goroutine.
func BenchmarkEncode(b *testing.B) {
	texts := mathTexts(b)
	for _, family := range families {
		b.Run(family, func(b *testing.B) {
			tok := load(b, "tokenizers/"+family)
			tokens, size := 0, 0
			for b.Loop() {
				for _, text := range texts {
					tokens += len(tok.Encode(text, true))
					size += len(text)
				}
			}
			b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(float64(size)/1e6/b.Elapsed().Seconds(), "MB/s")
		})
	}
}

// BenchmarkEncodeOffsets is BenchmarkEncode for Llama 3.1 with the origin of each token.
func BenchmarkEncodeOffsets(b *testing.B) {
	texts := mathTexts(b)
	tok := load(b, "tokenizers/llama3.1")
	var (
		ids     []int32
		offsets []Span
		tokens  int
	)
	for b.Loop() {
		for _, text := range texts {
			ids, offsets = tok.EncodeOffsets(text, true, ids[:0], offsets[:0])
			tokens += len(ids)
		}
	}
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkLoad reads the 9 MB file of Llama 3.1.
func BenchmarkLoad(b *testing.B) {
	dir := filepath.Join(shared, "tokenizers/llama3.1")
	if _, err := os.Stat(dir); err != nil {
		b.Skipf("reference tokenizers are not here: %v", err)
	}
	for b.Loop() {
		if _, err := Load(dir); err != nil {
			b.Fatal(err)
		}
	}
}
