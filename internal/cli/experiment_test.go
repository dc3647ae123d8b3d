package cli

import (
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"smt/experiment"
)

// TestExperimentUsage checks what is refused before a model is trained.
func TestExperimentUsage(t *testing.T) {
	modelDir, dir := evalFiles(t)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"task":               {[]string{"--tasks", "boolq"}, ExitUsage, "expected TASK=FILE with one of boolq"},
		"code":               {[]string{"--tasks", "mbpp=" + dir + "/mbpp.json"}, ExitUsage, "--allow_code_execution"},
		"protocol":           {[]string{"--tasks", "boolq=" + dir + "/boolq.json", "--protocol", "zero"}, ExitUsage, `protocol "zero": expected one of`},
		"protocol of a task": {[]string{"--tasks", "multi30k=" + dir + "/multi30k.json", "--protocol", "likelihood"}, ExitUsage, "no options to compare"},
		"no file":            {[]string{"--tasks", "boolq=" + dir + "/none.json"}, ExitIO, "task boolq=" + dir + "/none.json"},
		"rates":              {[]string{"--learning_rates", "lora=fast"}, ExitUsage, `--learning_rates lora=fast: got "fast"`},
		"rates of no method": {[]string{"--learning_rates", "loar=1e-4"}, ExitUsage, `--learning_rates loar=1e-4: experiment: method "loar": expected one of smt`},
		"budgets":            {[]string{"--budgets", "0"}, ExitUsage, `--budgets: got "0"`},
	} {
		out := filepath.Join(t.TempDir(), "out")
		code, _, errOut := run(t, append([]string{"compare", "--model_name_or_path", modelDir, "--dataset", dir + "/boolq.json", "--output_dir", out}, c.args...)...)
		if code != c.code || !strings.Contains(errOut, c.want) {
			t.Errorf("%s: exit %d, expected %d and %q: %s", name, code, c.code, c.want, errOut)
		}
		if left, _ := filepath.Glob(out + "/*"); len(left) > 0 {
			t.Errorf("%s: it left %v", name, left)
		}
	}
}

// TestLearningRateFlags checks that the order of --learning_rates does not matter, and that rates for all methods take the place of
// the demo's, which are one grid for each.
func TestLearningRateFlags(t *testing.T) {
	demo := map[string][]float64{"smt": {5e-3}, "lora": {2e-3}}
	for name, c := range map[string]struct {
		flags []string
		want  map[string][]float64
	}{
		"none":          {nil, demo},
		"one":           {[]string{"lora=1e-4"}, map[string][]float64{"smt": {5e-3}, "lora": {1e-4}}},
		"all":           {[]string{"1e-3,2e-3"}, map[string][]float64{"": {1e-3, 2e-3}}},
		"one, then all": {[]string{"smt=3e-4", "1e-4"}, map[string][]float64{"smt": {3e-4}, "": {1e-4}}},
		"all, then one": {[]string{"1e-4", "smt=3e-4"}, map[string][]float64{"smt": {3e-4}, "": {1e-4}}},
		"a block score": {[]string{"=1e-4", "v_only=3e-4"}, map[string][]float64{"smt": {5e-3}, "lora": {2e-3}, "": {1e-4}, "v_only": {3e-4}}},
		"later ones":    {[]string{"1e-4", "smt=3e-4", "2e-4", "smt=5e-4"}, map[string][]float64{"smt": {5e-4}, "": {2e-4}}},
	} {
		o := experiment.Options{Rates: maps.Clone(demo)}
		f := experimentFlags{rates: c.flags}
		if err := f.fill(&o); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(o.Rates, c.want) {
			t.Errorf("%s: got %v, expected %v", name, o.Rates, c.want)
		}
	}
}
