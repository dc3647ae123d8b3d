package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// Names of what is not finished: "model.smt-tmp-123" is being written by process 123, and "model.smt-old-123" is the directory
// that process 123 is about to replace by it. The marks name the program because [RemoveStale] deletes what bears them: people
// call their own copies model.old-20240115.
const (
	tempMark = ".smt-tmp-"
	oldMark  = ".smt-old-"
)

// claimed holds the temporary paths that this process is writing now. It tells them from those of an earlier process
// that had the same id, which is common in containers.
var claimed sync.Map

func claim(path string) bool {
	_, taken := claimed.LoadOrStore(absolute(path), true)
	return !taken
}

func release(path string) { claimed.Delete(absolute(path)) }

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return filepath.Clean(path)
}

// RemoveStale clears from the directory parent what processes that no longer run have left unfinished, and puts back a
// directory whose replacement was cut off between its two renames. What living processes write is not touched. It returns
// the names that it removed or put back, sorted; a parent that does not exist has none. What resists, being another user's perhaps,
// is in the error and keeps nothing else from being cleared.
//
// Process ids mean something only on one machine: do not call it where several machines write into the same parent.
func RemoveStale(parent string) ([]string, error) {
	entries, err := os.ReadDir(parent)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("durable: %w", err)
	}
	var (
		cleared  []string
		resisted []error
	)
	for _, entry := range entries {
		name, path := entry.Name(), filepath.Join(parent, entry.Name())
		final, mark, pid, ok := splitMark(name)
		if !ok || inUse(path, pid) {
			continue
		}
		if mark == oldMark && !exists(filepath.Join(parent, final)) {
			err = os.Rename(path, filepath.Join(parent, final))
		} else {
			err = os.RemoveAll(path)
		}
		if err != nil {
			resisted = append(resisted, fmt.Errorf("durable: %w", err))
			continue
		}
		cleared = append(cleared, name)
	}
	if len(cleared) > 0 {
		resisted = append(resisted, explain(parent, syncDirectory(parent)))
	}
	return cleared, errors.Join(resisted...)
}

// splitMark takes "model.smt-tmp-123" apart into "model", ".smt-tmp-" and 123.
func splitMark(name string) (final, mark string, pid int, ok bool) {
	for _, mark := range []string{tempMark, oldMark} {
		at := strings.LastIndex(name, mark)
		if at <= 0 {
			continue
		}
		digits := name[at+len(mark):]
		pid, err := strconv.Atoi(digits)
		if err == nil && pid > 0 && strconv.Itoa(pid) == digits {
			return name[:at], mark, pid, true
		}
	}
	return "", "", 0, false
}

// inUse reports whether process pid still writes path.
func inUse(path string, pid int) bool {
	if pid == os.Getpid() {
		_, ours := claimed.Load(absolute(path))
		return ours
	}
	return isAlive(pid)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
