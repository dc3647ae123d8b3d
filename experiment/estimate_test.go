package experiment

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"smt/recipe"
)

// TestDryRun lists cells and runs none, first in an empty directory, then beside one that has finished.
func TestDryRun(t *testing.T) {
	o := tiny(t, 4)
	o.DryRun = true
	o.Runner = func(context.Context, string, func(recipe.Step)) error { t.Error("a dry run runs"); return nil }
	l, _, err := Perform(context.Background(), Compare, o)
	if err != nil {
		t.Fatal(err)
	}
	e, err := l.Estimate()
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Results) != 7 || len(e.Seconds) != 7 || !(slices.Min(e.Seconds) > 0) || !(e.Total > 0) || !(e.GFLOPS > 0) {
		t.Errorf("%d cells, %+v", len(l.Results), e)
	}

	o.DryRun, o.Runner, o.Seeds = false, InProcess, []int64{1}
	if _, _, err := Perform(context.Background(), Compare, o); err != nil {
		t.Fatal(err)
	}
	o.DryRun, o.Seeds = true, []int64{1, 2}
	if l, _, err = Perform(context.Background(), Compare, o); err != nil {
		t.Fatal(err)
	}
	if e, err = l.Estimate(); err != nil {
		t.Fatal(err)
	}
	for i, r := range l.Results {
		if open := r.Recipe.Seed == 2; r.Planned() != open || (e.Seconds[i] > 0) != open {
			t.Errorf("%s: planned %v, %g s", r.Name, r.Planned(), e.Seconds[i])
		}
	}

	// What is only to be measured costs as much as the model as it is.
	o.Seeds, o.Tasks = []int64{1}, []Task{{Name: DemoTask, File: filepath.Join(filepath.Dir(o.Recipe.Dataset[0]), "heldout.jsonl")}}
	if l, _, err = Perform(context.Background(), Compare, o); err != nil {
		t.Fatal(err)
	}
	if e, err = l.Estimate(); err != nil {
		t.Fatal(err)
	}
	for i, r := range l.Results {
		if chosen := len(r.Test.Sums) > 0; r.Planned() != chosen || (e.Seconds[i] > 0) != chosen || chosen && e.Seconds[i] != e.Seconds[0] {
			t.Errorf("%s, to be measured on a task: planned %v, %g s; the model as it is %g s", r.Name, r.Planned(), e.Seconds[i], e.Seconds[0])
		}
	}
}
