package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// A Dir is a directory in the making: it is filled under a temporary name beside its place, and [Dir.Commit] moves it
// there complete. Use it from one goroutine, and always defer [Dir.Discard], which does nothing after Commit.
type Dir struct {
	final, temp, old  string
	overwrite, closed bool
}

// NewDir starts a directory that is to become path, in a parent that is made if it is missing. A directory at path that
// holds anything, now or when Commit comes to replace it, is an error that wraps [fs.ErrExist], unless overwrite is set; then
// Commit replaces it as a whole.
func NewDir(path string, overwrite bool) (*Dir, error) {
	path = filepath.Clean(path)
	parent := filepath.Dir(path)
	if path == parent || filepath.Base(path) == ".." {
		return nil, fmt.Errorf("durable: %s: cannot be replaced by a new directory", path)
	}
	if err := checkPlace(path, overwrite); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return nil, explain(path, err)
	}
	pid := strconv.Itoa(os.Getpid())
	d := &Dir{final: path, temp: path + tempMark + pid, old: path + oldMark + pid, overwrite: overwrite}
	if !claim(d.temp) {
		return nil, fmt.Errorf("durable: %s: is being written already by this process", path)
	}
	// What lies there now was left by an earlier process with the same id.
	err := os.RemoveAll(d.temp)
	if err == nil {
		err = os.Mkdir(d.temp, 0o777)
	}
	if err != nil {
		release(d.temp)
		return nil, explain(path, err)
	}
	return d, nil
}

// Contains reports whether path is dir or lies in it, symbolic links resolved: whether replacing or removing dir would remove path.
// What does not exist contains nothing and lies nowhere.
func Contains(dir, path string) bool {
	outer, err := realPath(dir)
	if err != nil {
		return false
	}
	inner, err := realPath(path)
	if err != nil {
		return false
	}
	relative, err := filepath.Rel(outer, inner)
	return err == nil && filepath.IsLocal(relative)
}

// realPath is the absolute path of what is there, without symbolic links.
func realPath(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(resolved)
}

// checkPlace refuses a path that is taken.
func checkPlace(path string, overwrite bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("durable: %w", err)
	case !info.IsDir():
		return fmt.Errorf("durable: %s: is not a directory: %w", path, fs.ErrExist)
	case overwrite:
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("durable: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("durable: %s: is not empty; choose another directory or allow overwriting: %w", path, fs.ErrExist)
	}
	return nil
}

// Path is the temporary directory; it exists until Commit or Discard. Files may be made in it by any means.
func (d *Dir) Path() string { return d.temp }

// Join is the temporary path of a file of the directory.
func (d *Dir) Join(name string) string { return filepath.Join(d.temp, name) }

// WriteFile makes the file name, with slashes for folders inside the directory, from what write sends.
func (d *Dir) WriteFile(name string, write func(io.Writer) error) error {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("durable: %s: %q leaves the directory", d.final, name)
	}
	path := d.Join(filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return explain(filepath.Join(d.final, name), err)
	}
	return explain(filepath.Join(d.final, name), writeSynced(path, write))
}

// Commit syncs every file and folder of the directory, moves it into its place and syncs the parent. If it fails, the
// place holds what it held before.
func (d *Dir) Commit() error {
	if d.closed {
		return fmt.Errorf("durable: %s: is committed or discarded already", d.final)
	}
	if err := syncTree(d.temp); err != nil {
		return explain(d.final, err)
	}
	// Much may have come to lie there since NewDir looked.
	if err := checkPlace(d.final, d.overwrite); err != nil {
		return err
	}
	if err := d.moveIntoPlace(); err != nil {
		return explain(d.final, err)
	}
	d.closed = true
	release(d.temp)
	if err := syncDirectory(filepath.Dir(d.final)); err != nil {
		return explain(d.final, err)
	}
	// The new directory stands; what is left of the old one is only rubbish, and RemoveStale finds it by its name.
	os.RemoveAll(d.old)
	return nil
}

// moveIntoPlace renames the temporary directory to its final name. No system call that all platforms have replaces a
// directory that is not empty, so an old one steps aside first, and steps back if the second rename fails. A crash in
// between leaves it as "name.smt-old-<pid>", which RemoveStale puts back.
func (d *Dir) moveIntoPlace() error {
	if !exists(d.final) {
		return os.Rename(d.temp, d.final)
	}
	if err := os.RemoveAll(d.old); err != nil {
		return err
	}
	if err := os.Rename(d.final, d.old); err != nil {
		return err
	}
	if err := os.Rename(d.temp, d.final); err != nil {
		return errors.Join(err, os.Rename(d.old, d.final))
	}
	return nil
}

// Discard removes the temporary directory. After Commit or Discard it does nothing.
func (d *Dir) Discard() error {
	if d.closed {
		return nil
	}
	d.closed = true
	defer release(d.temp)
	return explain(d.final, os.RemoveAll(d.temp))
}

// syncTree syncs all regular files under root, and every folder after what is in it.
func syncTree(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(root, entry.Name())
		switch {
		case entry.IsDir():
			err = syncTree(path)
		case entry.Type().IsRegular():
			err = syncFile(path)
		}
		if err != nil {
			return err
		}
	}
	return syncDirectory(root)
}

func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}
