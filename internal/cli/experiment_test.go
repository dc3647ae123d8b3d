package cli

import (
	"path/filepath"
	"strings"
	"testing"
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
