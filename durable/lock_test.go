package durable

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestLockTellsTheHolder(t *testing.T) {
	dir := t.TempDir()
	release, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got %v, expected the directory and our process id", err)
	}
	release()
	release()
	again, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
	if _, err := Lock(filepath.Join(dir, "missing")); err == nil {
		t.Error("locked a missing directory")
	}
}

// A file is locked as long as it is open, whoever opens it a second time.
func TestLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	open := func() *os.File {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return file
	}
	first, second := open(), open()
	if err := LockFile(first); err != nil {
		t.Fatal(err)
	}
	if err := LockFile(second); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, expected the file and that it is locked", err)
	}
	first.Close()
	if err := LockFile(second); err != nil {
		t.Errorf("after the first is closed: %v", err)
	}
}

// Whoever wins, never are there two holders, though every release removes the file.
func TestLockExcludes(t *testing.T) {
	dir := t.TempDir()
	var holders, wins int
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 200 {
				release, err := Lock(dir)
				if err != nil {
					if !errors.Is(err, ErrLocked) {
						t.Error(err)
					}
					continue
				}
				mu.Lock()
				holders++
				wins++
				if holders != 1 {
					t.Errorf("%d holders at once", holders)
				}
				mu.Unlock()
				mu.Lock()
				holders--
				mu.Unlock()
				release()
			}
		})
	}
	wait.Wait()
	if wins == 0 {
		t.Error("nobody ever got the lock")
	}
}
