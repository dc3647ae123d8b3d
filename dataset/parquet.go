package dataset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
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
func readRowGroup(group parquet.RowGroup, columns []parquetColumn, rows []parquet.Row, number *int, c *collector) (
	err error,
) {
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
		// So that an error can say what the field is. Where another member has made it a list, that says more.
		if place.kind == kindNull && slices.ContainsFunc(values, func(v parquet.Value) bool { return !v.IsNull() }) {
			place.kind = kindObject
		}
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
			// The list is empty or null, which any of its members decides.
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
