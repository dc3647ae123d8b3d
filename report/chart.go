// Package report draws pictures of a run, for people who look rather than read.
package report

import (
	"fmt"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"smt/durable"
)

const (
	// resolution is twice that of a screen, so that a picture can be enlarged and printed.
	resolution = 192
	// margin is free room around a chart, so that no letter or mark touches the edge.
	margin = 10 * vg.Inch / 72
)

// newChart is an empty chart in the style of this package: one typeface without serifs, in sizes that are read easily.
func newChart(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(8)
	for style, size := range map[*font.Font]vg.Length{
		&p.Title.TextStyle.Font: 12, &p.X.Label.TextStyle.Font: 10, &p.Y.Label.TextStyle.Font: 10,
		&p.X.Tick.Label.Font: 9, &p.Y.Tick.Label.Font: 9, &p.Legend.TextStyle.Font: 9,
	} {
		style.Variant, style.Size = "Sans", size
	}
	return p
}

// save writes a chart as PNG, all of it or nothing. The size does not count the margin.
func save(p *plot.Plot, path string, width, height vg.Length) error {
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width+2*margin, height+2*margin), vgimg.UseDPI(resolution))}
	p.Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	if err := durable.WriteFile(path, func(w io.Writer) error {
		_, err := canvas.WriteTo(w)
		return err
	}); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// roundTicks labels an axis at multiples of 1, 2 or 5 times a power of ten, about six of them; with whole, only at whole
// numbers.
func roundTicks(whole bool) plot.TickerFunc {
	return func(low, high float64) []plot.Tick {
		span := high - low
		if !(span > 0) || math.IsInf(span, 0) {
			return plot.DefaultTicks{}.Ticks(low, high)
		}
		step := math.Pow(10, math.Floor(math.Log10(span/6)))
		for _, factor := range []float64{2, 2.5, 2} {
			if span/step > 8 {
				step *= factor
			}
		}
		if whole {
			step = max(1, math.Round(step))
		}
		digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
		var ticks []plot.Tick
		// Adding 0 makes 0 of -0, which would get a sign.
		for i := math.Ceil(low/step-1e-9) + 0; i*step <= high+1e-9*step; i++ {
			ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'f', digits, 64)})
		}
		return ticks
	}
}
