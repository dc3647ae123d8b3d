package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
)

// ManifestName is the file in which [Dir.WriteManifest] lists the other files of its directory.
const ManifestName = "manifest.json"

// maxManifest bounds what Verify reads: room for several hundred thousand files.
const maxManifest = 64 << 20

// manifest is the content of manifest.json.
type manifest struct {
	// Files are sorted by path.
	Files []manifestFile `json:"files"`
}

// manifestFile is one file: its path with slashes, relative to the directory, its size, and the SHA-256 sum of its bytes
// in hexadecimal digits.
type manifestFile struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// WriteManifest lists size and SHA-256 sum of every file now in the directory in manifest.json. Call it last, before
// Commit: a file made later would be reported by [Verify].
func (d *Dir) WriteManifest() error {
	files, err := list(d.temp)
	if err != nil {
		return explain(d.final, err)
	}
	for i := range files {
		if files[i].SHA256, files[i].Size, err = FileSHA256(filepath.Join(d.temp, filepath.FromSlash(files[i].Path))); err != nil {
			return explain(d.final, err)
		}
	}
	return d.WriteFile(ManifestName, func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(manifest{Files: files})
	})
}

// Verify compares the files of dir with its manifest. The error names the first file, by path, that is missing, differs
// in size or content, or is not in the manifest.
func Verify(dir string) error {
	listed, err := readManifest(filepath.Join(dir, ManifestName))
	if err != nil {
		return err
	}
	found, err := list(dir)
	if err != nil {
		return fmt.Errorf("durable: %w", err)
	}
	present := make(map[string]bool, len(found))
	for _, file := range found {
		present[file.Path] = true
	}
	for _, file := range listed {
		path := filepath.Join(dir, filepath.FromSlash(file.Path))
		if !present[file.Path] {
			return fmt.Errorf("durable: %s: is in %s but not in the directory", path, ManifestName)
		}
		delete(present, file.Path)
		hash, size, err := FileSHA256(path)
		switch {
		case err != nil:
			return fmt.Errorf("durable: %w", err)
		case size != file.Size:
			return fmt.Errorf("durable: %s: has %d bytes, %s says %d", path, size, ManifestName, file.Size)
		case hash != file.SHA256:
			return fmt.Errorf("durable: %s: SHA-256 is %s, %s says %s: the file was changed or damaged",
				path, hash, ManifestName, file.SHA256)
		}
	}
	for _, file := range found {
		if present[file.Path] {
			return fmt.Errorf("durable: %s: is not in %s", filepath.Join(dir, filepath.FromSlash(file.Path)), ManifestName)
		}
	}
	return nil
}

func readManifest(path string) ([]manifestFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("durable: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxManifest {
		return nil, fmt.Errorf("durable: %s: is not a manifest: expected a file of at most %d bytes", path, maxManifest)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("durable: %w", err)
	}
	var content manifest
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&content); err != nil {
		return nil, fmt.Errorf("durable: %s: %w", path, err)
	}
	for i, file := range content.Files {
		switch {
		case file.Path == ManifestName || !filepath.IsLocal(filepath.FromSlash(file.Path)):
			return nil, fmt.Errorf("durable: %s: file %d: path %q is not that of a file in the directory", path, i, file.Path)
		case i > 0 && content.Files[i-1].Path >= file.Path:
			return nil, fmt.Errorf("durable: %s: file %d: path %q does not follow %q in sorted order",
				path, i, file.Path, content.Files[i-1].Path)
		}
	}
	return content.Files, nil
}

// list finds the regular files under dir, sorted by path, without the manifest and a lock file. Anything that is neither
// a file nor a folder, such as a symbolic link, is an error: its content could change without the directory.
func list(dir string) ([]manifestFile, error) {
	var files []manifestFile
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if relative == ManifestName || relative == LockName {
			return nil
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s: is not a regular file", path)
		}
		files = append(files, manifestFile{Path: filepath.ToSlash(relative)})
		return nil
	})
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	return files, err
}

// FileSHA256 reads a file and returns the SHA-256 sum of what it holds, in 64 hexadecimal digits, and its size in bytes.
func FileSHA256(path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	hash := sha256.New()
	if size, err = io.Copy(hash, file); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}
