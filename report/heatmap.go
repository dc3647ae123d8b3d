package report

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// shades is the number of colours of a heat map.
const shades = 64

// HeatMap writes a PNG of a table of shares to path: one cell for each row and column, the darker the larger, with its
// value in percent. values[row][column] lies in 0 to 1.
func HeatMap(path, title string, rows, columns []string, values [][]float64) error {
	top := 0.0
	for _, r := range values {
		for _, v := range r {
			top = max(top, v)
		}
	}
	if top == 0 || math.IsNaN(top) {
		top = 1
	}
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "module", "layer"
	p.Title.Padding = vg.Points(8)
	heat := plotter.NewHeatMap(grid{values}, blues{})
	heat.Min, heat.Max = 0, top
	p.Add(heat)
	var light, dark plotter.XYLabels
	for r := range values {
		for c, v := range values[r] {
			if v == 0 {
				continue
			}
			to := &dark
			if v > 0.55*top {
				to = &light
			}
			to.XYs = append(to.XYs, plotter.XY{X: float64(c), Y: float64(len(values) - 1 - r)})
			to.Labels = append(to.Labels, fmt.Sprintf("%.1f %%", 100*v))
		}
	}
	for _, part := range []struct {
		labels plotter.XYLabels
		color  color.Color
	}{{light, color.White}, {dark, color.Black}} {
		if len(part.labels.Labels) == 0 {
			continue
		}
		text, err := plotter.NewLabels(part.labels)
		if err != nil {
			return fmt.Errorf("report: %s: %w", path, err)
		}
		for i := range text.TextStyle {
			text.TextStyle[i].Color, text.TextStyle[i].Font.Size = part.color, vg.Points(9)
			text.TextStyle[i].XAlign, text.TextStyle[i].YAlign = -0.5, -0.4
		}
		p.Add(text)
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = names(columns, false), names(rows, true)
	width := vg.Length(max(4.5, 1.6+1.2*float64(len(columns)))) * vg.Inch
	height := vg.Length(1.4+0.26*float64(max(len(rows), 4))) * vg.Inch
	// The title needs its room whatever the number of columns.
	width = max(width, vg.Length(len(title))*vg.Points(6.4)+0.6*vg.Inch)
	return save(p, path, width, height)
}

// grid shows values to the plotter, with row 0 at the top.
type grid struct{ values [][]float64 }

func (g grid) Dims() (columns, rows int) { return len(g.values[0]), len(g.values) }
func (g grid) Z(c, r int) float64        { return g.values[len(g.values)-1-r][c] }
func (g grid) X(c int) float64           { return float64(c) }
func (g grid) Y(r int) float64           { return float64(r) }

// blues runs from almost white to dark blue.
type blues struct{}

// Colors implements palette.Palette.
func (blues) Colors() []color.Color {
	out := make([]color.Color, shades)
	for i := range out {
		t := float64(i) / (shades - 1)
		mix := func(from, to float64) uint8 { return uint8(math.Round(from + t*(to-from))) }
		out[i] = color.RGBA{mix(0xf7, 0x08), mix(0xfb, 0x30), mix(0xff, 0x6b), 0xff}
	}
	return out
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
