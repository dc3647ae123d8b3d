package experiment

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckTasks opens tasks with rows that cannot be judged: what is in the way shows before anything is trained, and rows whose
// sub-task has no two labels do not count towards the limit.
func TestCheckTasks(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "rows.json")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const open = `{"instruction": "q", "answer": "x", "task": "alone"}`
	const yes, no = `{"instruction": "q", "answer": "yes", "task": "two"}`, `{"instruction": "q", "answer": "no", "task": "two"}`
	for name, c := range map[string]struct {
		task, rows, want string
	}{
		"labels":          {"legalbench", "[" + open + "," + yes + "," + no + "]", ""},
		"no labels":       {"legalbench", "[" + open + "]", "no row has a closed set of labels"},
		"a number":        {"gsm8k", `[{"instruction": "q", "answer": "7"}, {"instruction": "q", "answer": "8"}]`, ""},
		"no number":       {"gsm8k", `[{"instruction": "q", "answer": "7"}, {"instruction": "q", "answer": "seven"}]`, "expected a number"},
		"beyond the file": {"gsm8k", `[]`, "rows"},
	} {
		given := []Task{{Name: c.task, File: file(c.rows), Limit: 2}}
		tasks, err := checkTasks(given)
		if c.want != "" {
			if err == nil || !strings.HasPrefix(err.Error(), "task "+c.task+"=") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, expected %q", name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, _, rows, err := tasks[0].open(); err != nil || len(rows) != 2 {
			t.Errorf("%s: %d rows, expected 2 (%v)", name, len(rows), err)
		}
		if tasks[0].Digest == "" || given[0].Digest != "" {
			t.Errorf("%s: digest %q, and %q of the task that was given", name, tasks[0].Digest, given[0].Digest)
		}
	}
}

// TestSameTask compares tasks: the rows matter and not where they lie; what an earlier version stored does not tell of its rows.
func TestSameTask(t *testing.T) {
	task := Task{Name: "boolq", File: "a.json", Limit: 200, Digest: "1"}
	moved, edited, unknown, fewer := task, task, task, task
	moved.File, edited.Digest, unknown.Digest, fewer.Limit = "b.json", "2", "", 10
	for name, c := range map[string]struct {
		other Task
		want  bool
	}{"itself": {task, true}, "moved": {moved, true}, "edited": {edited, false}, "unknown": {unknown, false}, "fewer rows": {fewer, false}} {
		for _, got := range []bool{task.same(c.other), c.other.same(task)} {
			if got != c.want {
				t.Errorf("%s: same %t, expected %t", name, got, c.want)
			}
		}
		if sameFile := task.records() == c.other.records(); sameFile != c.want {
			t.Errorf("%s: the same records %t, expected %t", name, sameFile, c.want)
		}
	}
	if got := (Measures{Tasks: []Task{unknown, fewer}}).told([]Task{task}).Tasks; got[0] != task || got[1] != fewer {
		t.Errorf("told of %v: %v", task, got)
	}
}
