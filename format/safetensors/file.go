// Package safetensors reads and writes Hugging Face's format for tensors, strictly.
//
// A file is eight bytes with the length of the header (little-endian), the header in JSON, and the bytes of the tensors.
// The header maps the name of each tensor to its dtype, its shape and the range of its bytes, counted from the end of
// the header; the name "__metadata__" maps to text. Files are mapped into memory and never copied; everything the header
// says is checked before it is believed, so that a truncated, damaged or hostile file is an error that names the file
// and the tensor. The rules are those of https://github.com/huggingface/safetensors, which it calls its format.
//
// [Open] reads one file, [OpenModel] all the shards of a model, and [Write] makes a file, or nothing at all.
package safetensors

import (
	"fmt"
	"io"
	"os"

	"github.com/edsrzf/mmap-go"
)

// A Tensor is one named array. Data holds its elements, row-major and little-endian; it aliases the file's mapping, so it
// is read-only, ends with the file's Close, and may begin at any address.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte
}

// Len is the number of elements; 1 for a tensor of rank 0.
func (t Tensor) Len() int {
	n := 1
	for _, dim := range t.Shape {
		n *= dim
	}
	return n
}

// A File is an open file of tensors. Its methods, Close excepted, may be called from several goroutines.
//
// The file must not be cut short while it is open: the system answers a read beyond its new end by killing the process.
type File struct {
	path     string
	header   []byte // the header's JSON with its padding
	tensors  []Tensor
	byName   map[string]int
	metadata map[string]string
	mapping  mmap.MMap // nil if the bytes belong to the caller of Parse
}

// Open maps the file at path and checks all of its header.
func Open(path string) (*File, error) {
	// The check comes before the opening, which would wait for a writer if path were a named pipe.
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("safetensors: %s: is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	if info.Size() < lengthSize {
		return nil, fmt.Errorf("safetensors: %s: %w", path, errTooShort(info.Size()))
	}
	mapping, err := mmap.Map(file, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: cannot be mapped: %w", path, err)
	}
	f, err := Parse(path, mapping)
	if err != nil {
		mapping.Unmap()
		return nil, err
	}
	f.mapping = mapping
	return f, nil
}

// Parse reads a file that is in memory already; name stands for its path in errors. The tensors alias data.
func Parse(name string, data []byte) (*File, error) {
	f := &File{path: name}
	if err := f.parse(data); err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", name, err)
	}
	f.byName = make(map[string]int, len(f.tensors))
	for i, t := range f.tensors {
		f.byName[t.Name] = i
	}
	return f, nil
}

// Path is the path that the file was opened by.
func (f *File) Path() string { return f.path }

// Tensors are all tensors in the order of their bytes in the file. The caller must not change the slice.
func (f *File) Tensors() []Tensor { return f.tensors }

// Tensor finds a tensor by its name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Metadata is the text stored under "__metadata__", nil if there is none. The caller must not change it.
func (f *File) Metadata() map[string]string { return f.metadata }

// Size is the bytes of all tensors together, without the header.
func (f *File) Size() int64 {
	var total int64
	for _, t := range f.tensors {
		total += int64(len(t.Data))
	}
	return total
}

// Rewrite makes a file at path that differs from f in the values of tensors alone: the header is copied byte for byte,
// and data sends the bytes of each tensor in turn, len(t.Data) of them. The file is made as [Write] makes it.
func (f *File) Rewrite(path string, data func(t Tensor, w io.Writer) error) error {
	outputs := make([]Output, len(f.tensors))
	for i, t := range f.tensors {
		outputs[i] = t.Output()
		outputs[i].WriteTo = func(w io.Writer) error { return data(t, w) }
	}
	return writeFile(path, f.header, outputs)
}

// Close ends the mapping, and with it the Data of all tensors. It may be called more than once.
func (f *File) Close() error {
	mapping := f.mapping
	if mapping == nil {
		return nil
	}
	f.mapping = nil
	if err := mapping.Unmap(); err != nil {
		return fmt.Errorf("safetensors: %s: %w", f.path, err)
	}
	return nil
}
