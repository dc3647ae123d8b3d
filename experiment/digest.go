package experiment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"smt/config"
	"smt/durable"
	"smt/export"
	"smt/hub"
	"smt/model"
	"smt/tokenizer"
)

// fileDigest is the SHA-256 of a file.
func fileDigest(path string) (string, error) {
	sum, _, err := durable.FileSHA256(path)
	if err != nil {
		return "", fmt.Errorf("experiment: %w", err)
	}
	return sum, nil
}

// modelDigest is the SHA-256 of what every run of an experiment begins with: the identity of the model in dir with the recipe's tokenizer
// ([export.ModelIdentity]), and the recipe's chat template. A directory whose files are replaced keeps its path, but results that
// were made with it before are those of another model.
func modelDigest(ctx context.Context, dir string, r config.Recipe) (string, error) {
	base, err := model.Open(dir)
	if err != nil {
		return "", err
	}
	defer base.Close()
	tokenizerDir := dir
	if r.Tokenizer != "" {
		if tokenizerDir, err = hub.Resolve(ctx, r.Tokenizer, nil); err != nil {
			return "", err
		}
	}
	identity, err := export.ModelIdentity(base.Files, dir, tokenizerDir, tokenizer.Files())
	if err != nil {
		return "", err
	}
	if r.ChatTemplate != "" {
		template, err := fileDigest(r.ChatTemplate)
		if err != nil {
			return "", fmt.Errorf("chat_template: %w", err)
		}
		identity += ", chat template " + template
	}
	digest := sha256.Sum256([]byte(identity))
	return hex.EncodeToString(digest[:]), nil
}
