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
