//go:build unix

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errDiskFull is the system's error for a full disk.
var errDiskFull error = unix.ENOSPC

// isDiskFull reports whether err comes from a full disk or an exhausted quota.
func isDiskFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// freeBytes is the room that the file system of folder has for this user.
func freeBytes(folder string) (uint64, error) {
	var info unix.Statfs_t
	if err := unix.Statfs(folder, &info); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: folder, Err: err}
	}
	return uint64(info.Bavail) * uint64(info.Bsize), nil
}

// syncDirectory makes the names in folder durable.
func syncDirectory(folder string) error {
	file, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer file.Close()
	// Some network and user-space file systems cannot sync a folder and say so; there is nothing more to do on them.
	if err := file.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

// isAlive reports whether a process with this id runs. One that belongs to another user does too.
func isAlive(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

// tryLock takes the exclusive lock of an open file, and reports false if someone else has it.
func tryLock(file *os.File) (bool, error) {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, &os.PathError{Op: "flock", Path: file.Name(), Err: err}
		}
	}
}

// unlock removes the lock file while it is still locked, so that nobody who locks it afterwards takes it for the lock.
func unlock(file *os.File, path string) {
	os.Remove(path)
	file.Close()
}
