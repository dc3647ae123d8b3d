package evaluate

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"smt/dataset"
	"smt/durable"
)

// A Record is what became of one row: a line of the file of records.
type Record struct {
	Row       int    `json:"row"` // counted from 0
	Prompt    string `json:"prompt"`
	Output    string `json:"output"` // the text that the answer was looked for in
	Extracted string `json:"extracted"`
	Answer    string `json:"answer"`
	Correct   bool   `json:"correct"`
	// Value is the row's own measure: 1 or 0 for right and wrong, the chrF of a translated sentence, or the loss per
	// supervised token in nats.
	Value float64 `json:"value"`
	// Likelihood only: what was compared, and the mean log-probability of each.
	Options []string  `json:"options,omitempty"`
	Scores  []float64 `json:"scores,omitempty"`
	// Loss only: the sum over the row's supervised tokens in nats, and their number.
	Loss   float64 `json:"loss,omitempty"`
	Tokens int     `json:"supervised_tokens,omitempty"`
	// Problem says why a program failed.
	Problem string `json:"problem,omitempty"`
}

// judged sets what follows from a record being right or wrong.
func (r Record) judged(correct bool) Record {
	if r.Correct = correct; correct {
		r.Value = 1
	}
	return r
}

// A recordHeader is the first line of the file. A file is only gone on with if all of it agrees.
type recordHeader struct {
	Task     string `json:"task"`
	Kind     string `json:"kind"`
	Protocol string `json:"protocol"`
	Template string `json:"template"`
	Model    string `json:"model"`
	Limit    int    `json:"limit"` // of new tokens, or of the tokens of a row
	Rows     int    `json:"rows"`
	Data     string `json:"data_sha256"` // of all that the rows hold
}

// lossKind is the kind of a header whose records hold losses.
const lossKind = "loss"

func hashRows(rows []dataset.Row) string {
	hash := sha256.New()
	write := func(fields ...string) {
		fmt.Fprintf(hash, "%d\n", len(fields))
		for _, field := range fields {
			fmt.Fprintf(hash, "%d\n%s", len(field), field)
		}
	}
	for i := range rows {
		r := &rows[i]
		write(string(r.Format), r.Instruction, r.Input, r.Output, r.Prompt, r.Completion, r.Text, r.Answer, r.Task, r.Setup)
		write(r.Tests...)
		for _, m := range r.Messages {
			write(string(m.Role), m.Content, strconv.FormatBool(m.Masked))
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// records holds the records of a run, and the file of them, open for more, if there is a path.
type records struct {
	path string
	file *os.File
	rows []Record
	done []bool
	left int
}

// maxRecordLine bounds the memory that a damaged file can take.
const maxRecordLine = 16 << 20

// openRecords begins a file, or reads what an earlier run has left in it. The file is locked until it is closed: lines of
// two processes in one file would make it useless to both.
func openRecords(path string, header recordHeader) (*records, error) {
	r := &records{path: path, rows: make([]Record, header.Rows), done: make([]bool, header.Rows), left: header.Rows}
	if path == "" {
		return r, nil
	}
	var err error
	if r.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, fmt.Errorf("evaluate: records: %w", err)
	}
	if err := durable.LockFile(r.file); err != nil {
		r.file.Close()
		return nil, fmt.Errorf("evaluate: records: %w", err)
	}
	if err := r.resume(header); err != nil {
		r.file.Close()
		return nil, err
	}
	return r, nil
}

// resume makes the file ready for more. A last line that was cut short is taken off; a first one only if it is the
// beginning of the header, since what has no whole line may be any file.
func (r *records) resume(header recordHeader) error {
	end, err := readRecords(r.file, r.path, func(got recordHeader) error {
		if got != header {
			return fmt.Errorf("the records are of another run: %+v, expected %+v", got, header)
		}
		return nil
	}, r.keep)
	if err == nil && end == 0 {
		err = r.checkBeginning(header)
	}
	if err != nil {
		return fmt.Errorf("%w; remove the file to begin anew, or name another", err)
	}
	if err := r.file.Truncate(end); err != nil {
		return fmt.Errorf("evaluate: records: %w", err)
	}
	if _, err := r.file.Seek(end, io.SeekStart); err != nil {
		return fmt.Errorf("evaluate: records: %w", err)
	}
	if end == 0 {
		return r.write(header)
	}
	return nil
}

// checkBeginning refuses a file without a whole line that does not begin as one with this header does.
func (r *records) checkBeginning(header recordHeader) error {
	line, err := encodeLine(header)
	if err != nil {
		return err
	}
	left, err := io.ReadAll(io.NewSectionReader(r.file, 0, int64(len(line))))
	if err != nil {
		return fmt.Errorf("evaluate: records: %w", err)
	}
	if !bytes.HasPrefix(line, left) {
		return fmt.Errorf("evaluate: %s: not a file of records: it has no whole line, and begins with %.40q, expected %.40q", r.path, left, line)
	}
	return nil
}

// readRecords hands the header and the records of all whole lines to two functions, and returns where the lines end.
func readRecords(file io.Reader, path string, head func(recordHeader) error, each func(Record) error) (end int64, err error) {
	in := bufio.NewReader(file)
	for number := 1; ; number++ {
		line, err := readLine(in)
		if err == io.EOF {
			return end, nil
		}
		if err == nil {
			if number == 1 {
				err = decodeLine(line, head)
			} else {
				err = decodeLine(line, each)
			}
		}
		if err != nil {
			return 0, fmt.Errorf("evaluate: %s:%d: %w", path, number, err)
		}
		end += int64(len(line)) + 1
	}
}

// readLine returns the next line that has an end, without it, or io.EOF.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			return line[:len(line)-1], nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(line) > maxRecordLine {
			return nil, fmt.Errorf("a line of more than %d MiB", maxRecordLine>>20)
		}
	}
}

// decodeLine decodes one object without fields that T does not know, and hands it on.
func decodeLine[T any](line []byte, to func(T) error) error {
	var v T
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("not a record: %w", err)
	}
	if d.More() {
		return errors.New("not a record: something follows the object")
	}
	return to(v)
}

// keep takes in the record of a row that has none yet.
func (r *records) keep(record Record) error {
	if record.Row < 0 || record.Row >= len(r.rows) || r.done[record.Row] {
		return fmt.Errorf("row %d: expected each of 0 to %d once", record.Row, len(r.rows)-1)
	}
	r.rows[record.Row], r.done[record.Row] = record, true
	r.left--
	return nil
}

// add keeps a record and puts it into the file.
func (r *records) add(record Record) error {
	if err := r.keep(record); err != nil || r.file == nil {
		return err
	}
	return r.write(record)
}

func (r *records) write(v any) error {
	line, err := encodeLine(v)
	if err != nil {
		return err
	}
	if _, err := r.file.Write(line); err != nil {
		return fmt.Errorf("evaluate: records: %w", err)
	}
	return nil
}

// encodeLine is a header or record as it stands in the file, with the end of the line.
func encodeLine(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("evaluate: records: %w", err)
	}
	return append(line, '\n'), nil
}

// close makes the file safe on disk.
func (r *records) close() error {
	if r.file == nil {
		return nil
	}
	if err := errors.Join(r.file.Sync(), r.file.Close()); err != nil {
		return fmt.Errorf("evaluate: records: %w", err)
	}
	return nil
}
