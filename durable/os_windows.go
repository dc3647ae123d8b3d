//go:build windows

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// errDiskFull is the system's error for a full disk.
var errDiskFull error = windows.ERROR_DISK_FULL

// isDiskFull reports whether err comes from a full disk.
func isDiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// freeBytes is the room that the volume of folder has for this user.
func freeBytes(folder string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, &os.PathError{Op: "GetDiskFreeSpaceEx", Path: folder, Err: err}
	}
	return free, nil
}

// syncDirectory has nothing to do: Windows cannot flush a folder, and NTFS logs renames itself.
func syncDirectory(string) error { return nil }

// isAlive reports whether a process with this id runs.
func isAlive(pid int) bool {
	handle, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return errors.Is(err, windows.ERROR_ACCESS_DENIED)
	}
	defer windows.CloseHandle(handle)
	state, err := windows.WaitForSingleObject(handle, 0)
	return err == nil && state == uint32(windows.WAIT_TIMEOUT)
}

// lockOffset lies far behind the text of a lock file: Windows keeps others from reading a locked range, and they are to
// read the process id.
const lockOffset = 1 << 30

// tryLock takes the exclusive lock of an open file, and reports false if someone else has it.
func tryLock(file *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{Offset: lockOffset})
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return false, nil
	}
	return false, &os.PathError{Op: "LockFileEx", Path: file.Name(), Err: err}
}

// unlock leaves the file where it is: an open file cannot be removed safely here, and the lock ends with the handle.
func unlock(file *os.File, _ string) { file.Close() }
