package report

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// An Interval is a value with how far it is uncertain to both sides; Error 0 draws the value alone.
type Interval struct {
	Name         string
	Value, Error float64
}

// Intervals writes a PNG with one row for each interval, the first at the top: a dot, and a bar over value ± error. With zero,
// a line marks where a difference is none. Values without errors are amounts, and are drawn from 0 on.
func Intervals(path, title, x string, intervals []Interval, zero bool) error {
	if len(intervals) == 0 {
		return fmt.Errorf("report: %s: got no interval, expected at least 1", path)
	}
	p := newChart(title, x, "")
	p.X.Tick.Marker = roundTicks(false)
	p.X.Padding = vg.Points(6)
	addGrid(p)
	amounts := true
	for _, v := range intervals {
		amounts = amounts && v.Error == 0
	}
	if amounts {
		p.X.Min = 0
	}
	var words []string
	for i, v := range intervals {
		words = append(words, v.Name)
		if !isFinite(v.Value) {
			continue
		}
		if !isFinite(v.Error) {
			v.Error = 0
		}
		strong, _ := mark(0)
		y := float64(len(intervals) - 1 - i)
		from := v.Value - v.Error
		if amounts {
			from = 0
		}
		p.Add(&plotter.Line{XYs: plotter.XYs{{X: from, Y: y}, {X: v.Value + v.Error, Y: y}}, LineStyle: draw.LineStyle{Color: strong, Width: vg.Points(2.2)}})
		p.Add(&plotter.Scatter{XYs: plotter.XYs{{X: v.Value, Y: y}}, GlyphStyle: draw.GlyphStyle{Color: strong, Shape: draw.CircleGlyph{}, Radius: vg.Points(4)}})
	}
	if zero {
		p.Add(&plotter.Line{XYs: plotter.XYs{{X: 0, Y: -0.5}, {X: 0, Y: float64(len(intervals)) - 0.5}}, LineStyle: draw.LineStyle{Color: color.Gray{0x60},
			Width: vg.Points(1), Dashes: []vg.Length{vg.Points(4), vg.Points(3)}}})
	}
	p.Y.Min, p.Y.Max = -0.6, float64(len(intervals))-0.4
	p.Y.Tick.Marker, p.Y.Tick.Length, p.Y.LineStyle.Width = plot.ConstantTicks(names(words, true)), 0, 0
	return save(p, path, 7.6*vg.Inch, (1.1+0.3*vg.Length(len(intervals)))*vg.Inch)
}
