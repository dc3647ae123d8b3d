package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// names lists a directory, so that tests see what was left behind.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func expectContent(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatalf("%s: got %q, expected %q", path, got, want)
	}
}

func TestWriteFileReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	for _, content := range []string{"first", "", strings.Repeat("long", 1<<20)} {
		if err := WriteFile(path, text(content)); err != nil {
			t.Fatal(err)
		}
		expectContent(t, path, content)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Fatalf("files left: %q", got)
	}
}

func TestWriteFileKeepsTheOldContentOnFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	if err := WriteFile(path, text("old")); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("export: tensor is not finite")
	err := WriteFile(path, func(w io.Writer) error {
		w.Write(bytes.Repeat([]byte("new"), 1<<20))
		return cause
	})
	if err != cause {
		t.Fatalf("got %v, expected the writer's own error", err)
	}
	func() {
		defer func() { recover() }()
		WriteFile(path, func(io.Writer) error { panic("bug") })
	}()
	expectContent(t, path, "old")
	if got := names(t, dir); len(got) != 1 {
		t.Fatalf("files left: %q", got)
	}
}

func TestWriteFileErrorsNameThePath(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{
		filepath.Join(dir, "missing", "a.json"),
		dir + string(filepath.Separator),
	} {
		err := WriteFile(path, text("x"))
		if err == nil || !strings.HasPrefix(err.Error(), "durable: ") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, expected an error with the path", path, err)
		}
	}
	folder := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(folder, "inside"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(folder, text("x")); err == nil {
		t.Error("a file replaced a directory")
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("files left: %q", got)
	}
}

// A disk that is full is told by the path and the room that is left, whatever the writer makes of it.
func TestExplainDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not", "yet", "there")
	err := explain(path, &os.PathError{Op: "write", Path: "temp", Err: errDiskFull})
	for _, want := range []string{"durable: " + path, "disk is full", "bytes are free"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, expected it to contain %q", err, want)
		}
	}
	if !errors.Is(err, errDiskFull) {
		t.Errorf("%v does not wrap the system's error", err)
	}
}

func TestRequire(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	for _, size := range []int64{-1, 0, 1} {
		if err := Require(path, size); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	err := Require(path, 1<<62)
	if !errors.Is(err, errDiskFull) || !strings.Contains(err.Error(), fmt.Sprint(int64(1)<<62)) {
		t.Errorf("got %v, expected a full disk and the size", err)
	}
}
