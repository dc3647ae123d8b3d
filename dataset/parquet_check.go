package dataset

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// maxFooter bounds a parquet file's metadata. It grows with columns times row groups, not with rows.
	maxFooter = 64 << 20
	// maxPage bounds one page after decompression; writers aim at 1 MiB.
	maxPage = 512 << 20
	// maxPageValues bounds the values of one page, for which levels are unpacked; writers aim at 20 thousand rows.
	maxPageValues = 16 << 20
)

// checkFooter checks the lengths in the file's metadata.
func checkFooter(r io.ReaderAt, size int64) error {
	if size < 12 {
		return errors.New("not a parquet file: too short")
	}
	var tail [8]byte
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return err
	}
	if string(tail[4:]) != "PAR1" {
		return errors.New("not a parquet file, or truncated: it does not end with PAR1")
	}
	length := int64(binary.LittleEndian.Uint32(tail[:4]))
	if length > size-12 || length > maxFooter {
		return fmt.Errorf("metadata of %d bytes in a file of %d", length, size)
	}
	footer := make([]byte, length)
	if _, err := r.ReadAt(footer, size-8-length); err != nil {
		return err
	}
	w := thriftWalker{data: footer}
	return w.structure(0, 0, nil)
}

// checkChunks walks over the headers of all pages and checks that they lie in the file, are not larger than announced
// and do not unpack to more than the limits.
func checkChunks(r io.ReaderAt, size int64, lim limits, metadata *format.FileMetaData) error {
	unpacked := int64(0)
	for g := range metadata.RowGroups {
		for i := range metadata.RowGroups[g].Columns {
			chunk := &metadata.RowGroups[g].Columns[i].MetaData
			start := chunk.DataPageOffset
			if chunk.DictionaryPageOffset > 0 {
				start = min(start, chunk.DictionaryPageOffset)
			}
			if start < 4 || chunk.TotalCompressedSize < 0 || start > size || chunk.TotalCompressedSize > size-start {
				return fmt.Errorf("column %d of row group %d lies outside of the file", i, g)
			}
			n, err := checkPages(io.NewSectionReader(r, start, chunk.TotalCompressedSize), chunk)
			if err != nil {
				return fmt.Errorf("column %d of row group %d: %w", i, g, err)
			}
			if unpacked += n; unpacked > lim.total || unpacked > lim.slack && unpacked/lim.ratio > size {
				return fmt.Errorf("decompresses to more than %d bytes or %d times its size", lim.total, lim.ratio)
			}
		}
	}
	return nil
}

// checkPages checks the pages of one column chunk and returns their decompressed size.
func checkPages(section *io.SectionReader, chunk *format.ColumnMetaData) (unpacked int64, err error) {
	const headerSize = 64 << 10
	buffer := make([]byte, min(headerSize, section.Size()))
	values := int64(0)
	for at := int64(0); values < chunk.NumValues && at < section.Size(); {
		n, err := section.ReadAt(buffer, at)
		if err != nil && err != io.EOF {
			return 0, err
		}
		var page pageHeader
		w := thriftWalker{data: buffer[:n]}
		if err := w.structure(0, 0, page.see); err != nil {
			// Headers hold statistics: two values of the column, which some writers do not cut short.
			if left := min(section.Size()-at, maxPage); int64(n) < left {
				buffer = make([]byte, min(2*int64(len(buffer)), left))
				continue
			}
			return 0, fmt.Errorf("page header: %w", err)
		}
		at += int64(w.at)
		if page.compressed < 0 || page.compressed > section.Size()-at || page.plain < 0 || page.plain > maxPage {
			return 0, fmt.Errorf("page of %d bytes, %d decompressed, in a column of %d", page.compressed, page.plain,
				section.Size())
		}
		if page.values < 0 || page.values > maxPageValues || page.entries < 0 || page.entries > page.plain {
			return 0, fmt.Errorf("page of %d values and %d dictionary entries in %d bytes", page.values, page.entries, page.plain)
		}
		body := io.NewSectionReader(section, at, page.compressed)
		if err := page.checkUnpacked(body, chunk.Codec); err != nil {
			return 0, err
		}
		at += page.compressed
		unpacked += page.plain
		values += page.values
	}
	return unpacked, nil
}

// pageHeader is what the checks need of a page header.
type pageHeader struct {
	plain, compressed int64 // bytes
	values            int64 // of data pages
	entries           int64 // of a dictionary page, of at least one byte each
	levels            int64 // bytes before the compressed part of a version 2 page
	stored            bool  // a version 2 page that is not compressed
}

// see takes the fields by their ids in parquet's definition of a page header.
func (p *pageHeader) see(outer, field int, value int64) {
	switch [2]int{outer, field} {
	case [2]int{0, 2}:
		p.plain = value
	case [2]int{0, 3}:
		p.compressed = value
	case [2]int{5, 1}, [2]int{8, 1}:
		p.values = value
	case [2]int{7, 1}:
		p.entries = value
	case [2]int{8, 5}, [2]int{8, 6}:
		p.levels += value
	case [2]int{8, 7}:
		p.stored = value == 0
	}
}

// checkUnpacked checks that a page unpacks to no more than its header says, for the codecs whose stream does not say
// so itself.
func (p *pageHeader) checkUnpacked(body *io.SectionReader, codec format.CompressionCodec) error {
	if p.stored || p.compressed == 0 {
		return nil
	}
	if p.levels < 0 || p.levels > p.compressed {
		return errThrift
	}
	packed := io.NewSectionReader(body, p.levels, p.compressed-p.levels)
	var plain io.Reader
	switch codec {
	case format.Uncompressed:
		return nil
	case format.Snappy:
		var head [binary.MaxVarintLen64]byte
		n, _ := packed.ReadAt(head[:], 0)
		if length, width := binary.Uvarint(head[:n]); width <= 0 || length > uint64(p.plain) {
			return errors.New("a snappy page unpacks to more than its header says")
		}
		return nil
	case format.Gzip:
		unzip, err := gzip.NewReader(packed)
		if err != nil {
			return err
		}
		plain = unzip
	case format.Zstd:
		unzip, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return err
		}
		defer unzip.Close()
		plain = unzip
	default:
		return fmt.Errorf("compression %v is not supported, expected none, snappy, gzip or zstd", codec)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(plain, p.plain+1))
	if err != nil {
		return err
	}
	if n > p.plain {
		return errors.New("a page unpacks to more than its header says")
	}
	return nil
}
