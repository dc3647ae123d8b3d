package dataset

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// FileReport says what Check found in one file.
type FileReport struct {
	File   string
	Format Format
	Rows   int // good ones
	Bad    int
	Err    error // of the file as a whole
}

// CheckReport is the result of Check.
type CheckReport struct {
	Files []FileReport
	Bad   []*RowError // of all files, in their order
	Rows  []Row       // the good rows
}

// Check reads all files to the end and returns every bad row, including those that the template refuses. template makes
// the template for a file's rows; it may be nil, and then only the rows themselves are checked. What concerns a whole file
// stands in its report, and the next one is read all the same.
func Check(paths []string, opt ReadOptions, template func(Format) (*Template, error)) *CheckReport {
	report := &CheckReport{}
	for _, path := range paths {
		rows, bad, err := Read(path, opt)
		file := FileReport{File: path, Err: err}
		if len(rows) > 0 {
			file.Format = rows[0].Format
			if template != nil {
				rows, bad, file.Err = renderable(rows, bad, template)
			}
		}
		file.Rows, file.Bad = len(rows), len(bad)
		report.Files = append(report.Files, file)
		report.Bad = append(report.Bad, bad...)
		report.Rows = append(report.Rows, rows...)
	}
	return report
}

// Failed is the number of files that cannot be used as a whole.
func (r *CheckReport) Failed() int {
	n := 0
	for _, f := range r.Files {
		if f.Err != nil {
			n++
		}
	}
	return n
}

// renderable moves the rows that the template refuses to the bad ones.
func renderable(rows []Row, bad []*RowError, template func(Format) (*Template, error)) ([]Row, []*RowError, error) {
	t, err := template(rows[0].Format)
	if err != nil {
		return rows, bad, fmt.Errorf("%w (rows of %s)", err, rows[0].File)
	}
	kept := rows[:0]
	for i := range rows {
		_, err := t.Render(&rows[i])
		var problem *RowError
		switch {
		case err == nil:
			kept = append(kept, rows[i])
		case errors.As(err, &problem):
			bad = append(bad, problem)
		default:
			return nil, bad, err
		}
	}
	slices.SortStableFunc(bad, func(a, b *RowError) int { return a.Line - b.Line })
	return kept, bad, nil
}

// Write prints every bad row on a line of its own, and a summary of each file or its error.
func (r *CheckReport) Write(w io.Writer) error {
	var b strings.Builder
	for _, bad := range r.Bad {
		fmt.Fprintf(&b, "%s\n", bad)
	}
	for _, f := range r.Files {
		if f.Err != nil {
			fmt.Fprintf(&b, "%s\n", f.Err)
			continue
		}
		if f.Format == "" {
			fmt.Fprintf(&b, "%s: %d rows, %d bad\n", f.File, f.Rows, f.Bad)
			continue
		}
		fmt.Fprintf(&b, "%s: %d %s rows, %d bad\n", f.File, f.Rows, f.Format, f.Bad)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
