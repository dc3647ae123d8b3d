package experiment

import (
	"bytes"
	"encoding/csv"
	"slices"
	"testing"

	"smt/evaluate"
)

// TestScores writes accuracies, one of them 0, and a translation's chrF, and leaves empty what was not measured.
func TestScores(t *testing.T) {
	cells := []Result{
		{Cell: Cell{Name: "both"}, Tasks: []evaluate.Result{
			{Task: "boolq", Total: 200, Accuracy: 0.5, StandardError: 0.0625},
			{Task: "multi30k", Total: 100, Translation: &evaluate.TranslationScore{BLEU: 5, ChrF: 27.5, ChrFStandardError: 1.5}}}},
		{Cell: Cell{Name: "none right"}, Tasks: []evaluate.Result{{Task: "boolq", Total: 200}}},
		{Cell: Cell{Name: "nothing"}},
	}
	var out bytes.Buffer
	if err := WriteCSV(&out, cells); err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"accuracy_percent_boolq":                {"50", "0", ""},
		"accuracy_percent_standard_error_boolq": {"6.25", "0", ""},
		"chrf_multi30k":                         {"27.5", "", ""},
		"chrf_standard_error_multi30k":          {"1.5", "", ""},
	} {
		at := slices.Index(table[0], name)
		if at < 0 {
			t.Errorf("no column %s in %v", name, table[0])
			continue
		}
		for i, cell := range want {
			if got := table[i+1][at]; got != cell {
				t.Errorf("%s of %q: %q, expected %q", name, cells[i].Name, got, cell)
			}
		}
	}
	for task, want := range map[string]string{"boolq": "%", "multi30k": "chrF", DemoTask: "%"} {
		if got := (Task{Name: task}).unit(); got != want {
			t.Errorf("unit of %s: %q, expected %q", task, got, want)
		}
	}
}
