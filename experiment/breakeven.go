package experiment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"smt/benchmark"
	"smt/config"
	"smt/model"
	"smt/recipe"
	"smt/report"
	"smt/sparse"
)

// BreakEven asks when the warm-up has paid for itself.
var BreakEven = Study{
	Name:     "breakeven",
	Question: "After how many steps has SMT, warm-up included, taken less time than full fine-tuning and LoRA?",
	Summary:  "the warm-up's cost against the saving per step, measured here and modelled for models of 7 to 70 billion parameters",
	Method: []string{
		"On the given model, steps of SMT (warm-up and tuning), LoRA and full fine-tuning are measured by short runs of smt train; on the shapes S and M, which have random weights, by smt bench step (0.84 % of all parameters; there LoRA is on q, k, v, up and down projections). Of several steps the fastest counts, which other work on the machine disturbs least. With W warm-up steps of t_w seconds, SMT has overtaken another method after n steps where W·t_w + n·t_smt = n·t_other.",
		"Larger models, with the recipe's modules and blocks of 256, are modelled: the operations that smt plan counts, divided by the rate at which shape M's steps of the same method were computed here. The model's error is its deviation from the measured steps of S and of the given model, which it was not fitted to. It knows nothing of memory: a machine that holds SMT's state may not hold that of full fine-tuning.",
	},
	Run: breakEven,
}

// breakEvenSteps are the tuning steps of the runs on the given model, and breakEvenWarmup those of their warm-up.
const (
	breakEvenSteps  = 8
	breakEvenWarmup = 4
	benchSequence   = 256
	benchShare      = 0.0084 // of all parameters, on S, M and the large shapes
)

// shortWarmup and longWarmup are the lengths that break-even is computed for: the shortest default, and the paper's.
const (
	shortWarmup = 8
	longWarmup  = 100
)

// breakEvenMethods are the methods whose steps are compared, SMT first.
var breakEvenMethods = []string{config.SMT, config.LoRA, config.Full}

// A timing is what a step of each method takes on a model, in seconds.
type timing struct {
	name                     string
	step                     map[string]float64 // by method
	warmup                   float64            // a step of SMT's warm-up
	measured, warmupMeasured bool               // or modelled
}

// largeShapes are the architectures that times are modelled for: Llama 2.
var largeShapes = []struct {
	name string
	model.Config
}{
	{"Llama-2-7B", model.Config{HiddenSize: 4096, Intermediate: 11008, Layers: 32, Heads: 32, KVHeads: 32, HeadDim: 128, VocabSize: 32000}},
	{"Llama-2-13B", model.Config{HiddenSize: 5120, Intermediate: 13824, Layers: 40, Heads: 40, KVHeads: 40, HeadDim: 128, VocabSize: 32000}},
	{"Llama-2-70B", model.Config{HiddenSize: 8192, Intermediate: 28672, Layers: 80, Heads: 64, KVHeads: 8, HeadDim: 128, VocabSize: 32000}},
}

