package progress

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteTable writes rows under a title and a header in aligned columns, as
//
//	Selected blocks
//	module  blocks  share
//	------  ------  -----
//	q_proj      12   6.0%
//
// A column whose cells all look like numbers is aligned to the right. Short rows are filled up with empty cells.
func WriteTable(w io.Writer, title string, header []string, rows [][]string) error {
	columns := len(header)
	for _, row := range rows {
		columns = max(columns, len(row))
	}
	width := make([]int, columns)
	right := make([]bool, columns)
	for column := range columns {
		width[column] = utf8.RuneCountInString(cell(header, column))
		right[column] = len(rows) > 0
		for _, row := range rows {
			text := cell(row, column)
			width[column] = max(width[column], utf8.RuneCountInString(text))
			right[column] = right[column] && looksNumeric(text)
		}
	}

	var out strings.Builder
	if title != "" {
		fmt.Fprintln(&out, title)
	}
	line := func(row []string) {
		var text strings.Builder
		for column := range columns {
			if column > 0 {
				text.WriteString("  ")
			}
			this := cell(row, column)
			space := strings.Repeat(" ", width[column]-utf8.RuneCountInString(this))
			if right[column] {
				text.WriteString(space + this)
			} else {
				text.WriteString(this + space)
			}
		}
		fmt.Fprintln(&out, strings.TrimRight(text.String(), " "))
	}
	if len(header) > 0 {
		line(header)
		rule := make([]string, columns)
		for column := range rule {
			rule[column] = strings.Repeat("-", width[column])
		}
		line(rule)
	}
	for _, row := range rows {
		line(row)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func cell(row []string, column int) string {
	if column < len(row) {
		return row[column]
	}
	return ""
}

// looksNumeric accepts numbers with thousands separators, a percent sign or a unit behind a space, and empty cells.
func looksNumeric(text string) bool {
	number, _, _ := strings.Cut(strings.TrimSuffix(text, "%"), " ")
	if number == "" || number == "-" {
		return true
	}
	_, err := strconv.ParseFloat(strings.ReplaceAll(number, ",", ""), 64)
	return err == nil
}
