package experiment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"smt/config"
	"smt/export"
	"smt/hub"
	"smt/model"
)

// fileDigest is the SHA-256 of a file.
func fileDigest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("experiment: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("experiment: %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// tokenizerFiles are what a tokenizer is read from; all but the first may be missing.
var tokenizerFiles = []string{"tokenizer.json", "special_tokens_map.json", "tokenizer_config.json", "chat_template.jinja"}

// modelDigest is the SHA-256 of what every run of an experiment begins with: the weights and shape of the model in dir, the tokenizer,
// and the chat template. A directory whose files are replaced keeps its path, but results that were made with it before are those of
// another model.
func modelDigest(ctx context.Context, dir string, r config.Recipe) (string, error) {
	base, err := model.Open(dir)
	if err != nil {
		return "", err
	}
	defer base.Close()
	tokenizer := dir
	if r.Tokenizer != "" {
		if tokenizer, err = hub.Resolve(ctx, r.Tokenizer, nil); err != nil {
			return "", err
		}
	}
	files := []string{filepath.Join(dir, "config.json")}
	for _, name := range tokenizerFiles {
		files = append(files, filepath.Join(tokenizer, name))
	}
	if r.ChatTemplate != "" {
		files = append(files, r.ChatTemplate)
	}
	whole := sha256.New()
	fmt.Fprintln(whole, export.BaseSHA256(base.Files))
	for _, path := range files {
		digest, err := fileDigest(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		fmt.Fprintln(whole, digest)
	}
	return hex.EncodeToString(whole.Sum(nil)), nil
}