func breakEven(ctx context.Context, l *Lab) (*Outcome, error) {
	if err := l.rankByGradients(); err != nil {
		return nil, err
	}
	results, err := l.givenSteps(ctx)
	if err != nil || l.DryRun {
		return nil, err
	}
	steps, err := l.benchSteps(ctx)
	if err != nil {
		return nil, err
	}
	m := newTimeModel(steps["M"])
	tokens := results[0].StepTokens // all methods see the same batches
	given := timing{name: "the given model", step: map[string]float64{}, warmup: results[0].FastestWarmup, measured: true, warmupMeasured: true}
	for i, method := range breakEvenMethods {
		given.step[method] = results[i].FastestStep
	}
	small, smallModelled := m.bench("S", steps["S"])
	medium, _ := m.bench("M", steps["M"]) // fitted to
	large := m.large(l)
	modelled := m.timing(given.name, tokens, func(method string) recipe.Operations {
		return l.operations(results[slices.Index(breakEvenMethods, method)])
	})
	deviations, worst := deviationTable([]timing{given, small}, []timing{modelled, smallModelled})
	times := timeTable(append([]timing{given, small, medium}, large...))
	times.Note = fmt.Sprintf("A step has %.0f tokens on the given model and %d on the others. Never: a step of SMT takes no less time than one of the other method.", tokens, benchSequence)
	s := report.Section{Title: "Time", Tables: []report.Table{times, deviations}}
	l.figure(&s, "time.png", fmt.Sprintf("Time of a run on the given model by its tuning steps, with a warm-up of %d steps.", longWarmup), func(path string) error {
		return report.Lines(path, report.Axes{Title: given.name + ": time of a run", X: "tuning steps", Y: "seconds"}, timeLines(given, longWarmup))
	})
	var byShape []string
	for _, t := range large {
		byShape = append(byShape, fmt.Sprintf("%s (%s)", t.overtakes(config.Full, longWarmup), t.name))
	}
	return &Outcome{Sections: []report.Section{s}, Answers: []string{
		fmt.Sprintf("The steps after which SMT has overtaken others on the given model: with %d warm-up steps full fine-tuning %s, LoRA %s; with %d, %s and %s.", shortWarmup,
			given.overtakes(config.Full, shortWarmup), given.overtakes(config.LoRA, shortWarmup), longWarmup, given.overtakes(config.Full, longWarmup), given.overtakes(config.LoRA, longWarmup)),
		fmt.Sprintf("Those after which it has overtaken full fine-tuning on larger models, with %d warm-up steps: %s. They are modelled; the model is off by up to %.0f %% on what was measured.", longWarmup,
			strings.Join(byShape, ", "), 100*worst),
	}}, nil
}

// givenSteps runs a few steps of each method on the given model.
func (l *Lab) givenSteps(ctx context.Context) ([]Result, error) {
	var cells []Cell
	for _, m := range breakEvenMethods {
		r, err := l.RecipeOf(m, 0)
		if err != nil {
			return nil, err
		}
		r.MaxSteps, r.WarmupFullSteps, r.LearningRate = breakEvenSteps, breakEvenWarmup, l.rates(m, r)[0]
		cells = append(cells, l.Cell(m, m, WithSeed(r, l.Seeds[0])))
	}
	results, err := l.Run(ctx, "the given model", cells)
	if err != nil || l.DryRun {
		return nil, err
	}
	for _, r := range results {
		if !r.Usable() {
			return nil, fmt.Errorf("experiment: %s: %s: %s; without its steps nothing can be compared", r.Name, r.Status, r.Error)
		}
	}
	return results, nil
}

// A timeModel has the operations per second at which steps of each method were computed.
type timeModel map[string]float64

// newTimeModel fits the model to the steps of shape M.
func newTimeModel(steps map[string]*benchmark.StepResult) timeModel {
	m := timeModel{}
	for method, s := range steps {
		o := benchOperations("M", method, s)
		m[method] = (o.Forward + o.Backward) * float64(s.Seq*s.Batch) / s.StepMin
	}
	return m
}

// timing models the steps of all methods: the operations of a token times tokens, by the rate of the method's steps.
func (m timeModel) timing(name string, tokens float64, operations func(method string) recipe.Operations) timing {
	t := timing{name: name, step: map[string]float64{}}
	for _, method := range breakEvenMethods {
		o := operations(method)
		t.step[method] = (o.Forward + o.Backward) * tokens / m[method]
		if method == config.SMT {
			t.warmup = o.Warmup * tokens / m[method]
		}
	}
	return t
}

