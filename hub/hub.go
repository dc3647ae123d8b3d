// Package hub finds a model by its name: a directory, or a repository of the Hugging Face hub that is downloaded into the
// cache that all of Hugging Face's tools share.
//
// It is a small client of its own because github.com/gomlx/go-huggingface (v0.3.1), which was meant for this, takes a file
// whose connection broke for complete, and can neither be stopped by a context nor report its progress to a function. Here
// every file is compared with the hash that the hub gives, a broken download goes on where it stopped, and a file appears
// in the cache complete or not at all.
//
// These variables of the environment mean what they mean to Hugging Face's own library: HF_HUB_CACHE, HF_HOME, HF_TOKEN,
// HF_ENDPOINT, and HF_HUB_OFFLINE, which forbids all use of the network.
package hub

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Resolve returns the directory that holds the model nameOrPath. An existing directory is returned as it is. A name
// "owner/name" or "owner/name@revision", the revision being a branch, a tag or a commit, is looked up on the hub, and what
// the cache lacks is downloaded: config, tokenizer, chat template, licence, and weights in safetensors. Without a
// connection, or while the hub is out of order, a complete copy in the cache will do; it may be read-only. A read-only
// one need not have what a model can do without, such as the licence, which other tools do not download.
//
// progress, if not nil, is told how many of the total bytes of a file have arrived; total is -1 if the hub does not say. done is
// total once, when the file has been verified and lies in the cache. Files that were there already are not told of.
func Resolve(ctx context.Context, nameOrPath string, progress func(file string, done, total int64)) (dir string, err error) {
	info, statErr := os.Stat(nameOrPath)
	if statErr == nil && info.IsDir() {
		return nameOrPath, nil
	}
	if statErr == nil {
		return "", fmt.Errorf("hub: %s: is a file, expected the directory of a model", nameOrPath)
	}
	repo, ok := parseName(nameOrPath)
	if !ok {
		return "", fmt.Errorf("hub: %q: there is no such directory, and it is no name on the hub like owner/name or "+
			"owner/name@revision", nameOrPath)
	}
	client, err := newClient(progress)
	if err == nil {
		dir, err = client.resolve(ctx, repo)
	}
	if err != nil {
		return "", fmt.Errorf("hub: %s: %w (nor is there a directory of that name)", nameOrPath, err)
	}
	return dir, nil
}

// SplitRevision takes a name "owner/name@revision" apart into "owner/name" and the revision, which is empty if the name says none.
// Whatever else [Resolve] would take, such as a directory, comes back as it is.
func SplitRevision(nameOrPath string) (name, revision string) {
	if _, ok := parseName(nameOrPath); !ok || exists(nameOrPath) {
		return nameOrPath, ""
	}
	name, revision, _ = strings.Cut(nameOrPath, "@")
	return name, revision
}

// A repository is a model on the hub at some revision.
type repository struct {
	owner, name, revision string
}

func (r repository) id() string { return r.owner + "/" + r.name }

// namePattern allows what the hub allows in names, and in revisions what git does and a path may hold.
var namePattern = regexp.MustCompile(`^(\w[\w.-]{0,95})/(\w[\w.-]{0,95})(?:@(\w[\w./+-]{0,199}))?$`)

func parseName(text string) (repository, bool) {
	parts := namePattern.FindStringSubmatch(text)
	if parts == nil || strings.Contains(text, "..") || strings.Contains(parts[1]+"/"+parts[2], "--") ||
		strings.Contains(text, "//") || strings.HasSuffix(text, "/") {
		return repository{}, false
	}
	repo := repository{owner: parts[1], name: parts[2], revision: parts[3]}
	if repo.revision == "" {
		repo.revision = "main"
	}
	return repo, true
}

// resolve asks the hub which commit the revision is and which files it has, and completes the cache.
func (c *client) resolve(ctx context.Context, repo repository) (string, error) {
	folder := cacheFolder{path: filepath.Join(c.cache, "models--"+repo.owner+"--"+repo.name)}
	copied, incomplete := folder.find(repo.revision)
	if c.offline {
		if incomplete != nil {
			return "", fmt.Errorf("HF_HUB_OFFLINE is set, and %w; unset it once to download the model", incomplete)
		}
		return copied, nil
	}
	var answer listing
	err := c.retry(ctx, func() (err error) {
		answer, err = c.list(ctx, repo)
		return err
	}, func(err error) bool {
		// Whoever has a copy, or no connection at all, need not wait.
		return incomplete != nil && isTransient(err) && !isUnreachable(err)
	})
	if err != nil && ctx.Err() == nil && isTransient(err) && incomplete == nil {
		return copied, nil
	}
	if err != nil {
		return "", c.explain(err, repo)
	}
	files, err := selectFiles(answer.files)
	if err != nil {
		return "", err
	}
	if err = c.complete(ctx, repo, answer.commit, files, folder); err == nil {
		err = folder.setRevision(repo.revision, answer.commit)
	}
	if err != nil && !folder.servesReadOnly(answer.commit, err) {
		return "", err
	}
	return folder.snapshot(answer.commit), nil
}

// complete downloads what the cache lacks of the files of a commit. A cache that lacks nothing is not locked: it may be read-only.
func (c *client) complete(ctx context.Context, repo repository, commit string, files []string, folder cacheFolder) error {
	holds := func(file string) bool { return exists(filepath.Join(folder.snapshot(commit), file)) }
	if !slices.ContainsFunc(files, func(file string) bool { return !holds(file) }) {
		return nil
	}
	unlock, err := c.lock(ctx, folder)
	if err != nil {
		return err
	}
	defer unlock()
	for _, file := range files {
		if holds(file) { // perhaps since another process had the lock
			continue
		}
		if err := c.fetch(ctx, repo, commit, file, folder); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

var (
	// smallFiles are what is wanted besides the weights. A model may have any of them.
	smallFiles = []string{
		"config.json", "generation_config.json", "tokenizer*.json", "tokenizer.model", "special_tokens_map.json",
		"added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json", "LICENSE*", "NOTICE*",
	}
	// shardFiles are the weights of a model that has an index.
	shardFiles = "model-*-of-*.safetensors"
)

const (
	singleFile = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
)

// selectFiles chooses among the files of a repository: the small ones first, so that whoever finds the weights in the
// cache finds them too. Other copies of the weights, which many repositories hold, are left alone.
func selectFiles(all []string) ([]string, error) {
	var small, weights []string
	for _, name := range slices.Sorted(slices.Values(all)) {
		switch {
		case matches(smallFiles, name), name == indexFile && !slices.Contains(all, singleFile):
			small = append(small, name)
		case name == singleFile, matches([]string{shardFiles}, name) && !slices.Contains(all, singleFile):
			weights = append(weights, name)
		}
	}
	switch {
	case !slices.Contains(small, "config.json"):
		return nil, errors.New("the repository has no config.json: it holds no model of transformers")
	case len(weights) == 0 || weights[0] != singleFile && !slices.Contains(small, indexFile):
		return nil, fmt.Errorf("the repository has no weights in safetensors (%s, or %s with its shards); pickle files can run "+
			"code and are not read", singleFile, indexFile)
	}
	return append(small, weights...), nil
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		matched, _ := filepath.Match(pattern, name)
		return matched && !strings.ContainsAny(name, `/\`)
	})
}

// fileURL is where a file of a commit is downloaded from.
func (c *client) fileURL(repo repository, commit, file string) string {
	return fmt.Sprintf("%s/%s/resolve/%s/%s", c.endpoint, repo.id(), commit, url.PathEscape(file))
}
