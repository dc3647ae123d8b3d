package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// LockName is the file that [Lock] makes in the directory it locks.
const LockName = ".lock"

// ErrLocked is what the errors of [Lock] and [LockFile] wrap if another process, or this one, holds the lock.
var ErrLocked = errors.New("locked")

// Lock takes the exclusive lock of an existing directory, or fails at once with the id of the process that holds it. The
// lock ends with release, which may be called more than once, or with the process, however it ends.
func Lock(dir string) (release func(), err error) {
	path := filepath.Join(dir, LockName)
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, explain(path, err)
		}
		held, err := tryLock(file)
		if err != nil {
			file.Close()
			return nil, explain(path, err)
		}
		if !held {
			holder := readHolder(file)
			file.Close()
			return nil, fmt.Errorf("durable: %s: is in use by %s; wait for it or stop it: %w", dir, holder, ErrLocked)
		}
		// The holder before us may have removed the file between our open and our lock: then the lock is of no use.
		if !isSameFile(file, path) {
			file.Close()
			continue
		}
		if err := writeHolder(file); err != nil {
			file.Close()
			return nil, explain(path, err)
		}
		return sync.OnceFunc(func() { unlock(file, path) }), nil
	}
}

// LockFile takes the exclusive lock of an open file, or fails at once if someone else has opened and locked it. The lock
// ends when the file is closed, or with the process. It is for files that no holder removes; those who only read need none.
func LockFile(file *os.File) error {
	held, err := tryLock(file)
	if err != nil {
		return explain(file.Name(), err)
	}
	if !held {
		return fmt.Errorf("durable: %s: is in use by another process; wait for it or stop it: %w", file.Name(), ErrLocked)
	}
	return nil
}

// readHolder tells the process id that the lock file holds.
func readHolder(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, 32))
	pid, parseErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || parseErr != nil {
		return "another process"
	}
	if pid == os.Getpid() {
		return fmt.Sprintf("this process (%d)", pid)
	}
	return fmt.Sprintf("process %d", pid)
}

func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func isSameFile(file *os.File, path string) bool {
	ours, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(ours, there)
}