// bench returns the measured and the modelled steps of a shape; smt bench step has no warm-up, so that is modelled in both.
func (m timeModel) bench(shape string, steps map[string]*benchmark.StepResult) (measured, modelled timing) {
	tokens := float64(steps[config.SMT].Seq * steps[config.SMT].Batch)
	modelled = m.timing("shape "+shape, tokens, func(method string) recipe.Operations { return benchOperations(shape, method, steps[method]) })
	measured = timing{name: modelled.name, step: map[string]float64{}, warmup: modelled.warmup, measured: true}
	for method, s := range steps {
		measured.step[method] = s.StepMin
	}
	return measured, modelled
}

// large models the steps of the large shapes, with the modules and the score of the recipe.
func (m timeModel) large(l *Lab) []timing {
	var all []timing
	for _, shape := range largeShapes {
		blocks := int(benchShare*float64(shape.Params())) / (sparse.PaperBlock * sparse.PaperBlock)
		rank, _ := rankFor(&shape.Config, l.Recipe.TargetModules, false, blocks*sparse.PaperBlock*sparse.PaperBlock)
		all = append(all, m.timing(shape.name, benchSequence, func(method string) recipe.Operations {
			return recipe.OperationsOf(&shape.Config, recipe.Method{Name: method, Targets: l.Recipe.TargetModules, Sequence: benchSequence,
				Block: sparse.PaperBlock, Blocks: blocks, Rank: rank, Score: sparse.Score(l.Recipe.BlockScore)})
		}))
	}
	return all
}

// deviationTable tells how far modelled times are from measured ones, and the largest deviation.
func deviationTable(measured, modelled []timing) (t report.Table, worst float64) {
	t = report.Table{Title: "the model's error: modelled time / measured time − 1", Header: append([]string{"model", "smt's warm-up"}, breakEvenMethods...),
		Note: "The model was fitted to shape M. The warm-up's steps on S and M are modelled with the rate of the tuning steps. Other work on the machine shows here, too."}
	off := func(modelled, measured float64) string {
		d := modelled/measured - 1
		worst = max(worst, math.Abs(d))
		return fmt.Sprintf("%+.0f %%", 100*d)
	}
	for i, x := range measured {
		row := []string{x.name, "-"}
		if x.warmupMeasured {
			row[1] = off(modelled[i].warmup, x.warmup)
		}
		for _, method := range breakEvenMethods {
			row = append(row, off(modelled[i].step[method], x.step[method]))
		}
		t.Rows = append(t.Rows, row)
	}
	return t, worst
}

