package report

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Series is one line of a chart: the points (X[i], Y[i]), in ascending order of X.
type Series struct {
	Name string
	X, Y []float64
}

// palette tells the series of a chart apart, also for people who see few colours.
var palette = []color.RGBA{
	{0x77, 0x77, 0x77, 0xff}, {0x1f, 0x77, 0xb4, 0xff}, {0xd6, 0x27, 0x28, 0xff},
	{0x2c, 0xa0, 0x2c, 0xff}, {0x94, 0x67, 0xbd, 0xff}, {0xff, 0x7f, 0x0e, 0xff},
}

const (
	// fewPoints is up to how many points of a series are marked one by one.
	fewPoints = 40
	// manyPoints is from how many points on a series is drawn in a pale colour, with its moving mean over it.
	manyPoints = 100
)

// LossCurve writes a PNG of losses over steps to path. Points that are not finite are left out, and the line is interrupted
// there: the picture of a run that went wrong shows up to where.
func LossCurve(path, title string, series []Series) error {
	p := newChart(title, "step", "loss (nats per supervised token)")
	p.Legend.Top, p.Legend.XOffs, p.Legend.YOffs, p.Legend.Padding = true, vg.Points(-8), vg.Points(-6), vg.Points(3)
	p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(true), roundTicks(false)
	p.X.Padding, p.Y.Padding = vg.Points(4), vg.Points(4)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe0}, color.Gray{0xe0}
	p.Add(grid)
	for i, s := range series {
		if len(s.X) != len(s.Y) {
			return fmt.Errorf("report: %s: series %q: got %d steps for %d losses", path, s.Name, len(s.X), len(s.Y))
		}
		strong := palette[i%len(palette)]
		runs := s.finiteRuns()
		for at, points := range runs {
			if len(points) >= manyPoints {
				raw := &plotter.Line{XYs: points, LineStyle: draw.LineStyle{Color: pale(strong), Width: vg.Points(0.6)}}
				p.Add(raw)
				points = movingMean(points)
			}
			line := &plotter.Line{XYs: points, LineStyle: draw.LineStyle{Color: strong, Width: vg.Points(1.5)}}
			p.Add(line)
			if len(s.X) <= fewPoints || len(points) == 1 {
				p.Add(&plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{
					Color: strong, Shape: draw.CircleGlyph{}, Radius: vg.Points(2.2),
				}})
			}
			if at == 0 {
				p.Legend.Add(s.Name, line)
			}
		}
	}
	return save(p, path, 8*vg.Inch, 4.2*vg.Inch)
}

// finiteRuns splits the series where a point is not finite.
func (s Series) finiteRuns() []plotter.XYs {
	var runs []plotter.XYs
	open := false
	for i := range s.X {
		if !isFinite(s.X[i]) || !isFinite(s.Y[i]) {
			open = false
			continue
		}
		if !open {
			runs = append(runs, nil)
			open = true
		}
		last := len(runs) - 1
		runs[last] = append(runs[last], plotter.XY{X: s.X[i], Y: s.Y[i]})
	}
	return runs
}

func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// movingMean replaces each point by the mean over a window around it, a twentieth of all points wide. Towards the ends the
// window becomes narrower, so that it stays symmetric and the curve does not flatten.
func movingMean(points plotter.XYs) plotter.XYs {
	sums := make([]float64, len(points)+1)
	for i, point := range points {
		sums[i+1] = sums[i] + point.Y
	}
	means := make(plotter.XYs, len(points))
	for i, point := range points {
		reach := min(len(points)/40, i, len(points)-1-i)
		mean := (sums[i+reach+1] - sums[i-reach]) / float64(2*reach+1)
		means[i] = plotter.XY{X: point.X, Y: mean}
	}
	return means
}

// pale mixes a colour with white.
func pale(c color.RGBA) color.RGBA {
	mix := func(x uint8) uint8 { return uint8(255 - (255-int(x))*35/100) }
	return color.RGBA{mix(c.R), mix(c.G), mix(c.B), 0xff}
}
