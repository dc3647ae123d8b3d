package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// ReadOptions say how files become rows.
type ReadOptions struct {
	// Columns says what the file calls our fields (instruction, input, output, answer, prompt, completion, messages, text):
	// our name -> the file's. One field of the file may be several of ours.
	Columns map[string]string
	// MaxRows is how many rows of each file Load returns, from the first; 0 means all. The rest is read and checked, too.
	MaxRows int
	// LeftOut, if set, is told how many rows of a file MaxRows has left out.
	LeftOut func(path string, rows int)
	// SkipBadRows is how many bad rows Load drops before it fails. Read ignores it: it always returns them all.
	SkipBadRows int
	// Evaluation reads rows that are only asked, not learned: their response may be empty or missing.
	Evaluation bool
}

// Load reads all files, in order, and fails with a *BadRowsError if they hold more bad rows than opt.SkipBadRows.
func Load(paths []string, opt ReadOptions) ([]Row, error) {
	var rows []Row
	var bad []*RowError
	for _, path := range paths {
		r, b, err := Read(path, opt)
		if err != nil {
			return nil, err
		}
		if n := len(r) - opt.MaxRows; opt.MaxRows > 0 && n > 0 {
			r = r[:opt.MaxRows]
			if opt.LeftOut != nil {
				opt.LeftOut(path, n)
			}
		}
		rows, bad = append(rows, r...), append(bad, b...)
	}
	if len(bad) > opt.SkipBadRows {
		return nil, &BadRowsError{bad}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("dataset: no rows in %s", strings.Join(paths, ", "))
	}
	return rows, nil
}

// Read reads one file: json (a list of objects, or one object per line), jsonl, both also compressed (.gz, .zst), or
// parquet. All bad rows are returned; the error is for what concerns the whole file, such as fields that fit no format.
func Read(path string, opt ReadOptions) (rows []Row, bad []*RowError, err error) {
	if err := checkColumns(opt.Columns); err != nil {
		return nil, nil, err
	}
	c := &collector{file: path, columns: opt.Columns, evaluation: opt.Evaluation}
	if strings.EqualFold(filepath.Ext(path), ".parquet") {
		err = readParquet(path, fileLimits, c)
	} else {
		err = readText(path, fileLimits, c)
	}
	if err != nil {
		return nil, nil, err
	}
	return c.rows, c.bad, nil
}

// readText reads a json or jsonl file.
func readText(path string, lim limits, c *collector) (err error) {
	in, name, err := openInput(path, lim)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := in.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("dataset: %s: %w", path, closeErr)
		}
	}()
	switch extension := strings.ToLower(filepath.Ext(name)); extension {
	case ".json", ".jsonl", ".ndjson":
	default:
		return fmt.Errorf("dataset: %s: unknown kind of file %q, expected .json, .jsonl (also .gz, .zst) or .parquet",
			path, extension)
	}
	return readJSON(in, path, lim, c)
}

// readJSON reads a list of objects, or one object per line: the first character decides.
func readJSON(r io.Reader, path string, lim limits, c *collector) error {
	buffered := bufio.NewReaderSize(r, 1<<18)
	line := 1
	if err := skipMark(buffered); err != nil {
		return fmt.Errorf("dataset: %s: %w", path, err)
	}
	for {
		next, err := buffered.ReadByte()
		if err == io.EOF {
			return fmt.Errorf("dataset: %s: empty file", path)
		}
		if err != nil {
			return fmt.Errorf("dataset: %s:%d: %w", path, line, err)
		}
		switch next {
		case '\n':
			line++
			continue
		case ' ', '\t', '\r':
			continue
		}
		if err := buffered.UnreadByte(); err != nil {
			return fmt.Errorf("dataset: %s:%d: %w", path, line, err)
		}
		if next == '[' {
			err = readList(buffered, line, lim, c)
		} else {
			err = readLines(buffered, line, lim, c)
		}
		return err
	}
}

// skipMark skips a UTF-8 byte order mark and refuses the UTF-16 ones.
func skipMark(r *bufio.Reader) error {
	head, err := r.Peek(3)
	if err != nil && err != io.EOF {
		return err
	}
	switch {
	case bytes.Equal(head, []byte("\xef\xbb\xbf")):
		_, err := r.Discard(3)
		return err
	case len(head) >= 2 && (head[0] == 0xff && head[1] == 0xfe || head[0] == 0xfe && head[1] == 0xff):
		return errors.New("the file is UTF-16, expected UTF-8; convert it with: iconv -f utf-16 -t utf-8")
	}
	return nil
}

