package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func newDir(t *testing.T, path string, overwrite bool) *Dir {
	t.Helper()
	d, err := NewDir(path, overwrite)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Discard() })
	return d
}

func TestDirCommit(t *testing.T) {
	parent := t.TempDir()
	final := filepath.Join(parent, "out", "model")
	d := newDir(t, final, false)
	for name, content := range map[string]string{"config.json": "{}", "nested/deep/a.txt": "a", "empty": ""} {
		if err := d.WriteFile(name, text(content)); err != nil {
			t.Fatal(err)
		}
	}
	if exists(final) {
		t.Fatal("the directory is visible before Commit")
	}
	if _, err := NewDir(final, false); err == nil {
		t.Fatal("two writers of one directory")
	}
	if err := d.WriteManifest(); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	expectContent(t, filepath.Join(final, "nested", "deep", "a.txt"), "a")
	if err := Verify(final); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err == nil {
		t.Error("the second Commit succeeded")
	}
	if err := d.Discard(); err != nil {
		t.Error(err)
	}
	if got := names(t, filepath.Dir(final)); !slices.Equal(got, []string{"model"}) {
		t.Errorf("parent holds %q", got)
	}
}

func TestDirDiscardAndErrors(t *testing.T) {
	parent := t.TempDir()
	final := filepath.Join(parent, "model")
	d := newDir(t, final, false)
	for _, name := range []string{"../outside", "/absolute", ""} {
		if err := d.WriteFile(name, text("x")); err == nil {
			t.Errorf("WriteFile(%q) succeeded", name)
		}
	}
	cause := errors.New("stop")
	if err := d.WriteFile("a", func(io.Writer) error { return cause }); err != cause {
		t.Errorf("got %v, expected %v", err, cause)
	}
	if got := names(t, d.Path()); len(got) != 0 {
		t.Errorf("files left: %q", got)
	}
	if err := d.Discard(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, parent); len(got) != 0 {
		t.Errorf("parent holds %q", got)
	}
	for _, path := range []string{"/", "..", "."} {
		if _, err := NewDir(path, true); err == nil {
			t.Errorf("NewDir(%q) succeeded", path)
		}
	}
}

func TestDirNeverReplacesUnasked(t *testing.T) {
	parent := t.TempDir()
	final := filepath.Join(parent, "model")
	if err := os.Mkdir(final, 0o777); err != nil {
		t.Fatal(err)
	}
	write := func(content string, overwrite bool) error {
		d, err := NewDir(final, overwrite)
		if err != nil {
			return err
		}
		defer d.Discard()
		if err := d.WriteFile("a", text(content)); err != nil {
			return err
		}
		return d.Commit()
	}
	if err := write("first", false); err != nil {
		t.Fatalf("an empty directory stood in the way: %v", err)
	}
	if err := write("second", false); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "not empty") {
		t.Fatalf("got %v, expected fs.ErrExist", err)
	}
	expectContent(t, filepath.Join(final, "a"), "first")
	if err := write("third", true); err != nil {
		t.Fatal(err)
	}
	expectContent(t, filepath.Join(final, "a"), "third")
	if got := names(t, parent); !slices.Equal(got, []string{"model"}) {
		t.Errorf("parent holds %q", got)
	}
	file := filepath.Join(final, "a")
	if _, err := NewDir(file, true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v: a file would be replaced by a directory", err)
	}
}

// What comes to lie at the place while a directory is being filled is not replaced unasked either.
func TestCommitLooksAgain(t *testing.T) {
	final := filepath.Join(t.TempDir(), "model")
	d := newDir(t, final, false)
	if err := d.WriteFile("a", text("ours")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(final, 0o777); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(final, "a")
	if err := os.WriteFile(theirs, []byte("theirs"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "durable: "+final+": is not empty") {
		t.Errorf("got %v, expected fs.ErrExist", err)
	}
	expectContent(t, theirs, "theirs")
	if err := os.Remove(theirs); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	expectContent(t, theirs, "ours")
}

func TestVerifyNamesTheFile(t *testing.T) {
	build := func(t *testing.T) string {
		final := filepath.Join(t.TempDir(), "checkpoint")
		d := newDir(t, final, false)
		for _, name := range []string{"a.bin", "b.bin", "sub/c.bin"} {
			if err := d.WriteFile(name, text("content of "+name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.WriteManifest(); err != nil {
			t.Fatal(err)
		}
		if err := d.Commit(); err != nil {
			t.Fatal(err)
		}
		return final
	}
	write := func(t *testing.T, path, content string) {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name, want string
		damage     func(t *testing.T, dir string)
	}{
		{"untouched", "", func(*testing.T, string) {}},
		{"locked", "", func(t *testing.T, dir string) { write(t, filepath.Join(dir, LockName), "1") }},
		{"bit flip", "b.bin: SHA-256", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "b.bin"), "content of B.bin") }},
		{"truncated", "c.bin: has 3 bytes", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "sub", "c.bin"), "con") }},
		{"removed", "a.bin: is in manifest.json", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "a.bin")) }},
		{"added", "z.bin: is not in manifest.json", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "z.bin"), "") }},
		{"no manifest", "manifest.json", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, ManifestName)) }},
		{"not JSON", "manifest.json", func(t *testing.T, dir string) { write(t, filepath.Join(dir, ManifestName), "{") }},
		{"leaves", "not that of a file in the directory", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ManifestName), `{"files":[{"path":"../x","size":1,"sha256":""}]}`)
		}},
		{"twice", "sorted order", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ManifestName), `{"files":[{"path":"a.bin"},{"path":"a.bin"}]}`)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := build(t)
			c.damage(t, dir)
			err := Verify(dir)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, expected %q", err, c.want)
			}
		})
	}
}

// TestContains checks where a path lies, also through symbolic links.
func TestContains(t *testing.T) {
	root := t.TempDir()
	model, beside := filepath.Join(root, "out", "model"), filepath.Join(root, "out2")
	for _, dir := range []string{model, beside} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(root, "link")
	if err := os.Symlink(model, link); err != nil {
		t.Skip("no symbolic links here")
	}
	out := filepath.Join(root, "out")
	for _, c := range []struct {
		dir, path string
		want      bool
	}{
		{out, model, true}, {out, out, true}, {out, link, true}, {link, model, true}, {out, filepath.Join(beside, "..", "out", "model"), true},
		{out, beside, false}, {model, out, false}, {out, root, false}, {out, filepath.Join(out, "none"), false}, {filepath.Join(root, "none"), model, false},
	} {
		if got := Contains(c.dir, c.path); got != c.want {
			t.Errorf("Contains(%s, %s) = %v, expected %v", c.dir, c.path, got, c.want)
		}
	}
}
