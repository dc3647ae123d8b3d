package report

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// HeatMap writes a PNG of a table of shares to path: one cell for each row and column, the darker the larger, with its
// value in percent. values[row][column] lies in 0 to 1; what is 0 or not finite stays empty.
func HeatMap(path, title string, rows, columns []string, values [][]float64) error {
	largest := 0.0
	for _, row := range values {
		for _, v := range row {
			if isShare(v) {
				largest = max(largest, v)
			}
		}
	}
	p, err := newTable(path, Axes{Title: title, X: "module", Y: "layer"}, rows, columns, values, largest)
	if err != nil {
		return err
	}
	// The title needs its room whatever the number of columns.
	width := max(2.5*vg.Inch, (0.8+0.85*vg.Length(len(columns)))*vg.Inch, p.Title.TextStyle.Width(title)+0.4*vg.Inch)
	height := (0.9 + 0.24*vg.Length(max(len(rows), 3))) * vg.Inch
	return save(p, path, width, height)
}

// newTable is a chart of named rows and columns with a cell for each value; that of largest is the darkest.
func newTable(path string, a Axes, rows, columns []string, values [][]float64, largest float64) (*plot.Plot, error) {
	if len(rows) == 0 || len(columns) == 0 || len(values) != len(rows) {
		return nil, fmt.Errorf("report: %s: got %d rows of values, expected %d, at least 1, with %d columns", path, len(values), len(rows), len(columns))
	}
	for r, row := range values {
		if len(row) != len(columns) {
			return nil, fmt.Errorf("report: %s: row %s: got %d values, expected %d", path, rows[r], len(row), len(columns))
		}
	}
	p := newChart(a.Title, a.X, a.Y)
	p.Add(cells{values, largest})
	p.X.Tick.Marker, p.Y.Tick.Marker = names(columns, false), names(rows, true)
	p.X.Tick.Length, p.Y.Tick.Length = 0, 0
	p.X.LineStyle.Width, p.Y.LineStyle.Width = 0, 0
	return p, nil
}

func isShare(v float64) bool { return v > 0 && !math.IsInf(v, 0) }

// cells draws the table, row 0 at the top. The cell of row r and column c has its centre at (c, rows-1-r).
type cells struct {
	values  [][]float64
	largest float64
}

// DataRange implements plot.DataRanger: the axes end where the outermost cells do.
func (h cells) DataRange() (xMin, xMax, yMin, yMax float64) {
	return -0.5, float64(len(h.values[0])) - 0.5, -0.5, float64(len(h.values)) - 0.5
}

// Plot implements plot.Plotter.
func (h cells) Plot(canvas draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&canvas)
	style := p.X.Tick.Label
	style.XAlign, style.YAlign, style.Rotation = draw.XCenter, draw.YCenter, 0
	gap := vg.Points(0.75)
	for r, row := range h.values {
		for c, v := range row {
			x, y := float64(c), float64(len(h.values)-1-r)
			left, right, bottom, top := toX(x-0.5)+gap, toX(x+0.5)-gap, toY(y-0.5)+gap, toY(y+0.5)-gap
			part := 0.0
			if isShare(v) {
				part = v / h.largest
			}
			canvas.FillPolygon(blue(part), []vg.Point{{X: left, Y: bottom}, {X: left, Y: top}, {X: right, Y: top}, {X: right, Y: bottom}})
			if part == 0 {
				continue
			}
			style.Color = color.Black
			if part > 0.5 {
				style.Color = color.White
			}
			canvas.FillText(style, vg.Point{X: toX(x), Y: toY(y)}, percent(v))
		}
	}
}

// percent writes a share with one decimal; what would round to nothing shows that it is not.
func percent(share float64) string {
	if share < 0.0005 {
		return "<0.1%"
	}
	return fmt.Sprintf("%.1f%%", 100*share)
}

// blue is a colour between almost white for 0 and dark blue for 1.
func blue(part float64) color.Color {
	mix := func(from, to float64) uint8 { return uint8(math.Round(from + part*(to-from))) }
	return color.RGBA{mix(0xf0, 0x08), mix(0xf4, 0x30), mix(0xfa, 0x6b), 0xff}
}

// names puts words at whole numbers of an axis, the first at the top if reversed.
func names(words []string, reversed bool) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for i, w := range words {
		at := i
		if reversed {
			at = len(words) - 1 - i
		}
		ticks = append(ticks, plot.Tick{Value: float64(at), Label: w})
	}
	return ticks
}
