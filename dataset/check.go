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
}

// CheckReport is the result of Check.
type CheckReport struct {
	Files []FileReport
	Bad   []*RowError // of all files, in their order
	Rows  []Row       // the good rows
}

// Check reads all files to the end and returns every bad row, including those that the template refuses. The template
// may be nil; then only the rows themselves are checked. The error is for what concerns a whole file.
func Check(paths []string, opt ReadOptions, template *Template) (*CheckReport, error) {
	report := &CheckReport{}
	for _, path := range paths {
		rows, bad, err := Read(path, opt)
		if err != nil {
			return nil, err
		}
		if template != nil {
			if rows, bad, err = renderable(rows, bad, template); err != nil {
				return nil, err
			}
		}
		file := FileReport{File: path, Rows: len(rows), Bad: len(bad)}
		if len(rows) > 0 {
			file.Format = rows[0].Format
		}
		report.Files = append(report.Files, file)
		report.Bad = append(report.Bad, bad...)
		report.Rows = append(report.Rows, rows...)
	}
	return report, nil
}

// renderable moves the rows that the template refuses to the bad ones.
func renderable(rows []Row, bad []*RowError, template *Template) ([]Row, []*RowError, error) {
	kept := rows[:0]
	for i := range rows {
		_, err := template.Render(&rows[i])
		var problem *RowError
		switch {
		case err == nil:
			kept = append(kept, rows[i])
		case errors.As(err, &problem):
			bad = append(bad, problem)
		default:
			return nil, nil, err
		}
	}
	slices.SortStableFunc(bad, func(a, b *RowError) int { return a.Line - b.Line })
	return kept, bad, nil
}

// Write prints every bad row on a line of its own, and a summary per file.
func (r *CheckReport) Write(w io.Writer) error {
	var b strings.Builder
	for _, bad := range r.Bad {
		fmt.Fprintf(&b, "%s\n", bad)
	}
	for _, f := range r.Files {
		if f.Format == "" {
			fmt.Fprintf(&b, "%s: %d rows, %d bad\n", f.File, f.Rows, f.Bad)
			continue
		}
		fmt.Fprintf(&b, "%s: %d %s rows, %d bad\n", f.File, f.Rows, f.Format, f.Bad)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
