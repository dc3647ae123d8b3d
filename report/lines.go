package report

import (
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Axes name the axes of a chart.
type Axes struct {
	Title, X, Y string
	LogX        bool
	// Zero draws a line at y = 0, where a difference ends.
	Zero bool
}

// A Curve is a line of a chart with a standard error for each point; Error may be nil, and what is not finite is not drawn.
type Curve struct {
	Series
	Error []float64
}

// chartColours tell curves apart, also for people who see few colours (Okabe and Ito); they repeat with other marks.
var chartColours = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
	{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x55, 0x55, 0x55, 0xff},
}

var glyphs = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}}

// mark is how curve i is drawn.
func mark(i int) (color.RGBA, draw.GlyphDrawer) {
	return chartColours[i%len(chartColours)], glyphs[i/len(chartColours)%len(glyphs)]
}

// Lines writes a PNG of curves with marks and bars of one standard error. On a logarithmic axis, points at or below 0 are left
// out.
func Lines(path string, a Axes, curves []Curve) error {
	p := newChart(a.Title, a.X, a.Y)
	p.X.Padding, p.Y.Padding = vg.Points(6), vg.Points(4)
	p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(false), roundTicks(false)
	if a.LogX {
		var series []Series
		for _, c := range curves {
			series = append(series, c.Series)
		}
		p.X.Tick.Marker = logTicks(series)
	}
	addGrid(p)
	if a.Zero {
		zero := plotter.NewFunction(func(float64) float64 { return 0 })
		zero.LineStyle = draw.LineStyle{Color: color.Gray{0x60}, Width: vg.Points(1), Dashes: []vg.Length{vg.Points(4), vg.Points(3)}}
		p.Add(zero)
		p.Y.Min, p.Y.Max = min(p.Y.Min, 0), max(p.Y.Max, 0)
	}
	drawn := false
	for i, c := range curves {
		if len(c.X) != len(c.Y) || c.Error != nil && len(c.Error) != len(c.Y) {
			return fmt.Errorf("report: %s: curve %q: got %d x, %d y and %d errors, expected equal numbers", path, c.Name, len(c.X), len(c.Y), len(c.Error))
		}
		strong, glyph := mark(i)
		var points plotter.XYs
		var bars errorBars
		for j := range c.X {
			if !isFinite(c.X[j]) || !isFinite(c.Y[j]) || a.LogX && c.X[j] <= 0 {
				continue
			}
			x := a.place(c.X[j])
			points = append(points, plotter.XY{X: x, Y: c.Y[j]})
			e := 0.0
			if c.Error != nil && isFinite(c.Error[j]) {
				e = c.Error[j]
			}
			bars.XYs, bars.YErrors = append(bars.XYs, plotter.XY{X: x, Y: c.Y[j]}), append(bars.YErrors, struct{ Low, High float64 }{e, e})
		}
		if len(points) == 0 {
			continue
		}
		drawn = true
		line := &plotter.Line{XYs: points, LineStyle: draw.LineStyle{Color: strong, Width: vg.Points(1.5)}}
		if len(points) <= fewPoints {
			scatter := &plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{Color: strong, Shape: glyph, Radius: vg.Points(3)}}
			p.Add(scatter)
			p.Legend.Add(c.Name, line, scatter)
		} else {
			p.Legend.Add(c.Name, line)
		}
		p.Add(line)
		if c.Error != nil {
			b, err := plotter.NewYErrorBars(bars)
			if err != nil {
				return fmt.Errorf("report: %s: %w", path, err)
			}
			b.LineStyle = draw.LineStyle{Color: strong, Width: vg.Points(1)}
			p.Add(b)
		}
	}
	if !drawn {
		return fmt.Errorf("report: %s: no curve has a finite point", path)
	}
	var drawnPoints []plotter.XYs
	for _, c := range curves {
		var points plotter.XYs
		for j := range c.X {
			points = append(points, plotter.XY{X: a.place(c.X[j]), Y: c.Y[j]})
		}
		drawnPoints = append(drawnPoints, points)
	}
	placeLegend(p, drawnPoints)
	return save(p, path, 7.6*vg.Inch, 4*vg.Inch)
}

// errorBars are points with their errors.
type errorBars struct {
	plotter.XYs
	plotter.YErrors
}

// addGrid draws pale lines behind everything.
func addGrid(p *plot.Plot) {
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe4}, color.Gray{0xe4}
	p.Add(grid)
}

// place is where a value lies along the x axis. A logarithm is taken here and not by the axis, which could not show a single
// value then.
func (a Axes) place(x float64) float64 {
	if a.LogX {
		return math.Log10(x)
	}
	return x
}

// logTicks labels a logarithmic axis at the values that were measured, as far as they keep apart.
func logTicks(series []Series) plot.TickerFunc {
	return func(low, high float64) []plot.Tick {
		var ticks []plot.Tick
		for _, c := range series {
			for _, x := range c.X {
				at, near := math.Log10(x), false
				for _, t := range ticks {
					near = near || math.Abs(t.Value-at) < (high-low)/12
				}
				if x > 0 && !near {
					ticks = append(ticks, plot.Tick{Value: at, Label: strconv.FormatFloat(x, 'g', 3, 64)})
				}
			}
		}
		return ticks
	}
}

// placeLegend puts the legend into the corner where the fewest points lie; of equals, the first of upper right, upper left, lower
// right, lower left.
func placeLegend(p *plot.Plot, curves []plotter.XYs) {
	// width and height are the part of the chart that a legend may take.
	const width, height = 0.3, 0.35
	best := -1
	for _, corner := range []struct{ top, left bool }{{true, false}, {true, true}, {false, false}, {false, true}} {
		n := 0
		for _, points := range curves {
			for i, q := range points {
				x, y := (q.X-p.X.Min)/(p.X.Max-p.X.Min), (q.Y-p.Y.Min)/(p.Y.Max-p.Y.Min)
				if i > 0 { // a line to the point passes through the corner, too
					before := points[i-1]
					mx, my := ((q.X+before.X)/2-p.X.Min)/(p.X.Max-p.X.Min), ((q.Y+before.Y)/2-p.Y.Min)/(p.Y.Max-p.Y.Min)
					if (mx < width) == corner.left && (mx > 1-width) != corner.left && (my > 1-height) == corner.top && (my < height) != corner.top {
						n++
					}
				}
				if (x < width) == corner.left && (x > 1-width) != corner.left && (y > 1-height) == corner.top && (y < height) != corner.top {
					n += 2
				}
			}
		}
		if best < 0 || n < best {
			best = n
			p.Legend.Top, p.Legend.Left = corner.top, corner.left
		}
	}
	p.Legend.Padding, p.Legend.XOffs, p.Legend.YOffs = vg.Points(3), vg.Points(-8), vg.Points(-6)
	if p.Legend.Left {
		p.Legend.XOffs = vg.Points(8)
	}
	if !p.Legend.Top {
		p.Legend.YOffs = vg.Points(8)
	}
}
