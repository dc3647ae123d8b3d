package report

import (
	"fmt"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Points writes a PNG of groups of points without lines. On a logarithmic axis, points at or below 0 are left out.
func Points(path string, a Axes, groups []Series) error {
	p := newChart(a.Title, a.X, a.Y)
	p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(false), roundTicks(false)
	p.X.Padding, p.Y.Padding = vg.Points(6), vg.Points(4)
	if a.LogX {
		p.X.Tick.Marker = logTicks(groups)
	}
	addGrid(p)
	var drawn []plotter.XYs
	for i, g := range groups {
		if len(g.X) != len(g.Y) {
			return fmt.Errorf("report: %s: points %q: got %d x for %d y, expected equal numbers", path, g.Name, len(g.X), len(g.Y))
		}
		var points plotter.XYs
		for j := range g.X {
			if isFinite(g.X[j]) && isFinite(g.Y[j]) && (!a.LogX || g.X[j] > 0) {
				points = append(points, plotter.XY{X: a.place(g.X[j]), Y: g.Y[j]})
			}
		}
		if len(points) == 0 {
			continue
		}
		drawn = append(drawn, points)
		strong, glyph := mark(i)
		scatter := &plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{Color: strong, Shape: glyph, Radius: vg.Points(3.5)}}
		p.Add(scatter)
		p.Legend.Add(g.Name, scatter)
	}
	if len(drawn) == 0 {
		return fmt.Errorf("report: %s: no point is finite", path)
	}
	placeLegend(p, drawn)
	return save(p, path, 7.6*vg.Inch, 4*vg.Inch)
}
