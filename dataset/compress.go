package dataset

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// limits bound what one file may make the reader hold.
type limits struct {
	row   int   // bytes of one row as JSON
	total int64 // bytes of the whole file after decompression
	ratio int64 // decompressed bytes per compressed byte, once more than slack has been read
	slack int64
}

// fileLimits are generous for data written by people and programs, and stop a file that was made to fill the memory.
// Text of the same row over and over compresses 1000 times at most with gzip, real data less than 30 times.
var fileLimits = limits{row: 64 << 20, total: 64 << 30, ratio: 200, slack: 256 << 20}

// input is an opened file, decompressed on the fly.
type input struct {
	io.Reader
	close []func() error
}

func (in *input) Close() error {
	var errs []error
	for i := len(in.close) - 1; i >= 0; i-- {
		errs = append(errs, in.close[i]())
	}
	return errors.Join(errs...)
}

// openInput opens a json or jsonl file and removes its compression (.gz, .zst), which the file's first bytes tell.
// The returned name is the path without the compression's ending.
func openInput(path string, lim limits) (in *input, name string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("dataset: %w", err)
	}
	opened := &input{close: []func() error{file.Close}}
	defer func() {
		if err != nil {
			_ = opened.Close()
		}
	}()
	if info, err := file.Stat(); err != nil {
		return nil, "", fmt.Errorf("dataset: %w", err)
	} else if info.IsDir() {
		return nil, "", fmt.Errorf("dataset: %s: is a directory; name the file in it", path)
	}
	compressed := &countingReader{r: file}
	buffered := bufio.NewReaderSize(compressed, 1<<18)
	magic, err := buffered.Peek(4)
	if err != nil && err != io.EOF {
		return nil, "", fmt.Errorf("dataset: %s: %w", path, err)
	}
	name = path
	var plain io.Reader = buffered
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		unzip, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, "", fmt.Errorf("dataset: %s: %w", path, err)
		}
		plain, name = unzip, strings.TrimSuffix(path, ".gz")
	case string(magic) == "\x28\xb5\x2f\xfd":
		unzip, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, "", fmt.Errorf("dataset: %s: %w", path, err)
		}
		opened.close = append(opened.close, func() error { unzip.Close(); return nil })
		plain, name = unzip, strings.TrimSuffix(path, ".zst")
	case strings.HasSuffix(path, ".gz") || strings.HasSuffix(path, ".zst"):
		return nil, "", fmt.Errorf("dataset: %s: not compressed as its name says", path)
	}
	opened.Reader = &boundedReader{r: plain, compressed: compressed, lim: lim}
	return opened, name, nil
}

// countingReader counts the bytes read through it.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// boundedReader fails when the decompressed data outgrows the limits.
type boundedReader struct {
	r          io.Reader
	compressed *countingReader
	n          int64
	lim        limits
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > b.lim.total {
		return n, fmt.Errorf("more than %d bytes after decompression", b.lim.total)
	}
	if b.n > b.lim.slack && b.n/b.lim.ratio > b.compressed.n {
		return n, fmt.Errorf("decompresses to more than %d times its size", b.lim.ratio)
	}
	return n, err
}
