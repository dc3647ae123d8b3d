package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCacheDir(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	variables := []string{"XDG_CACHE_HOME", "HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"}
	for _, variable := range variables {
		t.Setenv(variable, "")
	}
	want := []string{filepath.Join(home, ".cache", "huggingface", "hub"), filepath.Join("/xdg", "huggingface", "hub"),
		filepath.Join(home, "hf", "hub"), "/legacy", "/cache"}
	values := []string{"", "/xdg", "~/hf", "/legacy", "/cache"}
	for i := range want {
		if i > 0 { // each one wins over those before
			t.Setenv(variables[i-1], values[i])
		}
		if got, err := cacheDir(); err != nil || got != want[i] {
			t.Errorf("got %s, %v, expected %s", got, err, want[i])
		}
	}
}

// A complete cache is only read. The test may run as root, whom no permissions keep from writing: it looks at what has changed.
func TestResolveOnlyReadsACompleteCache(t *testing.T) {
	newFakeHub(t)
	dir, err := Resolve(context.Background(), "owner/name", nil)
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(os.Getenv("HF_HOME"), "hub")
	if err := os.RemoveAll(filepath.Join(cache, ".locks")); err != nil {
		t.Fatal(err)
	}
	ref := filepath.Join(dir, "..", "..", "refs", "main")
	before, err := os.Stat(ref)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Resolve(context.Background(), "owner/name", nil); got != dir || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if exists(filepath.Join(cache, ".locks")) {
		t.Error("the cache was locked")
	}
	if after, err := os.Stat(ref); err != nil || !os.SameFile(before, after) {
		t.Errorf("refs/main was written again (%v)", err)
	}
	// A file that is missing is brought back, and a revision that changes is recorded.
	if err := os.Remove(filepath.Join(dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ref, []byte(strings.Repeat("f", len(testCommit))), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(context.Background(), "owner/name", nil); err != nil || !exists(filepath.Join(dir, "config.json")) {
		t.Errorf("config.json did not come back: %v", err)
	}
	if content, err := os.ReadFile(ref); err != nil || string(content) != testCommit {
		t.Errorf("refs/main is %q, %v", content, err)
	}
}

// TestReadOnlySnapshot: a snapshot that no one may add to will do if it holds what a model needs, and an error that tells of anything
// else stays.
func TestReadOnlySnapshot(t *testing.T) {
	folder := cacheFolder{path: t.TempDir()}
	dir := folder.snapshot(testCommit)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	denied := fmt.Errorf("LICENSE: %w", localError{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}})
	for _, file := range []string{"config.json", singleFile} {
		if folder.servesReadOnly(testCommit, denied) {
			t.Errorf("a snapshot without %s will do", file)
		}
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for err, want := range map[error]bool{denied: true, fmt.Errorf("durable: x: %w", syscall.EROFS): true, syscall.ENOSPC: false, errors.New("x"): false} {
		if got := folder.servesReadOnly(testCommit, err); got != want {
			t.Errorf("%v: %t, expected %t", err, got, want)
		}
	}
}

// TestResolveReadOnly takes what another tool has downloaded, without the licence and for another branch, into a cache that may not be
// written.
func TestResolveReadOnly(t *testing.T) {
	if os.Geteuid() <= 0 {
		t.Skip("no permissions keep root, or Windows, from writing")
	}
	newFakeHub(t)
	dir, err := Resolve(context.Background(), "owner/name", nil)
	if err != nil {
		t.Fatal(err)
	}
	ref := filepath.Join(dir, "..", "..", "refs", "main")
	for _, missing := range []string{ref, filepath.Join(dir, "LICENSE")} {
		if err := os.Remove(missing); err != nil {
			t.Fatal(err)
		}
		for _, closed := range []string{dir, filepath.Dir(ref), filepath.Join(dir, "..", "..", "blobs"), filepath.Join(os.Getenv("HF_HOME"), "hub", ".locks")} {
			if err := os.Chmod(closed, 0o555); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(closed, 0o777)
		}
		if got, err := Resolve(context.Background(), "owner/name", nil); got != dir || err != nil {
			t.Errorf("without %s: got %s, %v", missing, got, err)
		}
		for _, open := range []string{dir, filepath.Dir(ref)} {
			if err := os.Chmod(open, 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
}
