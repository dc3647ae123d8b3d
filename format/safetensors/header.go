package safetensors

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
)

const (
	// lengthSize is the bytes in front of the header that hold its length.
	lengthSize = 8
	// maxHeader is the longest header that the format allows.
	maxHeader = 100_000_000
	// metadataKey is the name in the header that is not a tensor's.
	metadataKey = "__metadata__"
)

func errTooShort(size int64) error {
	return fmt.Errorf("has %d bytes, expected at least %d: the file is truncated or not a safetensors file", size, lengthSize)
}

// entry is what the header says about one tensor; its bytes are those from begin to end, counted from the header's end.
type entry struct {
	name       string
	dtype      DType
	shape      []int
	begin, end uint64
}

// parse fills f from the bytes of a whole file.
func (f *File) parse(data []byte) error {
	if len(data) < lengthSize {
		return errTooShort(int64(len(data)))
	}
	length := binary.LittleEndian.Uint64(data)
	if length > maxHeader {
		return fmt.Errorf("header is %d bytes long, the format allows %d: the file is damaged or not a safetensors file",
			length, maxHeader)
	}
	if rest := uint64(len(data) - lengthSize); length > rest {
		return fmt.Errorf("header is %d bytes long, but only %d follow: the file is truncated", length, rest)
	}
	f.header = data[lengthSize : lengthSize+length]
	entries, err := f.parseHeader()
	if err != nil {
		return err
	}
	return f.layOut(entries, data[lengthSize+length:])
}

// parseHeader reads the JSON of the header: the metadata into f, the tensors, in the header's order, into the result.
func (f *File) parseHeader() ([]entry, error) {
	if len(f.header) == 0 || f.header[0] != '{' {
		return nil, errors.New("header does not begin with {: the file is damaged or not a safetensors file")
	}
	decoder, err := newDecoder(f.header)
	if err != nil {
		return nil, fmt.Errorf("header %w", err)
	}
	var entries []entry
	err = readObject(decoder, func(name string) error {
		if name == metadataKey {
			return f.parseMetadata(decoder)
		}
		e, err := parseEntry(decoder, name)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return entries, nil
}

func (f *File) parseMetadata(decoder *json.Decoder) error {
	f.metadata = make(map[string]string)
	err := readObject(decoder, func(key string) error {
		value, err := readString(decoder)
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		f.metadata[key] = value
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", metadataKey, err)
	}
	return nil
}

// parseEntry reads {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}; all three keys and no others.
func parseEntry(decoder *json.Decoder, name string) (entry, error) {
	e := entry{name: name}
	keys := 0
	err := readObject(decoder, func(key string) (err error) {
		keys++
		switch key {
		case "dtype":
			var text string
			text, err = readString(decoder)
			e.dtype = DType(text)
			if err == nil && e.dtype.Size() == 0 {
				err = fmt.Errorf("%.40q is not supported (supported: %s)", text, knownDTypes())
			}
		case "shape":
			e.shape, err = readSizes(decoder)
		case "data_offsets":
			var offsets []int
			offsets, err = readSizes(decoder)
			if err == nil && len(offsets) != 2 {
				err = fmt.Errorf("expected [begin, end], got %d numbers", len(offsets))
			}
			if err == nil {
				e.begin, e.end = uint64(offsets[0]), uint64(offsets[1])
			}
		default:
			return fmt.Errorf("unknown key %q (known: dtype, shape, data_offsets)", key)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	if keys != 3 {
		return e, fmt.Errorf("expected dtype, shape and data_offsets, got %d of them", keys)
	}
	return e, e.check()
}

// readSizes reads a list of whole numbers that fit an int.
func readSizes(decoder *json.Decoder) ([]int, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('[') {
		return nil, fmt.Errorf("expected a list, got %s", describe(token))
	}
	sizes := []int{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("expected whole numbers, got %s", describe(token))
		}
		size, err := strconv.ParseUint(number.String(), 10, strconv.IntSize-1)
		if err != nil {
			return nil, fmt.Errorf("expected a whole number from 0 to 2^%d-1, got %.40s", strconv.IntSize-1, number)
		}
		sizes = append(sizes, int(size))
	}
	_, err = decoder.Token()
	return sizes, err
}

// check compares the bytes of a tensor with its shape.
func (e entry) check() error {
	if e.end < e.begin {
		return fmt.Errorf("data_offsets [%d, %d] end before they begin", e.begin, e.end)
	}
	size, ok := byteSize(e.dtype, e.shape)
	if !ok {
		return fmt.Errorf("shape %v of %s overflows", e.shape, e.dtype)
	}
	if e.end-e.begin != size {
		return fmt.Errorf("shape %v of %s needs %d bytes, data_offsets [%d, %d] hold %d",
			e.shape, e.dtype, size, e.begin, e.end, e.end-e.begin)
	}
	return nil
}

// byteSize is the product of the dimensions and the size of an element, and false if it overflows on the way.
func byteSize(dtype DType, shape []int) (uint64, bool) {
	size := uint64(1)
	for _, dim := range append([]int{dtype.Size()}, shape...) {
		high, low := bits.Mul64(size, uint64(dim))
		if dim < 0 || high != 0 || low >= 1<<(strconv.IntSize-1) {
			return 0, false
		}
		size = low
	}
	return size, true
}

// layOut gives every tensor its bytes of data, and checks that they follow each other without hole or overlap from the
// first byte to the last: bytes that belong to no tensor could hide a second file.
func (f *File) layOut(entries []entry, data []byte) error {
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	position := uint64(0)
	f.tensors = make([]Tensor, len(entries))
	for i, e := range entries {
		switch {
		case e.begin < position:
			return fmt.Errorf("tensor %q: data_offsets [%d, %d] overlap those of %q, which end at %d",
				e.name, e.begin, e.end, entries[i-1].name, position)
		case e.begin > position:
			return fmt.Errorf("tensor %q: data_offsets [%d, %d] leave a hole after byte %d", e.name, e.begin, e.end, position)
		case e.end > uint64(len(data)):
			return fmt.Errorf("tensor %q: data_offsets [%d, %d], but only %d bytes follow the header: the file is truncated",
				e.name, e.begin, e.end, len(data))
		}
		f.tensors[i] = Tensor{Name: e.name, DType: e.dtype, Shape: e.shape, Data: data[e.begin:e.end:e.end]}
		position = e.end
	}
	if position != uint64(len(data)) {
		return fmt.Errorf("tensors end at byte %d after the header, the file at %d: %d bytes belong to no tensor",
			position, len(data), uint64(len(data))-position)
	}
	return nil
}
