// Package durable writes files and directories that are either complete or not there.
//
// Everything is first written beside its place under a temporary name, synced to the disk, and then renamed into place;
// the folder that holds it is synced last. After a crash, a full disk or a power cut there is the old content or the new
// one, never a part of it, and [RemoveStale] clears what was left behind. A [Dir] can carry a manifest of SHA-256 sums
// that [Verify] checks, and [Lock] keeps two processes from writing into the same directory.
package durable

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// bufferSize is large enough that many small writes reach the kernel as few large ones.
const bufferSize = 256 << 10

// WriteFile makes the file at path from what write sends to its writer. The content replaces an earlier file in one step
// once all of it is on the disk; if write or the disk fails, the earlier file stays as it was and nothing is left over.
// An error of write is returned as it is; one of the disk names path, and the bytes that are free if it is full.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	folder, base := filepath.Split(path)
	if base == "" {
		return fmt.Errorf("durable: %q does not name a file", path)
	}
	if folder == "" {
		folder = "."
	}
	temp := filepath.Join(folder, "."+base+tempMark+strconv.Itoa(os.Getpid()))
	if !claim(temp) {
		return fmt.Errorf("durable: %s: is being written already by this process", path)
	}
	defer release(temp)
	if err := writeSynced(temp, write); err != nil {
		return explain(path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return explain(path, err)
	}
	return explain(path, syncDirectory(folder))
}

// writeSynced makes the file at path and returns once its content is on the disk. On any failure, a panic of write
// included, the file is removed again.
func writeSynced(path string, write func(io.Writer) error) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			file.Close()
			os.Remove(path)
		}
	}()
	buffer := bufio.NewWriterSize(file, bufferSize)
	writeErr := write(buffer)
	// The buffer keeps the first error of the disk, which is the cause if there is one.
	if err := buffer.Flush(); err != nil {
		return err
	}
	if writeErr != nil {
		return contentError{writeErr}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	done = true
	return nil
}

// A contentError comes from the function that writes the content, and not from the disk. It says itself what is wrong.
type contentError struct{ error }

// explain puts path in front of err, and says how much room there is if the disk is full.
func explain(path string, err error) error {
	var content contentError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &content):
		return content.error
	case isDiskFull(err):
		room := "an unknown number of"
		if free, statErr := freeBytes(nearestFolder(path)); statErr == nil {
			room = strconv.FormatUint(free, 10)
		}
		return fmt.Errorf("durable: %s: the disk is full, %s bytes are free; make room or choose another folder: %w",
			path, room, err)
	}
	return fmt.Errorf("durable: %s: %w", path, err)
}

// Require returns an error if fewer than bytes are free where path is, or will be, written. It lets a long job fail at its
// start instead of at its end; it reserves nothing.
func Require(path string, bytes int64) error {
	free, err := freeBytes(nearestFolder(path))
	if err != nil {
		return fmt.Errorf("durable: %s: %w", path, err)
	}
	if bytes > 0 && uint64(bytes) > free {
		return fmt.Errorf("durable: %s: %d bytes are needed, %d bytes are free; make room or choose another folder: %w",
			path, bytes, free, errDiskFull)
	}
	return nil
}

// nearestFolder is the closest existing directory at or above path.
func nearestFolder(path string) string {
	for {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
		parent := filepath.Dir(path)
		if parent == path {
			return path
		}
		path = parent
	}
}
