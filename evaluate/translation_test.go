package evaluate

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// TestAgainstSacreBLEU compares words and scores with those of sacreBLEU (bench/translation).
func TestAgainstSacreBLEU(t *testing.T) {
	raw, err := os.ReadFile("testdata/translation.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Corpora []struct {
			Name                   string
			Hypotheses, References []string
			BLEU, ChrF             float64
		}
		Tokens []struct {
			Text  string
			Words []string
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Corpora) < 20 || len(golden.Tokens) < 40 {
		t.Fatalf("%d corpora and %d texts", len(golden.Corpora), len(golden.Tokens))
	}
	for _, c := range golden.Tokens {
		if got := words13a(c.Text); !slices.Equal(got, c.Words) {
			t.Errorf("%q: words %q, expected %q", c.Text, got, c.Words)
		}
	}
	for _, c := range golden.Corpora {
		if got := BLEU(c.Hypotheses, c.References); !(math.Abs(got-c.BLEU) <= 1e-9) {
			t.Errorf("%s: BLEU %.12g, expected %.12g", c.Name, got, c.BLEU)
		}
		if got := ChrF(c.Hypotheses, c.References); !(math.Abs(got-c.ChrF) <= 1e-9) {
			t.Errorf("%s: chrF %.12g, expected %.12g", c.Name, got, c.ChrF)
		}
	}
}

// TestResample compares the bootstrap with the standard error of a mean, for which there is a formula: of n values,
// resampled, it is sqrt(Σ (x - mean)²)/n.
func TestResample(t *testing.T) {
	values := make([]float64, 200)
	mean, squares := 0.0, 0.0
	for i := range values {
		values[i] = math.Sin(float64(i * i))
		mean += values[i] / 200
	}
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	score := func(rows []int) float64 {
		sum := 0.0
		for _, r := range rows {
			sum += values[r]
		}
		return sum / 200
	}
	want, got := math.Sqrt(squares)/200, resample(200, score)
	if !(math.Abs(got/want-1) <= 0.08) {
		t.Errorf("standard error %g, expected about %g", got, want)
	}
	if again := resample(200, score); again != got {
		t.Errorf("the second time %g, the first %g", again, got)
	}
	if got := resample(1, score); got != 0 {
		t.Errorf("of one row: %g", got)
	}
}

// A translation's standard errors vanish where all sentences are perfect, and do not where they differ.
func TestTranslationScore(t *testing.T) {
	same := []string{"ein Mann geht nach Hause", "eine Frau liest ein Buch"}
	if s := Translation(same, same); !(math.Abs(s.BLEU-100) <= 1e-9) || !(math.Abs(s.ChrF-100) <= 1e-9) || s.BLEUStandardError > 1e-9 || s.ChrFStandardError > 1e-9 {
		t.Errorf("%+v", s)
	}
	if s := Translation([]string{same[0], "ein Hund"}, same); s.BLEU <= 0 || s.BLEU >= 100 || s.BLEUStandardError <= 0 || s.ChrFStandardError <= 0 {
		t.Errorf("%+v", s)
	}
	if s := Translation(nil, nil); s != (TranslationScore{}) {
		t.Errorf("of nothing: %+v", s)
	}
}

func BenchmarkTranslation(b *testing.B) {
	var hypotheses, references []string
	for range 100 {
		hypotheses = append(hypotheses, "Ein Mann in einem orangen Hut starrt auf etwas anderes.")
		references = append(references, "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt.")
	}
	for b.Loop() {
		Translation(hypotheses, references)
	}
}
