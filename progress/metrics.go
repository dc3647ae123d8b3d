package progress

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"smt/durable"
)

// maxRecord is the longest line of a metrics file that is read back, in bytes.
const maxRecord = 1 << 20

// Metrics is a file of JSON objects, one a line, that a run appends to: one for each step, and whatever else is worth
// keeping. Its methods may be called by several goroutines.
type Metrics struct {
	mu   sync.Mutex
	file *os.File
}

// OpenMetrics opens the file at path for appending and makes it if it is not there. From a file that is, it first removes
// what a resumed run will write again: the first object whose "step" is above keepThroughStep or whose "event" is "done",
// everything after it, and lines that are no objects, as a crash may leave one behind. The file changes in one step or not
// at all. A negative keepThroughStep keeps nothing.
func OpenMetrics(path string, keepThroughStep int) (*Metrics, error) {
	if err := truncateMetrics(path, keepThroughStep); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, fmt.Errorf("progress: metrics: %w", err)
	}
	return &Metrics{file: file}, nil
}

func truncateMetrics(path string, keepThroughStep int) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("progress: metrics: %w", err)
	}
	defer file.Close()
	return durable.WriteFile(path, func(w io.Writer) error {
		err := copyRecords(w, file, keepThroughStep)
		if err != nil {
			return fmt.Errorf("progress: metrics: %s: %w", path, err)
		}
		// Windows replaces no file that is open.
		return file.Close()
	})
}

// copyRecords copies the lines that are kept.
func copyRecords(w io.Writer, r io.Reader, keepThroughStep int) error {
	lines := bufio.NewReaderSize(r, maxRecord)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			// No record is so long: skip the rest of the line.
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = lines.ReadSlice('\n')
			}
			line = nil
		}
		if err != nil {
			// What follows the last newline was cut off by a crash.
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		var record *struct {
			Event string `json:"event"`
			Step  int    `json:"step"`
		}
		if json.Unmarshal(line, &record) != nil || record == nil {
			continue
		}
		if record.Step > keepThroughStep || record.Event == "done" {
			return nil
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
}

// Append writes a record, which must encode to a JSON object without newlines, as structs and maps do. Use [Number] for
// what may not be finite. The record is with the operating system when Append returns.
func (m *Metrics) Append(record any) error {
	line, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("progress: metrics: %w", err)
	}
	if line[0] != '{' {
		return fmt.Errorf("progress: metrics: got a record of type %T, expected one that is a JSON object", record)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("progress: metrics: %w", err)
	}
	return nil
}

// Sync makes sure that all records are on the disk, as belongs before a checkpoint.
func (m *Metrics) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.file.Sync(); err != nil {
		return fmt.Errorf("progress: metrics: %w", err)
	}
	return nil
}

// Close syncs and closes the file.
func (m *Metrics) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(m.file.Sync(), m.file.Close()); err != nil {
		return fmt.Errorf("progress: metrics: %w", err)
	}
	return nil
}