// readLines reads one JSON object per line. A malformed line is a bad row; the next line is read all the same.
func readLines(r *bufio.Reader, line int, lim limits, c *collector) error {
	var buffer []byte
	for ; ; line++ {
		var err error
		buffer, err = readLine(r, buffer[:0], lim.row)
		if err == io.EOF && len(buffer) == 0 {
			return nil
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("dataset: %s:%d: %w", c.file, line, err)
		}
		if text := bytes.TrimSpace(buffer); len(text) > 0 {
			if fatal := c.add(line, text); fatal != nil {
				return fatal
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// readLine appends the next line without its newline to buffer.
func readLine(r *bufio.Reader, buffer []byte, limit int) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(buffer)+len(part) > limit {
			return buffer, fmt.Errorf("line of more than %d bytes", limit)
		}
		buffer = append(buffer, part...)
		switch err {
		case nil:
			return buffer[:len(buffer)-1], nil
		case bufio.ErrBufferFull:
		default:
			return buffer, err
		}
	}
}

// readList reads a JSON list of objects one element at a time.
func readList(r *bufio.Reader, line int, lim limits, c *collector) error {
	s := listScanner{r: r, line: line, limit: lim.row}
	for {
		element, start, err := s.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("dataset: %s:%d: %w", c.file, s.line, err)
		}
		if fatal := c.add(start, element); fatal != nil {
			return fatal
		}
	}
}

// listScanner cuts the elements out of a JSON list without holding the list. It only follows brackets and strings;
// whether an element is well-formed is for the parser to say.
type listScanner struct {
	r      *bufio.Reader
	line   int
	limit  int
	buffer []byte
	opened bool
}

// next returns the text of the next element and the line it starts on, and io.EOF after the list's end. The text is
// valid until the next call.
func (s *listScanner) next() (element []byte, start int, err error) {
	first, err := s.token()
	if err != nil {
		return nil, 0, err
	}
	if !s.opened {
		// The caller has seen the opening bracket.
		s.opened = true
		if first, err = s.token(); err != nil {
			return nil, 0, err
		}
		if first != ']' {
			return s.element(first)
		}
	}
	switch first {
	case ']':
		return nil, 0, s.end()
	case ',':
		if first, err = s.token(); err != nil {
			return nil, 0, err
		}
		return s.element(first)
	}
	return nil, 0, fmt.Errorf("expected ',' or ']' after a row, got %q", first)
}

// token returns the next byte that is not white space.
func (s *listScanner) token() (byte, error) {
	for {
		c, err := s.r.ReadByte()
		if err == io.EOF {
			return 0, errors.New("the list is not closed; the file may be truncated")
		}
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			s.line++
		case ' ', '\t', '\r':
		default:
			return c, nil
		}
	}
}

// end checks that nothing follows the list.
func (s *listScanner) end() error {
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return err // io.EOF is what the caller waits for
		}
		switch c {
		case '\n':
			s.line++
		case ' ', '\t', '\r':
		default:
			return fmt.Errorf("unexpected %q after the list", c)
		}
	}
}

// element collects the element that starts with first: up to the comma or bracket that ends it.
func (s *listScanner) element(first byte) (element []byte, start int, err error) {
	if first == ',' || first == ']' || first == '}' {
		return nil, 0, fmt.Errorf("expected a row, got %q", first)
	}
	start = s.line
	s.buffer = s.buffer[:0]
	depth, inString, escaped := 0, false, false
	for c := first; ; {
		if inString {
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				inString = false
			}
		} else {
			switch c {
			case '"':
				inString = true
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
		}
		if c == '\n' {
			s.line++
		}
		if len(s.buffer) >= s.limit {
			return nil, 0, fmt.Errorf("row of more than %d bytes, starting on line %d", s.limit, start)
		}
		s.buffer = append(s.buffer, c)
		if depth == 0 && !inString {
			// A scalar goes on until something that cannot belong to it.
			next, err := s.r.Peek(1)
			if len(next) == 0 || c == '}' || c == ']' || strings.IndexByte(",]}{[\" \t\r\n", next[0]) >= 0 {
				if err != nil && err != io.EOF {
					return nil, 0, err
				}
				return s.buffer, start, nil
			}
		}
		if c, err = s.r.ReadByte(); err != nil {
			if err == io.EOF {
				err = fmt.Errorf("the row that starts on line %d is not closed; the file may be truncated", start)
			}
			return nil, 0, err
		}
	}
}

// collector turns parsed values into rows of the file's format.
type collector struct {
	file    string
	columns map[string]string
	// evaluation is ReadOptions.Evaluation.
	evaluation bool
	layout     *layout // nil until the first object
	rows       []Row
	bad        []*RowError
}

// add parses one row's text. The error is returned only for what concerns the whole file.
func (c *collector) add(line int, text []byte) error {
	v, err := parseJSON(text)
	if err != nil {
		var syntax *syntaxError
		if !errors.As(err, &syntax) {
			return err
		}
		before := text[:min(syntax.offset, len(text))]
		column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
		c.reject(line+bytes.Count(before, []byte{'\n'}), "", fmt.Sprintf("column %d: %v", column, err))
		return nil
	}
	return c.addValue(line, &v)
}

// addValue maps one row's value to the format.
func (c *collector) addValue(line int, v *value) error {
	if v.kind != kindObject {
		c.reject(line, "", fmt.Sprintf("expected an object, got %s", v.kind))
		return nil
	}
	if c.layout == nil {
		layout, err := detect(v, c.columns, c.evaluation)
		if err != nil {
			return fmt.Errorf("dataset: %s:%d: %w", c.file, line, err)
		}
		c.layout = layout
	}
	row := Row{Format: c.layout.format, File: c.file, Line: line}
	if field, problem := c.layout.fill(&row, v); problem != "" {
		c.reject(line, field, problem)
		return nil
	}
	c.rows = append(c.rows, row)
	return nil
}

func (c *collector) reject(line int, field, problem string) {
	c.bad = append(c.bad, &RowError{File: c.file, Line: line, Field: field, Problem: problem})
}
