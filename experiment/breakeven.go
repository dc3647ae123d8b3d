package experiment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"

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
		"Larger models are modelled: the operations that smt plan counts, divided by the rate at which shape M's steps of the same method were computed here. The model's error is its deviation from the measured steps of S and of the given model, which it was not fitted to. It knows nothing of memory: a machine that holds SMT's state may not hold that of full fine-tuning.",
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

// warmups are the lengths that break-even is computed for: the shortest default, and the paper's.
var warmups = []int{8, 100}

// timing is what a step of each method takes on a model, in seconds; 0 is not known.
type timing struct {
	Name                    string
	Measured                bool
	SMT, Warmup, LoRA, Full float64
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
	methods := []string{config.SMT, config.LoRA, config.Full}
	var cells []Cell
	for _, m := range methods {
		r, err := l.RecipeOf(m, 0)
		if err != nil {
			return nil, err
		}
		r.MaxSteps, r.WarmupFullSteps, r.LearningRate = breakEvenSteps, breakEvenWarmup, l.rates(m)[0]
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
	given := timing{Name: "the given model", Measured: true, SMT: results[0].FastestStep, Warmup: results[0].FastestWarmup, LoRA: results[1].FastestStep, Full: results[2].FastestStep}
	steps, err := l.benchSteps(ctx)
	if err != nil {
		return nil, err
	}
	rates := map[string]float64{}
	for _, m := range methods {
		s := steps["M"][m]
		o := operations(benchmark.Shape("M"), m, s.Seq, s.Blocks, s.Rank, benchModules(m))
		rates[m] = (o.Forward + o.Backward) * float64(s.Seq*s.Batch) / s.StepMin
	}

	o := &Outcome{}
	deviations := report.Table{Title: "the model's error: modelled time / measured time − 1", Header: []string{"model", "smt", "smt's warm-up", "lora", "full"}}
	all := []timing{given}
	worst := 0.0
	off := func(modelled, measured float64) string {
		d := modelled/measured - 1
		worst = max(worst, math.Abs(d))
		return fmt.Sprintf("%+.0f %%", 100*d)
	}
	// All methods see the same batches.
	tokens := results[0].StepTokens
	row := []string{"the given model"}
	for i, m := range methods {
		r := results[i].Recipe
		n := operations(l.Config, m, l.sequence(), results[i].Selected, r.LoRARank, r.TargetModules)
		if m == config.SMT {
			n = operationsSMT(l.Config, l.sequence(), results[i].Selected, results[i].BlockSize, r.TargetModules)
		}
		row = append(row, off((n.Forward+n.Backward)*tokens/rates[m], results[i].FastestStep))
		if m == config.SMT {
			row = append(row, off(n.Warmup*tokens/rates[m], given.Warmup))
		}
	}
	deviations.Rows = append(deviations.Rows, row)
	for _, name := range []string{"S", "M"} {
		t := timing{Name: "shape " + name, Measured: true}
		row := []string{t.Name}
		for _, m := range methods {
			s := steps[name][m]
			n := operations(benchmark.Shape(name), m, s.Seq, s.Blocks, s.Rank, benchModules(m))
			at := float64(s.Seq*s.Batch) / rates[m]
			if name == "M" {
				row = append(row, "fitted")
			} else {
				row = append(row, off((n.Forward+n.Backward)*at, s.StepMin))
			}
			switch m {
			case config.SMT:
				t.SMT, t.Warmup = s.StepMin, n.Warmup*at
				row = append(row, "modelled")
			case config.LoRA:
				t.LoRA = s.StepMin
			case config.Full:
				t.Full = s.StepMin
			}
		}
		deviations.Rows = append(deviations.Rows, row)
		all = append(all, t)
	}
	deviations.Note = "The warm-up's steps on S and M are modelled with the rate of the tuning steps. Other work on the machine shows here, too."
	for _, shape := range largeShapes {
		c := shape.Config
		t := timing{Name: shape.name}
		for _, m := range methods {
			rank, blocks := 0, int(benchShare*float64(c.Params())/(sparse.PaperBlock*sparse.PaperBlock))
			if m == config.LoRA {
				rank, _ = rankFor(&c, attention, false, blocks*sparse.PaperBlock*sparse.PaperBlock)
			}
			n := operations(&c, m, benchSequence, blocks, rank, attention)
			seconds := (n.Forward + n.Backward) * benchSequence / rates[m]
			switch m {
			case config.SMT:
				t.SMT, t.Warmup = seconds, n.Warmup*benchSequence/rates[m]
			case config.LoRA:
				t.LoRA = seconds
			case config.Full:
				t.Full = seconds
			}
		}
		all = append(all, t)
	}
	table := report.Table{Header: []string{"model", "", "warm-up step s", "smt s", "lora s", "full s"}}
	for _, w := range warmups {
		table.Header = append(table.Header, fmt.Sprintf("overtakes full, %d warm-up steps", w), fmt.Sprintf("overtakes lora, %d", w))
	}
	for _, t := range all {
		kind := "modelled"
		if t.Measured {
			kind = "measured"
		}
		row := []string{t.Name, kind, show(t.Warmup, 3), show(t.SMT, 3), show(t.LoRA, 3), show(t.Full, 3)}
		for _, w := range warmups {
			row = append(row, overtakes(t, w, t.Full), overtakes(t, w, t.LoRA))
		}
		table.Rows = append(table.Rows, row)
	}
	table.Note = fmt.Sprintf("A step has %.0f tokens on the given model and %d on the others. Never: a step of SMT takes no less time than one of the other method.", tokens, benchSequence)
	s := report.Section{Title: "Time", Tables: []report.Table{table, deviations}}
	for i, t := range all[:1] {
		l.figure(&s, "time.png", fmt.Sprintf("Time of a run on the given model by its tuning steps, with a warm-up of %d steps.", warmups[1]), func(path string) error {
			return report.Lines(path, report.Axes{Title: t.Name + ": time of a run", X: "tuning steps", Y: "seconds"}, timeLines(all[i], warmups[1]))
		})
	}
	o.Sections = append(o.Sections, s)
	o.Answers = append(o.Answers,
		fmt.Sprintf("On the given model, SMT with %d warm-up steps has overtaken full fine-tuning after %s steps and LoRA after %s; with %d, after %s and %s.", warmups[0],
			overtakes(given, warmups[0], given.Full), overtakes(given, warmups[0], given.LoRA), warmups[1], overtakes(given, warmups[1], given.Full), overtakes(given, warmups[1], given.LoRA)),
		fmt.Sprintf("Modelled for 7 to 70 billion parameters, with %d warm-up steps: full fine-tuning is overtaken after %s (7B), %s (13B) and %s (70B) steps. The model is off by up to %.0f %% on what was measured.", warmups[1],
			overtakes(all[3], warmups[1], all[3].Full), overtakes(all[4], warmups[1], all[4].Full), overtakes(all[5], warmups[1], all[5].Full), 100*worst))
	return o, nil
}

// attention are the modules that budgets of large models are spent on.
var attention = []string{"q_proj", "k_proj", "v_proj"}

// benchModules are the modules that smt bench step trains.
func benchModules(method string) []string {
	if method == config.LoRA {
		return wideModules
	}
	return attention
}

// operations counts a method's operations, with blocks of the size that smt bench step has.
func operations(c *model.Config, method string, sequence, blocks, rank int, modules []string) recipe.Operations {
	if method == config.SMT {
		return operationsSMT(c, sequence, blocks, sparse.PaperBlock, modules)
	}
	return recipe.OperationsOf(c, recipe.Method{Name: method, Targets: modules, Rank: rank, Sequence: sequence})
}

func operationsSMT(c *model.Config, sequence, blocks, size int, modules []string) recipe.Operations {
	return recipe.OperationsOf(c, recipe.Method{Name: config.SMT, Targets: modules, Block: size, Blocks: blocks, Sequence: sequence, Score: sparse.MeanAbsSum})
}

// sequence is the length of a packed sequence of the recipe.
func (l *Lab) sequence() int {
	if n := l.Recipe.MaxSeqLength; n > 0 && n < l.Config.MaxPosition {
		return n
	}
	return l.Config.MaxPosition
}

// benchSteps measures steps on S and M, or reads what an earlier run has measured.
func (l *Lab) benchSteps(ctx context.Context) (map[string]map[string]*benchmark.StepResult, error) {
	path := filepath.Join(l.Dir, "steps.json")
	steps := map[string]map[string]*benchmark.StepResult{}
	if err := readJSON(path, &steps); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range []string{"S", "M"} {
		if steps[name] == nil {
			steps[name] = map[string]*benchmark.StepResult{}
		}
		for _, m := range []string{config.SMT, config.LoRA, config.Full} {
			if ctx.Err() != nil {
				return nil, recipe.ErrInterrupted
			}
			if steps[name][m] != nil {
				continue
			}
			l.Watcher.Note("measuring steps of %s on shape %s", m, name)
			dev, err := recipe.NewDevice(l.Recipe.Device, l.Recipe.Threads)
			if err != nil {
				return nil, err
			}
			if steps[name][m], err = benchmark.Step(dev, benchmark.StepOptions{Config: name, Method: m, Seq: benchSequence, Batch: 1, Steps: 5, Warmup: 1, Share: benchShare}); err != nil {
				return nil, err
			}
			if err := writeJSON(path, steps); err != nil {
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

// overtakes writes the break-even with another method.
func overtakes(t timing, warmup int, other float64) string {
	n := BreakEvenSteps(warmup, t.Warmup, t.SMT, other)
	if math.IsInf(n, 1) {
		return "never"
	}
	return fmt.Sprintf("%.0f", math.Ceil(n))
}

// timeLines are the times of runs by their steps, up to twice the break-even with full fine-tuning.
func timeLines(t timing, warmup int) []report.Curve {
	end := 2 * BreakEvenSteps(warmup, t.Warmup, t.SMT, t.Full)
	if math.IsInf(end, 1) || end < 100 {
		end = 400
	}
	line := func(name string, start, step float64) report.Curve {
		return report.Curve{Series: report.Series{Name: name, X: []float64{0, end}, Y: []float64{start, start + end*step}}}
	}
	return []report.Curve{line("smt", float64(warmup)*t.Warmup, t.SMT), line("lora", 0, t.LoRA), line("full", 0, t.Full)}
}
