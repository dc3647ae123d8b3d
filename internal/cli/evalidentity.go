package cli

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"smt/export"
)

// modelFiles are the files beside the weights on which depends what a model computes and how it reads a text: a model has
// the first two, and may have the others.
var modelFiles = []string{"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"}

// adapterFiles are those of an adapter. Its configuration scales its weights, and it may have a chat template of its own.
var adapterFiles = []string{"adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"}

// modelIdentity names what is evaluated, wherever it lies: two models with the same identity give the same answers. It holds
// the hash of the base's weights, one of its configuration and tokenizer, and one of the adapter if there is any.
func modelIdentity(m *loaded, adapter string) (string, error) {
	files, err := hashFiles("model", m.Base.Dir, modelFiles[:2], modelFiles[2:])
	if err != nil {
		return "", err
	}
	identity := fmt.Sprintf("base %s, files %s", export.BaseSHA256(m.Base.Files), files)
	if adapter == "" {
		return identity, nil
	}
	if files, err = hashFiles("export: adapter", adapter, adapterFiles[:2], adapterFiles[2:]); err != nil {
		return "", err
	}
	return identity + ", adapter " + files, nil
}

// hashFiles is the SHA-256 sum of one line for each of the files in dir: its name and the SHA-256 sum of what it holds.
// Files of the second list may be missing. The errors begin with what.
func hashFiles(what, dir string, needed, optional []string) (string, error) {
	whole := sha256.New()
	add := func(name string) error {
		sum := sha256.New()
		if err := copyFile(sum, filepath.Join(dir, name)); err != nil {
			return err
		}
		fmt.Fprintf(whole, "%s %x\n", name, sum.Sum(nil))
		return nil
	}
	for _, name := range needed {
		if err := add(name); err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
	}
	for _, name := range optional {
		if err := add(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%s: %w", what, err)
		}
	}
	return hex.EncodeToString(whole.Sum(nil)), nil
}

// copyFile puts all of a file into a hash.
func copyFile(to hash.Hash, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, in)
	return cmp.Or(err, in.Close())
}
