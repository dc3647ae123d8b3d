package export

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"path/filepath"

	"smt/durable"
	"smt/format/safetensors"
)

// ModelIdentity names a model by all on which its answers depend, wherever it lies: "base H, files F" with [BaseSHA256] of its weights
// and the SHA-256 sum, in hexadecimal digits, of one line for each of its config.json, in dir, and the tokenizer's files (those that
// package tokenizer lists), in tokenizerDir, as far as they are there: the name and the SHA-256 sum of what the file holds.
func ModelIdentity(weights *safetensors.Model, dir, tokenizerDir string, tokenizerFiles []string) (string, error) {
	files := sha256.New()
	err := addFiles(files, dir, true, modelConfig)
	if err == nil {
		err = addFiles(files, tokenizerDir, false, tokenizerFiles...)
	}
	if err != nil {
		return "", fmt.Errorf("export: model: %w", err)
	}
	return fmt.Sprintf("base %s, files %x", BaseSHA256(weights), files.Sum(nil)), nil
}

// AdapterIdentity names an adapter in the same way, in 64 hexadecimal digits: its configuration, which scales its weights, these, and a
// chat template of its own if it has one.
func AdapterIdentity(dir string) (string, error) {
	files := sha256.New()
	err := addFiles(files, dir, true, configName, weightsName)
	if err == nil {
		err = addFiles(files, dir, false, chatTemplateName)
	}
	if err != nil {
		return "", fmt.Errorf("export: adapter: %w", err)
	}
	return hex.EncodeToString(files.Sum(nil)), nil
}

// addFiles puts a line for each of the named files in dir into a hash. Without needed, those that are not there have none.
func addFiles(whole hash.Hash, dir string, needed bool, names ...string) error {
	for _, name := range names {
		sum, _, err := durable.FileSHA256(filepath.Join(dir, name))
		if !needed && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(whole, "%s %s\n", name, sum)
	}
	return nil
}
