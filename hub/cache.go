package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"smt/durable"
)

// cacheDir is where Hugging Face's tools keep what they download.
func cacheDir() (string, error) {
	for _, place := range []struct{ variable, below string }{
		{"HF_HUB_CACHE", ""}, {"HUGGINGFACE_HUB_CACHE", ""}, {"HF_HOME", "hub"}, {"XDG_CACHE_HOME", "huggingface/hub"},
	} {
		if value := os.Getenv(place.variable); value != "" {
			if rest, ok := strings.CutPrefix(value, "~/"); ok {
				home, err := os.UserHomeDir()
				if err != nil {
					return "", err
				}
				value = filepath.Join(home, rest)
			}
			return filepath.Join(value, filepath.FromSlash(place.below)), nil
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("the cache has no place, set HF_HOME: %w", err)
	}
	return filepath.Join(home, ".cache", "huggingface", "hub"), nil
}

// A cacheFolder is the part of the cache that belongs to one repository:
//
//	refs/<revision>             the commit that a branch or tag stood for when it was last looked up
//	blobs/<hash>                the content of files
//	snapshots/<commit>/<file>   symbolic links to blobs
type cacheFolder struct{ path string }

func (f cacheFolder) snapshot(commit string) string {
	return filepath.Join(f.path, "snapshots", commit)
}

func (f cacheFolder) blob(name string) string { return filepath.Join(f.path, "blobs", name) }

func (f cacheFolder) ref(revision string) string {
	return filepath.Join(f.path, "refs", filepath.FromSlash(revision))
}

// commitPattern matches git's hashes of commits.
var commitPattern = regexp.MustCompile(`^[0-9a-f]{40}(?:[0-9a-f]{24})?$`)

// find returns the snapshot of a revision if it is complete.
func (f cacheFolder) find(revision string) (string, error) {
	commit := revision
	if !commitPattern.MatchString(revision) {
		file, err := os.Open(f.ref(revision))
		if err != nil {
			return "", fmt.Errorf("%s has no revision %q", f.path, revision)
		}
		defer file.Close()
		content, err := io.ReadAll(io.LimitReader(file, 128))
		if err != nil {
			return "", err
		}
		commit = strings.TrimSpace(string(content))
		if !commitPattern.MatchString(commit) {
			return "", fmt.Errorf("%s does not hold a commit", f.ref(revision))
		}
	}
	dir := f.snapshot(commit)
	missing, err := missingFile(dir)
	if err != nil {
		return "", err
	}
	if missing != "" {
		return "", fmt.Errorf("%s lacks %s", dir, missing)
	}
	return dir, nil
}

// missingFile names a file without which the model in dir cannot be loaded, "" if there is none.
func missingFile(dir string) (string, error) {
	if !exists(filepath.Join(dir, "config.json")) {
		return "config.json", nil
	}
	if exists(filepath.Join(dir, singleFile)) {
		return "", nil
	}
	data, err := os.ReadFile(filepath.Join(dir, indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return singleFile, nil
	}
	if err != nil {
		return "", err
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(dir, indexFile), err)
	}
	var shards []string
	for _, shard := range index.WeightMap {
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	for _, shard := range slices.Compact(shards) {
		if !filepath.IsLocal(shard) || !exists(filepath.Join(dir, shard)) {
			return shard, nil
		}
	}
	return "", nil
}

// exists reports whether there is something at path and, if it is a link, at its end.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// setRevision records which commit a revision stands for, unless that is known.
func (f cacheFolder) setRevision(revision, commit string) error {
	if revision == commit {
		return nil
	}
	path := f.ref(revision)
	if known, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(known)) == commit {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return durable.WriteFile(path, func(w io.Writer) error {
		_, err := io.WriteString(w, commit)
		return err
	})
}

// servesReadOnly reports whether the snapshot of a commit will do although it could not be brought up to date: where err says that the
// cache may not be written, and no file is missing but those that a model can do without, such as a licence, which other tools
// do not download.
func (f cacheFolder) servesReadOnly(commit string, err error) bool {
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		return false
	}
	missing, err := missingFile(f.snapshot(commit))
	return missing == "" && err == nil
}

// link makes a file of a snapshot from a blob. Where links are not allowed, as on Windows, the blob moves there itself,
// which is what Hugging Face's library does too.
func (f cacheFolder) link(commit, file, blob string) error {
	path := filepath.Join(f.snapshot(commit), file)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	// A link that leads nowhere may be left from a blob that was deleted.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(filepath.Join("..", "..", "blobs", blob), path); err != nil {
		return os.Rename(f.blob(blob), path)
	}
	return nil
}

// lockPoll is how often a lock that another process holds is tried again.
const lockPoll = 300 * time.Millisecond

// lock keeps two processes from downloading the same repository; it waits for the other one.
func (c *client) lock(ctx context.Context, folder cacheFolder) (unlock func(), err error) {
	dir := filepath.Join(c.cache, ".locks", filepath.Base(folder.path))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	for {
		unlock, err := durable.Lock(dir)
		if !errors.Is(err, durable.ErrLocked) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(lockPoll):
		}
	}
}
