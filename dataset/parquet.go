package dataset

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// maxFooter bounds a parquet file's metadata. It grows with columns times row groups, not with rows.
	maxFooter = 64 << 20
	// maxPage bounds one page after decompression; writers aim at 1 MiB.
	maxPage = 512 << 20
)

// readParquet reads a parquet file: string columns, and lists of structs of strings for chats.
func readParquet(path string, lim limits, c *collector) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	if info.IsDir() {
		return fmt.Errorf("dataset: %s: is a directory; name the file in it", path)
	}
	return parseParquet(file, info.Size(), lim, c)
}

// parseParquet reads the rows of a parquet file. parquet-go trusts much of what a file says; the lengths in it are
// checked before it runs, and a panic in it is an error of the file.
func parseParquet(r io.ReaderAt, size int64, lim limits, c *collector) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("dataset: %s: malformed parquet file (%v)", c.file, p)
		}
	}()
	wrap := func(err error) error { return fmt.Errorf("dataset: %s: %w", c.file, err) }
	if err := checkFooter(r, size); err != nil {
		return wrap(err)
	}
	file, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return wrap(err)
	}
	columns := planColumns(file.Root())
	if err := checkChunks(r, size, lim, file.Metadata()); err != nil {
		return wrap(err)
	}
	if file.NumRows() == 0 {
		return wrap(errors.New("no rows"))
	}
	number := 0
	rows := make([]parquet.Row, 64)
	for _, group := range file.RowGroups() {
		if err := readRowGroup(group, columns, rows, &number, c); err != nil {
			return err
		}
	}
	return nil
}

// readRowGroup adds the rows of one row group; number counts the file's rows.
func readRowGroup(group parquet.RowGroup, columns []parquetColumn, rows []parquet.Row, number *int, c *collector) (err error) {
	reader := group.Rows()
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		n, readErr := reader.ReadRows(rows)
		for _, row := range rows[:n] {
			*number++
			v, problem := assemble(row, columns)
			if problem != nil {
				c.reject(*number, problem.field, problem.text)
				continue
			}
			if err := c.addValue(*number, &v); err != nil {
				return err
			}
		}
		switch {
		case readErr == io.EOF:
			return nil
		case readErr != nil:
			return fmt.Errorf("dataset: %s: row %d: %w", c.file, *number+1, readErr)
		case n == 0:
			return fmt.Errorf("dataset: %s: row %d: the row group ends early", c.file, *number+1)
		}
	}
}

// parquetColumn says where a leaf column's values go in a row.
type parquetColumn struct {
	shape  parquetShape
	field  string // of the row
	member string // of the list's elements, for a list of structs
	isText bool   // a byte array
	// listed is the definition level from which on the list has an element.
	listed int
}

type parquetShape int

const (
	shapeOther   parquetShape = iota // structs outside of lists, lists of lists
	shapeScalar                      // one value per row
	shapeList                        // a list of values
	shapeStructs                     // a list of structs, of which the column is one member
)

// planColumns describes the leaf columns, in the order of their index.
func planColumns(root *parquet.Column) []parquetColumn {
	var columns []parquetColumn
	var walk func(path []*parquet.Column)
	walk = func(path []*parquet.Column) {
		if len(path) > maxDepth {
			panic("schema is nested too deeply")
		}
		node := root
		if len(path) > 0 {
			node = path[len(path)-1]
		}
		if node.Leaf() {
			columns = append(columns, planColumn(path))
			return
		}
		for _, child := range node.Columns() {
			walk(append(path, child))
		}
	}
	walk(nil)
	return columns
}

// planColumn describes the leaf at the end of path. Parquet writes a list as
//
//	optional group field (LIST) { repeated group list { optional group element { members } } }
//
// and older writers leave out the outer or the inner wrapper.
func planColumn(path []*parquet.Column) parquetColumn {
	leaf := path[len(path)-1]
	column := parquetColumn{field: path[0].Name(), isText: leaf.Type().Kind() == parquet.ByteArray}
	repeated, at := 0, 0
	for i, node := range path {
		if node.Repeated() {
			repeated, at = repeated+1, i
			column.listed = node.MaxDefinitionLevel()
		}
	}
	inside := path[at+1:]
	wrapped := len(inside) > 0 && (inside[0].Name() == "element" || inside[0].Name() == "item")
	switch {
	case repeated == 0 && len(path) == 1:
		column.shape = shapeScalar
	case repeated != 1 || at > 1:
		column.shape = shapeOther
	case len(inside) == 0 || len(inside) == 1 && wrapped:
		column.shape = shapeList
	case len(inside) == 1 || len(inside) == 2 && wrapped:
		column.shape, column.member = shapeStructs, leaf.Name()
	}
	return column
}

type parquetProblem struct{ field, text string }

// assemble builds a row from its columns' values, in the shape a JSON row has.
func assemble(row parquet.Row, columns []parquetColumn) (value, *parquetProblem) {
	v := value{kind: kindObject}
	var problem *parquetProblem
	row.Range(func(index int, values []parquet.Value) bool {
		if index >= len(columns) {
			return true
		}
		column := &columns[index]
		place, ok := v.field(column.field)
		if !ok {
			v.fields = append(v.fields, member{name: column.field})
			place = &v.fields[len(v.fields)-1].value
		}
		if problem = column.add(place, values); problem != nil {
			return false
		}
		return true
	})
	return v, problem
}

// add puts the column's values of one row into place.
func (p *parquetColumn) add(place *value, values []parquet.Value) *parquetProblem {
	switch p.shape {
	case shapeOther:
		place.kind = kindObject // so that an error can say what the field is
		return nil
	case shapeScalar:
		if len(values) == 1 {
			return p.convert(place, values[0], p.field)
		}
		return nil
	}
	element := -1
	for _, v := range values {
		if v.DefinitionLevel() < p.listed {
			// The list is empty or null, which only its first member decides.
			if place.kind == kindNull && v.DefinitionLevel() == p.listed-1 {
				place.kind = kindList
			}
			continue
		}
		place.kind = kindList
		element++
		if element == len(place.list) {
			place.list = append(place.list, value{})
		}
		target := &place.list[element]
		name := fmt.Sprintf("%s[%d]", p.field, element)
		if p.shape == shapeStructs {
			target.kind = kindObject
			target.fields = append(target.fields, member{name: p.member})
			target = &target.fields[len(target.fields)-1].value
			name += "." + p.member
		}
		if problem := p.convert(target, v, name); problem != nil {
			return problem
		}
	}
	return nil
}

// convert copies one leaf value.
func (p *parquetColumn) convert(to *value, from parquet.Value, name string) *parquetProblem {
	switch {
	case from.IsNull():
		to.kind = kindNull
	case p.isText:
		text := from.ByteArray()
		if !utf8.Valid(text) {
			return &parquetProblem{name, "invalid UTF-8"}
		}
		to.kind, to.text = kindString, string(text)
	default:
		to.kind, to.text = kindNumber, from.String()
		if from.Kind() == parquet.Boolean {
			to.kind, to.text = kindBool, strconv.FormatBool(from.Boolean())
		}
	}
	return nil
}

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
	const headerSize = 64 << 10 // headers hold statistics: two values of the column, cut short by all writers
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
			return 0, fmt.Errorf("page header: %w", err)
		}
		at += int64(w.at)
		if page.compressed < 0 || page.compressed > section.Size()-at || page.plain < 0 || page.plain > maxPage {
			return 0, fmt.Errorf("page of %d bytes, %d decompressed, in a column of %d", page.compressed, page.plain,
				section.Size())
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
