package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"smt/dataset"
)

func newSandbox(t *testing.T) *Sandbox {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	s, err := NewSandbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSandbox runs programs that are right, wrong, and bad in every way that a model has found.
func TestSandbox(t *testing.T) {
	s := newSandbox(t)
	t.Log(s.Isolation())
	const right = "def add(a, b):\n    return a + b"
	outside := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(outside, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, program, setup, test string
		want                       string // in the problem; "" for a program that passes
	}{
		{"right", right, "", "assert add(1, 2) == 3", ""},
		{"with a setup", right, "three = 3", "assert add(1, 2) == three", ""},
		{"main", "if __name__ == '__main__':\n    x = 1", "", "assert x == 1", ""},
		{"writes a file", "open('f', 'w').write('x')", "", "assert open('f').read() == 'x'", ""},
		{"output flood", "for i in range(300000): print('x' * 100)\n" + right, "", "assert add(1, 2) == 3", ""},
		{"reads input", "import sys\ntext = sys.stdin.read()", "", "assert text == ''", ""},
		{"empty environment", "import os", "", "assert not set(os.environ) - {'LC_CTYPE', 'PWD', 'SHLVL', '_'}, os.environ", ""},
		{"wrong", "def add(a, b):\n    return a - b", "", "assert add(1, 2) == 3", "AssertionError"},
		{"empty", "", "", "assert add(1, 2) == 3", "NameError: name 'add' is not defined"},
		{"not Python", "def add(a, b) return", "", "assert True", "SyntaxError"},
		{"a zero byte", "x = '\x00'", "", "assert True", "Error: "},
		{"infinite loop", "while True: pass", "", "assert True", "ended before its tests were done"},
		{"sleeps", "import time\ntime.sleep(60)", "", "assert True", "stopped after 3s"},
		{"memory hog", "x = 'x' * (4 << 30)", "", "assert True", "MemoryError"},
		{"deep recursion", "def f(n): return f(n + 1)\nf(0)", "", "assert True", "RecursionError"},
		{"large file", "with open('f', 'w') as f:\n    for i in range(3000): f.write('x' * 1024)", "", "assert True", "File too large"},
		{"ends early", "import sys\nsys.exit(0)", "", "assert False", "ended before its tests were done"},
		{"ends early and hard", "import os\nos._exit(0)", "", "assert False", "ended before its tests were done"},
		{"ends in the test", "class E:\n    def __eq__(self, other):\n        raise SystemExit(0)", "", "assert E() == 1", "ended before its tests were done"},
		{"crashes", "import ctypes\nctypes.string_at(0)", "", "assert True", "ended before"},
		{"floods the report", "import os\nwhile True: os.write(3, b'{' * 65536)", "", "assert False", "stopped"},
		{"says that it passed", "import os\nos.write(3, b'{\"token\": \"\"}')\nos._exit(0)", "", "assert False", "ended before its tests were done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Those that would never end get little time; whether that on the clock or that of the processor is over first is
			// up to the machine.
			s := *s
			if strings.Contains("infinite loop, sleeps, floods the report", c.name) {
				s.Seconds = 1
			}
			problem, err := s.Run(t.Context(), c.program, c.setup, []string{c.test})
			if c.name == "infinite loop" && strings.HasPrefix(problem, "stopped after 3s") {
				return
			}
			if err != nil || (problem == "") != (c.want == "") || !strings.Contains(problem, c.want) {
				t.Errorf("problem %q, %v; expected %q", problem, err, c.want)
			}
		})
	}

	t.Run("outside", func(t *testing.T) {
		if !strings.Contains(s.Isolation(), "read-only") {
			t.Skip("the system cannot isolate files: ", s.Isolation())
		}
		problem, err := s.Run(t.Context(), "open('"+outside+"', 'w')", "", []string{"assert True"})
		if err != nil || !strings.Contains(problem, "Read-only file system") {
			t.Errorf("%q, %v", problem, err)
		}
		if problem, err := s.Run(t.Context(), "import os", "", []string{"assert not os.listdir('/proc'), os.listdir('/proc')"}); err != nil || problem != "" {
			t.Errorf("/proc: %q, %v", problem, err)
		}
	})
	// Somebody listens, so that only the isolation can keep a program from connecting.
	t.Run("network", func(t *testing.T) {
		if !strings.Contains(s.Isolation(), "no network") {
			t.Skip("the system cannot isolate the network: ", s.Isolation())
		}
		server, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		_, port, err := net.SplitHostPort(server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		connect := "import socket\nsocket.create_connection(('127.0.0.1', " + port + "), 5)"
		bare := *s
		bare.wrapper = nil
		if problem, err := bare.Run(t.Context(), connect, "", []string{"assert True"}); err != nil || problem != "" {
			t.Fatalf("without isolation: %q, %v", problem, err)
		}
		if problem, err := s.Run(t.Context(), connect, "", []string{"assert True"}); err != nil || !strings.Contains(problem, "Error: ") {
			t.Errorf("a program has reached a server of the machine: %q, %v", problem, err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Run(ctx, right, "", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestProgram(t *testing.T) {
	for text, want := range map[string]string{
		"def f():\n    return 1\n":                    "def f():\n    return 1",
		"Here:\n```python\ndef f(): pass\n```\nDone.": "def f(): pass",
		"```\n  x = 1\n```\n```\ny = 2\n```":          "  x = 1",
		"```py\nx = 1":                                "x = 1",
		"":                                            "",
		"```":                                         "",
		"\n\n    indented = True\n":                   "    indented = True",
		"```python\r\nx = 1\r\n```":                   "x = 1",
	} {
		if got := program(text); got != want {
			t.Errorf("%q: %q, expected %q", text, got, want)
		}
	}
}

// TestReferencePrograms runs the programs of MBPP's own authors, of which all but a few pass their tests.
func TestReferencePrograms(t *testing.T) {
	path := filepath.Join("..", "..", "shared", "data", "domains", "mbpp_test.json")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not there", path)
	}
	rows, err := dataset.Load([]string{path}, dataset.ReadOptions{Evaluation: true})
	if err != nil {
		t.Fatal(err)
	}
	s := newSandbox(t)
	for i := range rows[:20] {
		if problem, err := s.Run(t.Context(), program(rows[i].Output), rows[i].Setup, rows[i].Tests); err != nil || problem != "" {
			t.Errorf("%s:%d: %q, %v", rows[i].File, rows[i].Line, problem, err)
		}
	}
}

// TestCodeTask judges stored completions, and refuses to without a sandbox.
func TestCodeTask(t *testing.T) {
	task := mustFind(t, "mbpp")
	row := dataset.Row{Format: dataset.FormatInstruction, Instruction: "Add.", Tests: []string{"assert add(1, 2) == 3"}}
	e := newEvaluator(t, "llama")
	if _, _, err := e.Evaluate(t.Context(), task, Greedy, []dataset.Row{row}); !errors.Is(err, ErrCodeExecution) {
		t.Errorf("without a sandbox: error %v", err)
	}
	e.Sandbox = newSandbox(t)
	for output, want := range map[string]bool{"```python\ndef add(a, b):\n    return a + b\n```": true, "def add(a, b): return 4": false} {
		r, err := e.judge(t.Context(), task, &row, Record{Output: output})
		if err != nil || r.Correct != want || r.Value != map[bool]float64{true: 1}[want] || (r.Problem == "") != want {
			t.Errorf("%q: %+v, %v", output, r, err)
		}
	}
	raw, err := json.Marshal(Record{})
	if err != nil || strings.Contains(string(raw), "problem") {
		t.Errorf("%s, %v", raw, err)
	}
}
