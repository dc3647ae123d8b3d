package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// thriftWalker walks over a value in Thrift's compact encoding, which parquet's footer and page headers use, and checks
// every length in it against the bytes that are there. parquet-go takes memory for a list's announced length before it
// reads the list, so the lengths are checked here first.
type thriftWalker struct {
	data  []byte
	at    int
	items int // of lists so far
}

const (
	thriftDepth = 24
	// thriftItems is how many list elements a footer may hold in all: 65 thousand columns in 32 row groups.
	thriftItems = 1 << 21
)

var errThrift = errors.New("malformed metadata")

// visit is called for every integer field of the outermost struct and the structs directly in it, with the ids of the
// fields that lead to it (the outer one is 0 for the outermost struct's own fields).
type visit func(outer, field int, value int64)

func (w *thriftWalker) byte() (byte, error) {
	if w.at >= len(w.data) {
		return 0, errThrift
	}
	w.at++
	return w.data[w.at-1], nil
}

func (w *thriftWalker) varint() (uint64, error) {
	v, n := binary.Uvarint(w.data[w.at:])
	if n <= 0 {
		return 0, errThrift
	}
	w.at += n
	return v, nil
}

// length reads a length in units of at least one byte each and checks that as many bytes are left.
func (w *thriftWalker) length() (int, error) {
	n, err := w.varint()
	if err != nil {
		return 0, err
	}
	if n > uint64(len(w.data)-w.at) {
		return 0, errThrift
	}
	return int(n), nil
}

// structure walks over a struct.
func (w *thriftWalker) structure(depth, outer int, see visit) error {
	if depth > thriftDepth {
		return errThrift
	}
	field := 0
	for {
		head, err := w.byte()
		if err != nil || head == 0 {
			return err
		}
		if delta := int(head >> 4); delta != 0 {
			field += delta
		} else {
			id, err := w.varint()
			if err != nil {
				return err
			}
			field = int(int16(id>>1) ^ -int16(id&1))
		}
		if err := w.value(head&15, depth, outer, field, see); err != nil {
			return err
		}
	}
}

// value walks over one value of a compact type. Booleans as fields have no bytes of their own.
func (w *thriftWalker) value(kind byte, depth, outer, field int, see visit) error {
	switch kind {
	case 1, 2:
		if see != nil && depth < 2 {
			see(outer, field, int64(2-kind))
		}
		return nil
	case 3:
		_, err := w.byte()
		return err
	case 4, 5, 6:
		v, err := w.varint()
		if err == nil && see != nil && depth < 2 {
			see(outer, field, int64(v>>1)^-int64(v&1))
		}
		return err
	case 7:
		if len(w.data)-w.at < 8 {
			return errThrift
		}
		w.at += 8
		return nil
	case 8:
		n, err := w.length()
		w.at += n
		return err
	case 9, 10:
		return w.list(depth)
	case 12:
		return w.structure(depth+1, field, see)
	}
	return fmt.Errorf("%w: type %d", errThrift, kind) // 11 is a map, which parquet does not use
}

func (w *thriftWalker) list(depth int) error {
	head, err := w.byte()
	if err != nil {
		return err
	}
	n := int(head >> 4)
	if n == 15 {
		if n, err = w.length(); err != nil {
			return err
		}
	}
	if w.items += n; w.items > thriftItems || n > len(w.data)-w.at {
		return errThrift
	}
	for range n {
		kind := head & 15
		if kind == 1 || kind == 2 {
			kind = 3 // booleans in a list are bytes
		}
		if err := w.value(kind, depth+1, 0, 0, nil); err != nil {
			return err
		}
	}
	return nil
}
