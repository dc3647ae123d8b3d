package report

import (
	"gonum.org/v1/plot/vg"
)

// Matrix writes a PNG of a table of values from 0 to 1, such as overlaps, in the style of [HeatMap] and with axes of its own.
func Matrix(path string, a Axes, rows, columns []string, values [][]float64) error {
	p, err := newTable(path, a, rows, columns, values, 1)
	if err != nil {
		return err
	}
	longest := 0
	for _, c := range columns {
		longest = max(longest, len(c))
	}
	each := max(0.85, 0.085*vg.Length(longest))
	width := max(3.5*vg.Inch, (1.6+each*vg.Length(len(columns)))*vg.Inch, p.Title.TextStyle.Width(a.Title)+0.4*vg.Inch)
	return save(p, path, width, (1.1+0.3*vg.Length(max(len(rows), 3)))*vg.Inch)
}
