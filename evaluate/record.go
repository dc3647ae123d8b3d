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

	"smt/dataset"
)

// A Record is what became of one row: a line of the file of records.
type Record struct {
	Row       int       `json:"row"` // counted from 0
	Prompt    string    `json:"prompt"`
	Output    string    `json:"output"` // the text that the answer was looked for in
	Extracted string    `json:"extracted"`
	Answer    string    `json:"answer"`
	Correct   bool      `json:"correct"`
	Options   []string  `json:"options,omitempty"` // likelihood only: what was compared,
	Scores    []float64 `json:"scores,omitempty"`  // and the mean log-probability of each
}

// A recordHeader is the first line of the file. A file is only gone on with if all of it agrees.
type recordHeader struct {
	Task     string `json:"task"`
	Protocol string `json:"protocol"`
	Template string `json:"template"`
	Model    string `json:"model"`
	Rows     int    `json:"rows"`
	Data     string `json:"data_sha256"` // of instructions, inputs and answers
}

func newHeader(task Task, protocol, template, model string, rows []dataset.Row) recordHeader {
	hash := sha256.New()
	for _, r := range rows {
		for _, field := range []string{r.Instruction, r.Input, r.Answer} {
			fmt.Fprintf(hash, "%d\n%s", len(field), field)
		}
	}
	return recordHeader{task.Name, protocol, template, model, len(rows), hex.EncodeToString(hash.Sum(nil))}
}

// records is the file of records, open for more. Without a path it only counts.
type records struct {
	path    string
	file    *os.File
	done    map[int]bool
	correct int
}

// maxRecordLine bounds the memory that a damaged file can take.
const maxRecordLine = 16 << 20

// openRecords begins a file, or reads what an earlier run has left in it.
func openRecords(path string, header recordHeader) (*records, error) {
	r := &records{path: path, done: map[int]bool{}}
	if path == "" {
		return r, nil
	}
	var err error
	if r.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, fmt.Errorf("evaluate: records: %w", err)
	}
	if err := r.resume(header); err != nil {
		r.file.Close()
		return nil, err
	}
	return r, nil
}

// resume makes the file ready for more. A last line that was cut short is taken off.
func (r *records) resume(header recordHeader) error {
	end, err := r.read(header)
	if err != nil {
		return err
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

// read takes in all whole lines and returns where they end.
func (r *records) read(header recordHeader) (end int64, err error) {
	in := bufio.NewReader(r.file)
	for number := 1; ; number++ {
		line, err := readLine(in)
		if err == io.EOF {
			return end, nil
		}
		if err != nil {
			return 0, fmt.Errorf("evaluate: %s:%d: %w", r.path, number, err)
		}
		if number == 1 {
			err = checkHeader(line, header)
		} else {
			err = r.take(line, header.Rows)
		}
		if err != nil {
			return 0, fmt.Errorf("evaluate: %s:%d: %w; remove the file to begin anew, or name another", r.path, number, err)
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

func checkHeader(line []byte, want recordHeader) error {
	var got recordHeader
	if err := strictJSON(line, &got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the records are of another run: %+v, expected %+v", got, want)
	}
	return nil
}

func (r *records) take(line []byte, rows int) error {
	var record Record
	if err := strictJSON(line, &record); err != nil {
		return err
	}
	if record.Row < 0 || record.Row >= rows || r.done[record.Row] {
		return fmt.Errorf("row %d: expected each of 0 to %d once", record.Row, rows-1)
	}
	r.count(record)
	return nil
}

// strictJSON decodes one object without fields that v does not know.
func strictJSON(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("not a record: %w", err)
	}
	return nil
}

func (r *records) count(record Record) {
	r.done[record.Row] = true
	if record.Correct {
		r.correct++
	}
}

// add counts records and puts them into the file.
func (r *records) add(batch ...Record) error {
	for _, record := range batch {
		r.count(record)
		if r.file == nil {
			continue
		}
		if err := r.write(record); err != nil {
			return err
		}
	}
	return nil
}

func (r *records) write(v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = r.file.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("evaluate: records: %w", err)
	}
	return nil
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
