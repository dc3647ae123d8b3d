package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"smt/durable"
)

// An Output is a tensor to be written. WriteTo sends its bytes, exactly Size of them, when its turn comes, so that a
// tensor need not exist as a whole.
type Output struct {
	Name    string
	DType   DType
	Shape   []int
	Size    int64
	WriteTo func(io.Writer) error
}

// Write makes a file of the given tensors, in the given order, at path. It appears there complete and synced to the disk,
// or not at all; an earlier file at path is replaced or stays. metadata may be nil. The header is padded with spaces so
// that the tensors begin at a multiple of eight bytes.
func Write(path string, tensors []Output, metadata map[string]string) error {
	header, err := buildHeader(tensors, metadata)
	if err != nil {
		return fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return writeFile(path, header, tensors)
}

// writeFile writes a header that fits the tensors, and the tensors.
func writeFile(path string, header []byte, tensors []Output) error {
	return durable.WriteFile(path, func(w io.Writer) error {
		if err := binary.Write(w, binary.LittleEndian, uint64(len(header))); err != nil {
			return err
		}
		if _, err := w.Write(header); err != nil {
			return err
		}
		for _, t := range tensors {
			counter := &countingWriter{to: w}
			if err := t.WriteTo(counter); err != nil {
				return fmt.Errorf("safetensors: %s: tensor %q: %w", path, t.Name, err)
			}
			if counter.written != t.Size {
				return fmt.Errorf("safetensors: %s: tensor %q: expected %d bytes, its writer sent %d",
					path, t.Name, t.Size, counter.written)
			}
		}
		return nil
	})
}

type countingWriter struct {
	to      io.Writer
	written int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.written += int64(n)
	return n, err
}

// buildHeader checks the tensors and describes them in JSON: the metadata first, its keys sorted, then the tensors in
// their order.
func buildHeader(tensors []Output, metadata map[string]string) ([]byte, error) {
	header := bytes.NewBufferString("{")
	if metadata != nil {
		if err := writeMetadata(header, metadata); err != nil {
			return nil, err
		}
	}
	seen := make(map[string]bool, len(tensors))
	position := uint64(0)
	for i, t := range tensors {
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("tensor %q: comes twice", t.Name)
		}
		seen[t.Name] = true
		end := position + uint64(t.Size)
		if i > 0 || metadata != nil {
			header.WriteByte(',')
		}
		writeString(header, t.Name)
		fmt.Fprintf(header, `:{"dtype":"%s","shape":[`, t.DType)
		for j, dim := range t.Shape {
			if j > 0 {
				header.WriteByte(',')
			}
			fmt.Fprint(header, dim)
		}
		fmt.Fprintf(header, `],"data_offsets":[%d,%d]}`, position, end)
		position = end
	}
	header.WriteByte('}')
	for header.Len()%8 != 0 {
		header.WriteByte(' ')
	}
	if header.Len() > maxHeader {
		return nil, fmt.Errorf("header would be %d bytes long, the format allows %d", header.Len(), maxHeader)
	}
	return header.Bytes(), nil
}

func (t Output) check() error {
	size, ok := byteSize(t.DType, t.Shape)
	switch {
	case t.Name == metadataKey:
		return fmt.Errorf("the name is reserved")
	case !utf8.ValidString(t.Name):
		return fmt.Errorf("the name is not UTF-8")
	case t.DType.Size() == 0:
		return fmt.Errorf("dtype %q is not supported (supported: %s)", t.DType, knownDTypes())
	case !ok:
		return fmt.Errorf("shape %v of %s overflows", t.Shape, t.DType)
	case t.Size < 0 || uint64(t.Size) != size:
		return fmt.Errorf("shape %v of %s needs %d bytes, got %d", t.Shape, t.DType, size, t.Size)
	}
	return nil
}

func writeMetadata(header *bytes.Buffer, metadata map[string]string) error {
	writeString(header, metadataKey)
	header.WriteString(":{")
	for i, key := range slices.Sorted(maps.Keys(metadata)) {
		if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
			return fmt.Errorf("%s: %q: is not UTF-8", metadataKey, key)
		}
		if i > 0 {
			header.WriteByte(',')
		}
		writeString(header, key)
		header.WriteByte(':')
		writeString(header, metadata[key])
	}
	header.WriteByte('}')
	return nil
}

// writeString writes a JSON string without the escapes for HTML, as other writers of the format do.
func writeString(header *bytes.Buffer, text string) {
	encoder := json.NewEncoder(header)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic(err) // a string always has a JSON form
	}
	header.Truncate(header.Len() - 1) // the line feed that Encode adds
}
