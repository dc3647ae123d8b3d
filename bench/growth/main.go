// Command growth measures how step time and memory grow with tokens, layers and the share of trained parameters, prints
// them beside straight lines, and draws them. See README.md.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"

	"smt/benchmark"
	"smt/device/cpu"
	"smt/report"
)

func main() {
	var common benchmark.StepOptions
	out := flag.String("out", "", "directory for growth.json and the charts")
	threads := flag.Int("threads", 2, "cores to use")
	point := flag.String("point", "", "measure one point, as this program asks itself to: options of a step in JSON")
	flag.StringVar(&common.Config, "config", "M", "S, M or L")
	flag.StringVar(&common.Method, "method", "smt", "smt, full, lora or dora")
	flag.StringVar((*string)(&common.Precision), "precision", "float32", "float32, bf16, int8_backward or int8")
	flag.IntVar(&common.Steps, "steps", 3, "steps to time")
	flag.IntVar(&common.Warmup, "warmup", 1, "steps before them")
	flag.Parse()
	var err error
	switch {
	case *point != "":
		err = measureHere(*point, *threads)
	case *out == "":
		err = fmt.Errorf("growth: -out is missing: expected a directory")
	default:
		err = run(*out, common, *threads)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A curve is a quantity that grows while all else stays.
type curve struct {
	Name    string                  `json:"name"`
	Axis    string                  `json:"axis"`
	X       []float64               `json:"x"`
	Results []*benchmark.StepResult `json:"results"`

	x func(*benchmark.StepResult) float64 // what grows
}

// A chart shows curves over one axis.
type chart struct {
	file, title, axis string
	curves            []*curve
}

func run(out string, common benchmark.StepOptions, threads int) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	shape := benchmark.Shape(common.Config)
	if shape == nil {
		return fmt.Errorf("growth: config %q: expected S, M or L", common.Config)
	}
	common.Seq, common.Batch = 512, 2
	tokens := func(r *benchmark.StepResult) float64 { return float64(r.Seq * r.Batch) }
	rows := &curve{Name: "sequences of 256", Axis: "tokens of a step", x: tokens}
	sequence := &curve{Name: "one sequence", Axis: "tokens of a step", x: tokens}
	layers := &curve{Name: "layers", Axis: "layers", x: func(r *benchmark.StepResult) float64 { return float64(r.Layers) }}
	shares := &curve{Name: "trained", Axis: "% of all parameters trained",
		x: func(r *benchmark.StepResult) float64 { return 100 * float64(r.Trainable) / float64(r.Params) }}
	for t := 256; t <= 4096; t *= 2 {
		o := common
		o.Seq, o.Batch = 256, t/256
		if err := rows.measure(o, threads); err != nil {
			return err
		}
		o.Seq, o.Batch = t, 1
		if err := sequence.measure(o, threads); err != nil {
			return err
		}
	}
	for _, quarters := range []int{1, 2, 4, 6, 8} {
		o := common
		o.Layers = shape.Layers * quarters / 4
		if err := layers.measure(o, threads); err != nil {
			return err
		}
	}
	for _, share := range []float64{0.0025, 0.005, 0.01, 0.02, 0.04} {
		o := common
		o.Share = share
		if err := shares.measure(o, threads); err != nil {
			return err
		}
	}
	charts := []chart{
		{"tokens", "tokens", rows.Axis, []*curve{rows, sequence}}, {"layers", "layers", layers.Axis, []*curve{layers}},
		{"share", "share of parameters trained", shares.Axis, []*curve{shares}},
	}
	var all []*curve
	for _, ch := range charts {
		if err := ch.draw(out); err != nil {
			return err
		}
		all = append(all, ch.curves...)
	}
	for _, c := range all {
		fmt.Printf("%s over %s: time %s; memory %s\n", c.Name, c.Axis, line(c.X, c.values(seconds), "s"), line(c.X, c.values(mebibytes), "MiB"))
	}
	raw, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "growth.json"), append(raw, '\n'), 0o644)
}

// measure adds a point.
func (c *curve) measure(o benchmark.StepOptions, threads int) error {
	r, err := measureApart(o, threads)
	if err != nil {
		return err
	}
	c.X, c.Results = append(c.X, c.x(r)), append(c.Results, r)
	fmt.Printf("%s %g: %.3f s a step, %.0f MiB\n", c.Axis, c.x(r), r.StepSeconds, r.Delta)
	return nil
}

func seconds(r *benchmark.StepResult) float64   { return r.StepSeconds }
func mebibytes(r *benchmark.StepResult) float64 { return r.Delta }

func (c *curve) values(of func(*benchmark.StepResult) float64) (y []float64) {
	for _, r := range c.Results {
		y = append(y, of(r))
	}
	return y
}

// draw writes a chart of the time and one of the memory.
func (ch *chart) draw(out string) error {
	for _, of := range []struct {
		name, axis string
		value      func(*benchmark.StepResult) float64
	}{{"time", "seconds", seconds}, {"memory", "MiB over the process before it", mebibytes}} {
		var curves []report.Curve
		for _, c := range ch.curves {
			curves = append(curves, report.Curve{Series: report.Series{Name: c.Name, X: c.X, Y: c.values(of.value)}})
		}
		path := filepath.Join(out, ch.file+"-"+of.name+".png")
		if err := report.Lines(path, report.Axes{Title: of.name + " of a step by " + ch.title, X: ch.axis, Y: of.axis, Zero: true}, curves); err != nil {
			return err
		}
	}
	return nil
}

// line tells the straight line of least squares through points and how far the furthest point is from it, beside the largest
// value.
func line(x, y []float64, unit string) string {
	n, sx, sy, sxx, sxy := float64(len(x)), 0.0, 0.0, 0.0, 0.0
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	slope := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	start := (sy - slope*sx) / n
	furthest, largest := 0.0, 0.0
	for i := range x {
		furthest, largest = max(furthest, math.Abs(y[i]-start-slope*x[i])), max(largest, y[i])
	}
	return fmt.Sprintf("%.4g + %.4g x %s, furthest point %.1f %% of the largest away", start, slope, unit, 100*furthest/largest)
}

// measureApart measures a point in a process of its own, whose memory nothing else has touched.
func measureApart(o benchmark.StepOptions, threads int) (*benchmark.StepResult, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	options, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-threads", fmt.Sprint(threads), "-point", string(options))
	cmd.Stderr = os.Stderr
	raw, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("growth: %s: %w", options, err)
	}
	var r benchmark.StepResult
	return &r, json.Unmarshal(raw, &r)
}

// measureHere measures a point in this process and prints its result.
func measureHere(options string, threads int) error {
	var o benchmark.StepOptions
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return err
	}
	r, err := benchmark.Step(cpu.New(cpu.WithThreads(threads)), o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}
