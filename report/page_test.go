package report

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPage writes a page with hostile names and looks that nothing of them is markup, and that nothing is loaded.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	if err := Intervals(filepath.Join(dir, "a.png"), "t", "x", []Interval{{"smt", 1, 0.1}, {"lora", 2, 0}}, true); err != nil {
		t.Fatal(err)
	}
	evil := `<script src="http://example.org/x.js">alert(1)</script>&"'`
	p := Page{Title: evil, Question: evil, Answers: []string{evil}, Method: []string{evil}, Commands: []string{evil}, Warnings: []Warning{{evil, evil, evil}},
		Facts: []Fact{{evil, evil}}, Sections: []Section{{Title: evil, Text: []string{evil}, Tables: []Table{{Title: evil, Header: []string{evil, "n"},
			Rows: [][]string{{evil, "1"}}, Note: evil, Strong: 1}}, Figures: []Figure{{"a.png", evil}}}}}
	path := filepath.Join(dir, "report.html")
	if err := p.Write(path, dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, bad := range []string{"<script", "<link", "@import", "url("} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %s", bad)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)\s*=\s*"([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(m[1], "data:image/png;base64,iVBOR") {
			t.Errorf("the page refers to %.60s", m[1])
		}
	}
	if n := strings.Count(page, "&lt;script"); n != 19 {
		t.Errorf("the name stands escaped in %d places, expected 19", n)
	}
	p.Sections[0].Figures[0].File = "none.png"
	if p.Write(path, dir) == nil {
		t.Error("a figure that is not there is no error")
	}
}

func TestCharts(t *testing.T) {
	dir := t.TempDir()
	nan := []float64{0.1, 0.2}
	for name, draw := range map[string]func(string) error{
		"lines": func(path string) error {
			return Lines(path, Axes{Title: "t", X: "x", Y: "y", LogX: true, Zero: true}, []Curve{{Series{"a", []float64{1e-4, 1e-3}, []float64{2, 1}}, nan}, {Series{"b", []float64{0, 1e-3}, []float64{2, 1}}, nil}})
		},
		"points": func(path string) error {
			return Points(path, Axes{Title: "t", LogX: true}, []Series{{"a", []float64{1e-4, 1e-3}, []float64{2, 1}}})
		},
		"matrix": func(path string) error {
			return Matrix(path, Axes{Title: "t"}, []string{"a", "b"}, []string{"c"}, [][]float64{{1}, {0.2}})
		},
	} {
		path := filepath.Join(dir, name+".png")
		if err := draw(path); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, colours := picture(t, path); colours < 10 {
			t.Errorf("%s: %d colours", name, colours)
		}
	}
	if Lines(filepath.Join(dir, "none.png"), Axes{}, nil) == nil {
		t.Error("a chart without curves is no error")
	}
}
