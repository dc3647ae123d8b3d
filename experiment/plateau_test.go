package experiment

import (
	"context"
	"slices"
	"strings"
	"testing"

	"smt/config"
)

// at is a contender at a budget whose runs have the given loss on each of a few rows, or no runs.
func at(budget string, losses ...float64) Tuned {
	t := Tuned{Contender: Contender{Labels: []Label{{"budget_percent", budget}}}}
	if len(losses) > 0 {
		rows := RowLosses{Sums: losses}
		for range losses {
			rows.Tokens = append(rows.Tokens, 1)
		}
		t.Runs = []Result{{Status: Done, Test: rows}}
	}
	return t
}

// TestPlateauAnswer asks for what runs at some budgets tell, and what they do not.
func TestPlateauAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		of   []Tuned
		want string
	}{
		"one budget":             {[]Tuned{at("1", 2, 3)}, "is not known: a comparison needs two"},
		"the largest has no run": {[]Tuned{at("1", 2, 3), at("2", 1, 2), at("4")}, "is not known: of 3 budgets, 2 have a run"},
		"only the largest has":   {[]Tuned{at("1"), at("2", 1, 2)}, "is not known: of 2 budgets, 1 have a run"},
		"one row":                {[]Tuned{at("1", 2), at("2", 1)}, "is not known: a difference over 1 test row"},
		"a gain":                 {[]Tuned{at("1", 2, 3), at("2", 1.5, 2.5)}, "smt still gains at the largest budget."},
		"none between":           {[]Tuned{at("1", 2, 3, 4), at("2"), at("4", 1, 2, 3), at("8", 1.1, 1.9, 3.1)}, "smt has a plateau from 4 % on: no larger budget gains more than two standard errors; one loses 0.0333."},
		"small gains that add up": {[]Tuned{at("1", 1, 2, 1, 2), at("2", 0.99, 1.97, 0.99, 1.97), at("3", 0.98, 1.94, 0.98, 1.94), at("4", 0.97, 1.91, 0.97, 1.91)},
			"smt still gains at the largest budget."},
	} {
		l := &Lab{}
		got, err := l.plateauAnswer(config.SMT, c.of)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
		if noted := len(l.Found) > 0; noted != strings.Contains(c.want, "plateau") {
			t.Errorf("%s: signatures %v", name, l.Found)
		}
	}
}

// TestBudgetsAscend gives budgets in another order, one of them twice.
func TestBudgetsAscend(t *testing.T) {
	o := oneRate(t)
	o.DryRun, o.Methods, o.Budgets = true, []string{config.SMT}, []float64{0.049, 0.01, 0.049}
	l, _, err := Perform(context.Background(), Plateau, o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range l.Results {
		got = append(got, r.Label("budget_percent"))
	}
	if want := []string{"1", "4.9"}; !slices.Equal(got, want) {
		t.Errorf("budgets %v, expected %v", got, want)
	}
}
