package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"smt/durable"
)

// fetch brings a file of a commit into the cache. A download that breaks is tried again, from where it stopped.
func (c *client) fetch(ctx context.Context, repo repository, commit, file string, folder cacheFolder) error {
	if err := os.MkdirAll(folder.blob(""), 0o777); err != nil {
		return err
	}
	var blob string
	err := c.retry(ctx, func() (err error) {
		blob, err = c.download(ctx, repo, commit, file, folder)
		return err
	}, isTransient)
	if err != nil {
		return c.explain(err, repo)
	}
	return folder.link(commit, file, blob)
}

// download fetches the content of a file into the blobs and returns its name there. What has arrived lies in a file named
// after commit and file, whose content never changes, so that a later call can go on from its end.
func (c *client) download(
	ctx context.Context, repo repository, commit, file string, folder cacheFolder,
) (blob string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	partial := folder.blob(commit + "." + file + ".incomplete")
	offset := int64(0)
	if info, err := os.Stat(partial); err == nil {
		offset = info.Size()
	}
	response, err := c.get(ctx, c.fileURL(repo, commit, file), offset)
	var status *statusError
	if errors.As(err, &status) && status.status == http.StatusRequestedRangeNotSatisfiable {
		os.Remove(partial) // it is longer than the file, so it is not a part of it
	}
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if blob, err = blobName(response.Header); err != nil {
		return "", err
	}
	if exists(folder.blob(blob)) { // another commit has the same file
		os.Remove(partial)
		return blob, nil
	}
	if response.StatusCode == http.StatusOK {
		offset = 0
	} else if !strings.HasPrefix(response.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(offset, 10)+"-") {
		os.Remove(partial)
		return "", fmt.Errorf("asked for the bytes from %d on, got %q", offset, response.Header.Get("Content-Range"))
	}
	total := int64(-1)
	if response.ContentLength >= 0 {
		total = offset + response.ContentLength
		if err := durable.Require(partial, response.ContentLength); err != nil {
			return "", localError{err}
		}
	}
	// A connection that stays silent is given up: the timer is wound up again with every piece that arrives.
	silence := time.AfterFunc(c.stall, func() { cancel(fmt.Errorf("nothing arrived for %v", c.stall)) })
	defer silence.Stop()
	size := offset
	err = appendTo(partial, offset, response.Body, func(done int64) {
		silence.Reset(c.stall)
		size = done
		if done != total { // the last piece is told of when the whole file is known to be right
			c.progress(file, done, total)
		}
	})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return "", cause
		}
		return "", err
	}
	if err := verify(partial, blob); err != nil {
		os.Remove(partial)
		return "", err
	}
	if err := os.Rename(partial, folder.blob(blob)); err != nil {
		return "", localError{err}
	}
	c.progress(file, size, size)
	return blob, nil
}

// appendTo writes body at offset, which becomes the end of what was there, and syncs the file.
func appendTo(path string, offset int64, body io.Reader, arrived func(done int64)) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return localError{err}
	}
	defer file.Close()
	if err := file.Truncate(offset); err != nil {
		return localError{err}
	}
	buffer := make([]byte, 1<<20)
	for {
		n, readErr := body.Read(buffer)
		if n > 0 {
			if _, err := file.WriteAt(buffer[:n], offset); err != nil {
				return localError{err}
			}
			offset += int64(n)
			arrived(offset)
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return readErr
		}
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return localError{err}
	}
	return nil
}

// blobPattern matches the names of blobs: they become names of files.
var blobPattern = regexp.MustCompile(`^\w[\w.-]{0,127}$`)

// blobName is the ETag of a file, which the hub sets to a hash of its content.
func blobName(header http.Header) (string, error) {
	tag := header.Get(linkedETag)
	if tag == "" {
		tag = header.Get("ETag")
	}
	name := strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
	if !blobPattern.MatchString(name) || strings.HasSuffix(name, ".incomplete") {
		return "", &statusError{
			status: http.StatusOK,
			text:   fmt.Sprintf("the hub gave no usable hash for the file (ETag %.80q)", tag),
		}
	}
	return name, nil
}

// verify compares a file with its name among the blobs: large files have their SHA-256 sum, others git's hash of a blob.
// Servers that are not Hugging Face's may use other tags, which say nothing about the content.
func verify(path, blob string) error {
	if _, err := hex.DecodeString(blob); err != nil || len(blob) != 2*sha1.Size && len(blob) != 2*sha256.Size {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	var sum hash.Hash = sha256.New()
	if len(blob) == 2*sha1.Size {
		sum = sha1.New()
		fmt.Fprintf(sum, "blob %d\x00", info.Size())
	}
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.ToLower(blob) {
		return fmt.Errorf("what arrived, %d bytes, has the hash %s instead of %s", info.Size(), got, blob)
	}
	return nil
}
