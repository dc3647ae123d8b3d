package experiment

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smt/config"
	"smt/internal/finite"
	"smt/recipe"
)

// pretend is a runner that trains nothing: a cell's validation loss is that of the function, and its end what end says.
func pretend(t *testing.T, loss func(Cell) float64, end func(Cell) error) Runner {
	return func(_ context.Context, dir string, _ func(recipe.Step)) error {
		var c Cell
		if err := readJSON(filepath.Join(dir, cellFile), &c); err != nil {
			t.Fatal(err)
		}
		if err := end(c); err != nil {
			return err
		}
		kept := adapterDir
		if c.Recipe.FinetuningType == config.Full {
			kept = modelDir
		}
		if err := os.MkdirAll(filepath.Join(dir, runDir, kept), 0o777); err != nil {
			t.Fatal(err)
		}
		x := loss(c)
		r := Result{Cell: c, ID: c.ID(), Status: Done, Dir: dir, Validation: RowLosses{Sums: []float64{x, x}, Tokens: []int{1, 1}}}
		return writeJSON(filepath.Join(dir, resultFile), r)
	}
}

// openLab opens a lab that is closed when the test ends.
func openLab(t *testing.T, o Options) *Lab {
	t.Helper()
	l, err := NewLab(context.Background(), o, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// TestHopeless lets cells end with exit codes: what is said of recipe, model or rows ends the experiment as long as no cell has come to
// its end, and is about the one cell after that. A full disk is about all.
func TestHopeless(t *testing.T) {
	o := tiny(t, 1)
	for name, c := range map[string]struct {
		at    int // the cell that fails
		code  int
		ended bool
	}{
		"bad data at once":         {0, 65, true},
		"bad data of one cell":     {1, 65, false},
		"a bad model at once":      {0, 66, true},
		"a bad model of one cell":  {1, 66, false},
		"wrong use of one cell":    {1, 2, false},
		"a full disk in the end":   {1, 74, true},
		"a crash of the first one": {0, 1, false},
	} {
		o.Dir = t.TempDir()
		names := []string{"one", "two", "three"}
		o.Runner = pretend(t, func(Cell) float64 { return 1 }, func(cell Cell) error {
			if cell.Name == names[c.at] {
				return &CellError{c.code, "smt: told to fail"}
			}
			return nil
		})
		l := openLab(t, o)
		var cells []Cell
		for i, name := range names {
			cells = append(cells, l.Cell(name, config.SMT, WithSeed(o.Recipe, int64(i))))
		}
		results, err := l.Run(context.Background(), "test", cells)
		if c.ended {
			if code, ok := ExitCode(err); !ok || code != c.code {
				t.Errorf("%s: %v, expected the end with code %d", name, err, c.code)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, r := range results {
			if want := map[bool]string{true: Failed, false: Done}[i == c.at]; r.Status != want {
				t.Errorf("%s: cell %s is %s, expected %s", name, r.Name, r.Status, want)
			}
		}
	}
}

// TestDivergedAtTheEnd trains one step at rates at which no loss tells that the weights have overflowed: they cannot be written, or
// what they compute is no number. Both are results.
func TestDivergedAtTheEnd(t *testing.T) {
	o := tiny(t, 1)
	o.Recipe.ValSize = 4
	for name, c := range map[string]struct {
		method string
		rate   float64
		want   string
	}{
		"an adapter that is not finite":  {config.LoRA, 1e39, "export: "},
		"a model that is not finite":     {config.Full, 1e38, "not finite"},
		"blocks whose loss is no number": {config.SMT, 1e30, "the loss is"},
	} {
		o.Dir = t.TempDir()
		l := openLab(t, o)
		r, err := l.RecipeOf(c.method, 0)
		if err != nil {
			t.Fatal(err)
		}
		results, err := l.Run(context.Background(), "test", []Cell{l.Cell("one", c.method, WithRate(r, c.rate))})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := results[0]; got.Status != Diverged || !strings.Contains(got.Error, c.want) || len(got.Losses) != 1 || !finite.Is(got.Losses[0]) {
			t.Errorf("%s: %s %q after losses %v, expected %q", name, got.Status, got.Error, got.Losses, c.want)
		}
		if !slices.ContainsFunc(results[0].Signatures, func(s Signature) bool { return s.Kind == NotFinite }) {
			t.Errorf("%s: signatures %v do not say so", name, results[0].Signatures)
		}
	}
}

// TestRuledOut plans a comparison whose recipe rules a method out: it is left out, and the others are run.
func TestRuledOut(t *testing.T) {
	o := tiny(t, 1)
	o.DryRun, o.Methods, o.Recipe.TargetModules = true, []string{config.SMT, "v_only", config.LoRA}, []string{"q_proj", "k_proj"}
	l, _, err := Perform(context.Background(), Compare, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range l.Results {
		if r.Method == "v_only" {
			t.Errorf("%s would be run", r.Name)
		}
	}
	if len(l.Results) < 5 || !slices.ContainsFunc(l.Skipped, func(s string) bool { return strings.HasPrefix(s, "v_only: ") && strings.Contains(s, "needs v_proj") }) {
		t.Errorf("%d cells; left out: %q", len(l.Results), l.Skipped)
	}
}

// TestFewerBlocks asks for more blocks than V has: v_only misses the budget.
func TestFewerBlocks(t *testing.T) {
	o := tiny(t, 1)
	o.DryRun, o.Methods, o.Recipe.TrainableRatio = true, []string{config.SMT, "random", "v_only"}, 0.09
	l, _, err := Perform(context.Background(), Compare, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Found) != 1 || l.Found[0].Kind != BudgetMissed || !strings.HasPrefix(l.Found[0].Text, "v_only trains ") {
		t.Errorf("found %+v, expected a budget that v_only misses", l.Found)
	}
}