// timeTable has the time of a step of each method, and when SMT has overtaken the others.
func timeTable(all []timing) report.Table {
	t := report.Table{Header: []string{"model", "", "warm-up step s"}}
	for _, method := range breakEvenMethods {
		t.Header = append(t.Header, method+" s")
	}
	for _, n := range []int{shortWarmup, longWarmup} {
		t.Header = append(t.Header, fmt.Sprintf("overtakes full, %d warm-up steps", n), fmt.Sprintf("overtakes lora, %d", n))
	}
	for _, x := range all {
		kind := "modelled"
		if x.measured {
			kind = "measured"
		}
		row := []string{x.name, kind, show(x.warmup, 3)}
		for _, method := range breakEvenMethods {
			row = append(row, show(x.step[method], 3))
		}
		for _, n := range []int{shortWarmup, longWarmup} {
			row = append(row, x.overtakes(config.Full, n), x.overtakes(config.LoRA, n))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// benchOperations counts the operations of a step that smt bench step measured.
func benchOperations(shape, method string, s *benchmark.StepResult) recipe.Operations {
	return recipe.OperationsOf(benchmark.Shape(shape), recipe.Method{Name: method, Targets: benchmark.Modules(method), Sequence: s.Seq,
		Block: sparse.PaperBlock, Blocks: s.Blocks, Rank: s.Rank, Score: sparse.MeanAbsSum})
}

// operations counts the operations of a run on the given model.
func (l *Lab) operations(r Result) recipe.Operations {
	return recipe.OperationsOf(l.Config, recipe.Method{Name: r.Method, Targets: r.Recipe.TargetModules, Sequence: l.sequence(),
		Block: r.BlockSize, Blocks: r.Selected, Rank: r.Recipe.LoRARank, Score: sparse.Score(r.Recipe.BlockScore)})
}

// sequence is the length of a packed sequence of the recipe.
func (l *Lab) sequence() int {
	if n := l.Recipe.MaxSeqLength; n > 0 && n < l.Config.MaxPosition {
		return n
	}
	return l.Config.MaxPosition
}

// benchFile is steps.json: measured steps by shape and method, and what they were measured on.
type benchFile struct {
	Machine Machine                                     `json:"machine"`
	Steps   map[string]map[string]*benchmark.StepResult `json:"steps"`
}

// readBench reads steps that were measured here; those of another machine, program or number of threads are left out.
func readBench(path string, here Machine) (benchFile, error) {
	var file benchFile
	if err := readJSON(path, &file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if file.Machine != here || file.Steps == nil {
		return benchFile{Machine: here, Steps: map[string]map[string]*benchmark.StepResult{}}, nil
	}
	return file, nil
}

// benchSteps measures steps on S and M, or reads what an earlier run has measured.
func (l *Lab) benchSteps(ctx context.Context) (map[string]map[string]*benchmark.StepResult, error) {
	dev, err := recipe.NewDevice(l.Recipe.Device, l.Recipe.Threads)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(l.Dir, "steps.json")
	file, err := readBench(path, thisMachine(dev.Name(), l.Recipe.Threads))
	if err != nil {
		return nil, err
	}
	steps := file.Steps
	for _, name := range []string{"S", "M"} {
		if steps[name] == nil {
			steps[name] = map[string]*benchmark.StepResult{}
		}
		for _, m := range breakEvenMethods {
			if ctx.Err() != nil {
				return nil, recipe.ErrInterrupted
			}
			if steps[name][m] != nil {
				continue
			}
			l.Watcher.Note("measuring steps of %s on shape %s", m, name)
			if steps[name][m], err = benchmark.Step(dev, benchmark.StepOptions{Config: name, Method: m, Seq: benchSequence, Batch: 1, Steps: 5, Warmup: 1, Share: benchShare}); err != nil {
				return nil, err
			}
			if err := writeJSON(path, file); err != nil {
				return nil, err
			}
		}
	}
	return steps, nil
}

// BreakEvenSteps is the number of steps after which warmup steps of w seconds and n of a seconds take as long as n steps of b
// seconds: warmup·w/(b-a), or +Inf if that never happens.
func BreakEvenSteps(warmup int, w, a, b float64) float64 {
	if !(b > a) {
		return math.Inf(1)
	}
	return float64(warmup) * w / (b - a)
}

// breakEven is when SMT with a warm-up of the given length has overtaken another method.
func (t timing) breakEven(other string, warmup int) float64 {
	return BreakEvenSteps(warmup, t.warmup, t.step[config.SMT], t.step[other])
}

// overtakes writes the break-even with another method.
func (t timing) overtakes(other string, warmup int) string {
	n := t.breakEven(other, warmup)
	if math.IsInf(n, 1) {
		return "never"
	}
	return fmt.Sprintf("%.0f", math.Ceil(n))
}

// timeLines are the times of runs by their steps, up to twice the break-even with full fine-tuning.
func timeLines(t timing, warmup int) []report.Curve {
	end := 2 * t.breakEven(config.Full, warmup)
	if math.IsInf(end, 1) || end < 100 {
		end = 400
	}
	var lines []report.Curve
	for _, method := range breakEvenMethods {
		start := 0.0
		if method == config.SMT {
			start = float64(warmup) * t.warmup
		}
		lines = append(lines, report.Curve{Series: report.Series{Name: method, X: []float64{0, end}, Y: []float64{start, start + end*t.step[method]}}})
	}
	return lines
}
