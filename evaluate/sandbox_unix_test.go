//go:build unix

package evaluate

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestChildren checks that what a program has started ends with it: in namespaces of its own, and where there is nothing but
// a process group.
func TestChildren(t *testing.T) {
	whole := newSandbox(t)
	group := *whole
	group.wrapper = nil
	for name, s := range map[string]*Sandbox{"as isolated as the system allows": whole, "process group": &group} {
		t.Run(name, func(t *testing.T) {
			// A pipe with a name can be written to even where all files are read-only, and ends when its last writer does.
			path := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			pipe, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer pipe.Close()
			child := "pipe = open(" + strconv.Quote(path) + ", 'w', 1)\nprint('runs', file=pipe)\nprint('started', flush=True)\nimport time\ntime.sleep(60)"
			program := "import subprocess, sys\n" +
				"child = subprocess.Popen([sys.executable, '-I', '-S', '-c', " + strconv.Quote(child) + "], stdout=subprocess.PIPE)\n" +
				"line = child.stdout.readline()"
			if problem, err := s.Run(t.Context(), program, "", []string{"assert line == b'started\\n', line"}); err != nil || problem != "" {
				t.Fatalf("%q, %v", problem, err)
			}
			// The child would sleep for much longer than this.
			if err := pipe.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if said, err := io.ReadAll(pipe); err != nil || string(said) != "runs\n" {
				t.Errorf("a process that the program started has outlived it: %q, %v", said, err)
			}
		})
	}
}
