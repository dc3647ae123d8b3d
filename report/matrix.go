package report

import (
	"fmt"

	"gonum.org/v1/plot/vg"
)

// Matrix writes a PNG of a table of values from 0 to 1, such as overlaps, in the style of [HeatMap] and with axes of its own.
func Matrix(path string, a Axes, rows, columns []string, values [][]float64) error {
	if len(rows) == 0 || len(columns) == 0 || len(values) != len(rows) {
		return fmt.Errorf("report: %s: got %d rows of values, expected %d, at least 1, with %d columns", path, len(values), len(rows), len(columns))
	}
	longest := 0
	for r, row := range values {
		if len(row) != len(columns) {
			return fmt.Errorf("report: %s: row %s: got %d values, expected %d", path, rows[r], len(row), len(columns))
		}
	}
	for _, c := range columns {
		longest = max(longest, len(c))
	}
	p := newChart(a.Title, a.X, a.Y)
	p.Add(cells{values, 1})
	p.X.Tick.Marker, p.Y.Tick.Marker = names(columns, false), names(rows, true)
	p.X.Tick.Length, p.Y.Tick.Length = 0, 0
	p.X.LineStyle.Width, p.Y.LineStyle.Width = 0, 0
	each := max(0.85, 0.085*vg.Length(longest))
	width := max(3.5*vg.Inch, (1.6+each*vg.Length(len(columns)))*vg.Inch, p.Title.TextStyle.Width(a.Title)+0.4*vg.Inch)
	return save(p, path, width, (1.1+0.3*vg.Length(max(len(rows), 3)))*vg.Inch)
}
