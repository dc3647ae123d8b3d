package config

import (
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTableIsComplete(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	defaults := reflect.ValueOf(Default())
	seen := map[string]bool{}
	for _, key := range Keys() {
		if !name.MatchString(key.Name) || seen[key.Name] {
			t.Errorf("%q is no good name, or used twice", key.Name)
		}
		seen[key.Name] = true
		if key.Help == "" || strings.HasSuffix(key.Help, ".") || strings.Contains(key.Help, "|") {
			t.Errorf("%s: help is %q", key.Name, key.Help)
		}
		if !slices.ContainsFunc(groups, func(g Group) bool { return g.Name == key.Group }) {
			t.Errorf("%s: unknown group %q", key.Name, key.Group)
		}
		if key.Default == "" && key.Kind != String && key.Kind != List && key.Kind != Mapping {
			t.Errorf("%s: a %s needs a default", key.Name, key.Kind)
		}
		if message := key.checkField(defaults.Field(key.field)); message != "" {
			t.Errorf("%s: default: %s", key.Name, message)
		}
	}
	if len(seen) != reflect.TypeFor[Recipe]().NumField()-1 {
		t.Errorf("got %d keys for %d fields", len(seen), reflect.TypeFor[Recipe]().NumField())
	}
	// The groups must follow one another in the table, or a field has slipped behind those of another group.
	var order []string
	for _, key := range Keys() {
		if len(order) == 0 || order[len(order)-1] != key.Group {
			order = append(order, key.Group)
		}
	}
	for i, group := range Groups() {
		if order[i] != group.Name {
			t.Fatalf("groups of the table: %v", order)
		}
	}
	if got := Keys("lora"); len(got) != 3 || got[0].Name != "lora_rank" {
		t.Errorf("Keys(lora): got %v", got)
	}
}

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{"learning_rate": "learning_rate", "lr": "learning_rate", "r": "lora_rank"} {
		if key, ok := Lookup(name); !ok || key.Name != want {
			t.Errorf("Lookup(%s): got %s", name, key.Name)
		}
	}
	if _, ok := Lookup("nothing"); ok {
		t.Error("Lookup finds what is not there")
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"learnig_rate": "learning_rate", "num_train_epoch": "num_train_epochs", "blocksize": "block_size", "wieght_decay": "weight_decay",
		"traget_modules": "target_modules", "savesteps": "save_steps", "": "", "xyz": "", strings.Repeat("seed", 50): "",
	} {
		if got, _ := Nearest(name); got != want {
			t.Errorf("Nearest(%s): got %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"é", "e", 1}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("editDistance(%s, %s): got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestInterval(t *testing.T) {
	for _, c := range []struct {
		text, words string
		in, out     []float64
	}{
		{"[0,1)", "from 0 to below 1", []float64{0, 0.5}, []float64{-1e-9, 1, math.NaN()}},
		{"(0,inf)", "more than 0", []float64{1e-300, math.MaxFloat64}, []float64{0, math.Inf(1), math.NaN()}},
		{"[1,inf)", "1 or more", []float64{1}, []float64{0}},
		{"[0,0]", "only 0", []float64{0}, []float64{1e-9, -1}},
		{"[0,1]", "from 0 to 1", []float64{0, 1}, []float64{2}},
	} {
		i := mustInterval(c.text)
		if i.String() != c.words {
			t.Errorf("%s: got %q, want %q", c.text, i, c.words)
		}
		for _, x := range c.in {
			if !i.contains(x) {
				t.Errorf("%s should contain %g", c.text, x)
			}
		}
		for _, x := range c.out {
			if i.contains(x) {
				t.Errorf("%s should not contain %g", c.text, x)
			}
		}
	}
}

func TestReference(t *testing.T) {
	text := Reference()
	for _, key := range Keys() {
		if !strings.Contains(text, "| `"+key.Name+"` |") {
			t.Errorf("%s is missing", key.Name)
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != 6 {
			t.Errorf("not five columns: %s", line)
		}
	}
}
