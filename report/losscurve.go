// Package report draws pictures of a run, for people who look rather than read.
package report

import (
	"fmt"
	"image/color"
	"io"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"smt/durable"
)

// A Series is one line of a chart: the points (X[i], Y[i]).
type Series struct {
	Name string
	X, Y []float64
}

// palette tells the series of a chart apart, also for people who see few colours.
var palette = []color.Color{
	color.RGBA{0x88, 0x88, 0x88, 0xff}, color.RGBA{0x1f, 0x77, 0xb4, 0xff}, color.RGBA{0xd6, 0x27, 0x28, 0xff},
	color.RGBA{0x2c, 0xa0, 0x2c, 0xff}, color.RGBA{0x94, 0x67, 0xbd, 0xff}, color.RGBA{0xff, 0x7f, 0x0e, 0xff},
}

// sparsePoints is how few points a series has for each to be marked.
const sparsePoints = 40

// LossCurve writes a PNG of losses over steps to path.
func LossCurve(path, title string, series []Series) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "step", "loss (nats per supervised token)"
	p.Title.Padding = vg.Points(8)
	p.Legend.Top, p.Legend.XOffs, p.Legend.Padding = true, vg.Points(-8), vg.Points(3)
	p.X.Tick.Marker = plot.TickerFunc(wholeTicks)
	p.X.Padding, p.Y.Padding = vg.Points(4), vg.Points(4)
	p.Add(plotter.NewGrid())
	for i, s := range series {
		points := make(plotter.XYs, len(s.X))
		for j := range points {
			points[j].X, points[j].Y = s.X[j], s.Y[j]
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("report: %s: series %q: %w", path, s.Name, err)
		}
		line.Color, line.Width = palette[i%len(palette)], vg.Points(1.5)
		p.Legend.Add(s.Name, line)
		p.Add(line)
		if len(points) <= sparsePoints {
			marks.Color, marks.Shape, marks.Radius = line.Color, draw.CircleGlyph{}, vg.Points(2.5)
			p.Add(marks)
		}
	}
	return save(p, path, 9*vg.Inch, 5*vg.Inch)
}

// wholeTicks are the default ticks with labels for whole numbers.
func wholeTicks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = strconv.FormatFloat(t.Value, 'f', -1, 64)
		}
	}
	return ticks
}

// save writes a chart as PNG, all of it or nothing.
func save(p *plot.Plot, path string, width, height vg.Length) error {
	png, err := p.WriterTo(width, height, "png")
	if err != nil {
		return fmt.Errorf("report: %s: %w", path, err)
	}
	if err := durable.WriteFile(path, func(w io.Writer) error {
		_, err := png.WriteTo(w)
		return err
	}); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
