// Package benchmark times the engine on models of fixed shapes with random weights and tokens.
package benchmark

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"smt/benchmark/peak"
	"smt/device"
	"smt/internal/memory"
	"smt/lowrank"
	"smt/model"
	"smt/optimizer"
	"smt/sparse"
)

// A StepOptions says what to time.
type StepOptions struct {
	Config        string // S, M, L, or a model directory
	Layers        int    // of S, M or L, if not as many as they have
	Method        string // smt, full, lora, dora
	Seq, Batch    int
	Steps, Warmup int
	Share         float64 // of all parameters that are trained; 0: 0.005 for smt, 0.0084 for lora and dora
	Checkpointing bool
	Precision     model.Precision // "" is float32
}

// A StepResult is what one JSON line tells. Memory is resident memory of the process, in MiB.
type StepResult struct {
	Method       string    `json:"method"`
	Config       string    `json:"config"`
	Layers       int       `json:"layers"`
	Precision    string    `json:"precision"`
	Kernels      string    `json:"kernels"`
	Threads      int       `json:"threads"`
	Seq          int       `json:"seq"`
	Batch        int       `json:"batch"`
	Params       int       `json:"params_total"`
	Trainable    int       `json:"params_trainable"`
	Blocks       int       `json:"blocks,omitempty"`
	Rank         int       `json:"rank,omitempty"`
	StepSeconds  float64   `json:"step_s"` // median
	StepMin      float64   `json:"step_min_s"`
	Forward      float64   `json:"fwd_s"`
	Backward     float64   `json:"bwd_s"`
	Update       float64   `json:"opt_s"`
	TokensPerSec float64   `json:"tok_s"`
	GFLOPS       float64   `json:"gflops"`
	PeakFraction float64   `json:"peak_fraction"` // GFLOPS to the float32 peak of as many threads, before and after the steps; 0: unknown
	RSSBefore    float64   `json:"rss_before_mib"`
	PeakRSS      float64   `json:"peak_rss_mib"`
	Delta        float64   `json:"delta_mib"`
	LossFirst    float64   `json:"loss_first"`
	LossLast     float64   `json:"loss_last"`
	AllSteps     []float64 `json:"all_steps"`
}

// shapes are the configurations S, M and L: a small model, a medium one, and that of Llama-3.2-1B.
var shapes = map[string]model.Config{
	"S": {HiddenSize: 512, Intermediate: 1536, Layers: 8, Heads: 8, KVHeads: 4, HeadDim: 64, VocabSize: 32000},
	"M": {HiddenSize: 1024, Intermediate: 2816, Layers: 16, Heads: 16, KVHeads: 8, HeadDim: 64, VocabSize: 32000},
	"L": {HiddenSize: 2048, Intermediate: 8192, Layers: 16, Heads: 32, KVHeads: 8, HeadDim: 64, VocabSize: 128256, Tied: true},
}

// Step times optimizer steps of one method.
func Step(dev device.Device, o StepOptions) (*StepResult, error) {
	c, source, closeBase, err := weights(o.Config, o.Layers)
	if err != nil {
		return nil, err
	}
	defer closeBase()
	dec, err := model.NewFrom(dev, c, source)
	if err != nil {
		return nil, err
	}
	if o.Precision == "" {
		o.Precision = model.Float32
	}
	r := &StepResult{Method: o.Method, Config: o.Config, Layers: c.Layers, Precision: string(o.Precision), Kernels: dev.Name(), Threads: 1,
		Seq: o.Seq, Batch: o.Batch, Params: c.Params()}
	if parallel, ok := dev.(interface{ Threads() int }); ok {
		r.Threads = parallel.Threads()
	}
	debug.FreeOSMemory()
	r.RSSBefore = memory.RSS()
	memory.ResetPeak()

	opt, err := r.attach(dev, dec, o)
	if err != nil {
		return nil, err
	}
	tokens := o.Seq * o.Batch
	var in model.Input
	rows, labels := make([][]int32, o.Batch), make([][]int32, o.Batch)
	for b := range rows {
		rows[b], labels[b] = make([]int32, o.Seq), make([]int32, o.Seq)
		for t := range rows[b] {
			rows[b][t] = token(b*o.Seq+t, c.VocabSize)
		}
		for t := range labels[b] {
			if labels[b][t] = -100; t+1 < o.Seq {
				labels[b][t] = rows[b][t+1]
			}
		}
	}
	in.SetRows(rows, labels)
	if err := r.quantize(dec, &in, o); err != nil {
		return nil, err
	}
	dec.Prepare(model.Limits{Tokens: tokens, Supervised: len(in.Targets), Positions: o.Seq, Backward: true, Checkpointing: o.Checkpointing,
		Compact: o.Precision.Compact()})
	timer := dec.Time()
	before := peak.FLOPS(r.Threads)
	for s := range o.Warmup + o.Steps {
		timer.Reset()
		began := time.Now()
		loss, err := dec.Step(&in, 1/float64(len(in.Targets)))
		if err != nil {
			return nil, err
		}
		passed := time.Since(began).Seconds()
		if _, err := opt.Step(1e-3); err != nil {
			return nil, err
		}
		total := time.Since(began).Seconds()
		if r.LossLast = loss / float64(len(in.Targets)); s == 0 {
			r.LossFirst = r.LossLast
		}
		if s >= o.Warmup {
			r.AllSteps = append(r.AllSteps, round(total))
			r.Forward += timer.Forward.Seconds() / float64(o.Steps)
			r.Backward += (passed - timer.Forward.Seconds()) / float64(o.Steps)
			r.Update += (total - passed) / float64(o.Steps)
		}
	}
	sorted := slices.Sorted(slices.Values(r.AllSteps))
	r.StepMin, r.StepSeconds = sorted[0], round((sorted[(len(sorted)-1)/2]+sorted[len(sorted)/2])/2)
	r.TokensPerSec = math.Round(10*float64(tokens)/r.StepSeconds) / 10
	r.GFLOPS = math.Round(r.flops(c, o.Method, tokens) / r.StepSeconds / 1e9)
	if multipliers := (before + peak.FLOPS(r.Threads)) / 2; multipliers > 0 {
		r.PeakFraction = round(r.GFLOPS * 1e9 / multipliers)
	}
	r.PeakRSS = memory.PeakRSS()
	r.Delta = r.PeakRSS - r.RSSBefore
	r.Forward, r.Backward, r.Update = round(r.Forward), round(r.Backward), round(r.Update)
	return r, nil
}

// quantize makes the 8-bit copies that the precision asks for, with 1 % of the input channels in float32.
func (r *StepResult) quantize(dec *model.Decoder, in *model.Input, o StepOptions) error {
	var channels []model.Channels
	if o.Precision == model.Int8 {
		dec.Prepare(model.Limits{Tokens: len(in.IDs), Supervised: len(in.Targets), Positions: o.Seq})
		var err error
		if channels, err = dec.Calibrate([]*model.Input{in}, 0.01); err != nil {
			return err
		}
	}
	return dec.SetPrecision(o.Precision, channels)
}

// Shape is the architecture of S, M or L, or nil.
func Shape(name string) *model.Config {
	c, ok := shapes[name]
	if !ok {
		return nil
	}
	c.NormEps, c.Rope = 1e-6, model.Rope{Type: "default", Theta: 10000}
	c.MaxPosition, c.Windows = 2048, make([]int, c.Layers)
	return &c
}

// weights opens a model directory, or makes random weights for S, M or L, with a number of layers other than theirs if it
// is not 0.
func weights(name string, layers int) (*model.Config, model.Source, func() error, error) {
	if layers < 0 {
		return nil, nil, nil, fmt.Errorf("benchmark: %d layers: expected 1 or more, or 0 for as many as the config has", layers)
	}
	if c := Shape(name); c != nil {
		if layers > 0 {
			c.Layers, c.Windows = layers, make([]int, layers)
		}
		return c, model.NewRandom(c, 1, model.DefaultDeviation), func() error { return nil }, nil
	}
	base, err := model.Open(name)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("benchmark: config %q is none of S, M, L and no model directory: %w", name, err)
	}
	if layers > 0 && layers != base.Config.Layers {
		_ = base.Close()
		return nil, nil, nil, fmt.Errorf("benchmark: %d layers: the model in %s has %d; only S, M and L can have others", layers, name, base.Config.Layers)
	}
	return base.Config, base.Files, base.Close, nil
}

// Modules are the target modules of a method's step: those of the papers.
func Modules(method string) []string {
	if method == "lora" || method == "dora" {
		return lowrank.PaperModules
	}
	return sparse.PaperModules
}

// attach makes the method's layers and its optimizer.
func (r *StepResult) attach(dev device.Device, dec *model.Decoder, o StepOptions) (*optimizer.AdamW, error) {
	switch o.Method {
	case "full":
		r.Trainable = r.Params
		var all []optimizer.Tensor
		for _, p := range dec.Parameters {
			p.Thaw(dev)
			p.WantGradient(dev)
			all = append(all, optimizer.Tensor{Name: p.Name, Value: p.Value, Grad: p.Grad})
		}
		return optimizer.New(dev, all), nil
	case "smt":
		share := o.Share
		if share == 0 {
			share = 0.005
		}
		targets := sparse.Targets(dec.Linears(), Modules(o.Method))
		size := sparse.PaperBlock
		if slices.ContainsFunc(targets, func(m sparse.Matrix) bool { return m.Out%size != 0 || m.In%size != 0 }) {
			size, _ = sparse.ChooseBlockSize(0, targets, dec.Config.HiddenSize)
		}
		g, err := sparse.Gather(dev, spread(targets, size, max(1, int(math.Round(share*float64(r.Params)/float64(size*size))))),
			func(m sparse.Matrix) (sparse.Base, error) { return dec.Linear(m.Name).Base, nil }, true)
		if err != nil {
			return nil, err
		}
		for i, m := range g.Selected {
			*dec.Linear(m.Name).Linear = g.Linears[i]
		}
		r.Blocks, r.Trainable = g.Blocks(), g.Values()
		return optimizer.New(dev, []optimizer.Tensor{{Value: g.Delta, Grad: g.Grad, Moment1: g.Moment1, Moment2: g.Moment2}}), nil
	case "lora", "dora":
		layers, rank, err := lowrank.AttachNew(dev, dec, lowrank.Options{Share: o.Share, DoRA: o.Method == "dora",
			Modules: Modules(o.Method), Seed: 1})
		if err != nil {
			return nil, err
		}
		r.Rank = rank
		tensors := lowrank.Tensors(layers)
		for _, t := range tensors {
			r.Trainable += t.Value.Len()
		}
		return optimizer.New(dev, tensors), nil
	}
	return nil, fmt.Errorf("benchmark: method %q: expected smt, full, lora or dora", o.Method)
}

// spread selects n blocks evenly over the layers, three quarters of them in V and an eighth each in Q and K, which is
// about what a selection by gradients gives.
func spread(targets []sparse.Matrix, size, n int) *sparse.Selection {
	s := &sparse.Selection{BlockSize: size}
	left := n
	for _, part := range []struct {
		module string
		blocks int
	}{{"q_proj", n / 8}, {"k_proj", n / 8}, {"v_proj", n}} {
		var of []int
		for i, t := range targets {
			if t.Module == part.module {
				of = append(of, i)
			}
		}
		count := min(part.blocks, left)
		left -= count
		for at, i := range of {
			m := sparse.MatrixSelection{Matrix: targets[i]}
			rows, cols := targets[i].Grid(size)
			from, to := at*count/len(of), (at+1)*count/len(of)
			for k := range min(to-from, rows*cols) {
				cell := k * rows * cols / (to - from)
				m.Blocks = append(m.Blocks, sparse.ScoredBlock{Block: device.Block{Row: int32(cell / cols), Col: int32(cell % cols)}})
			}
			s.Matrices = append(s.Matrices, m)
		}
	}
	return s
}

// flops is the work of one step that the method cannot do without: forward and dX products of all linear layers, and the
// gradients of what is trained.
func (r *StepResult) flops(c *model.Config, method string, tokens int) float64 {
	linear := c.VocabSize * c.HiddenSize
	for _, m := range model.Modules {
		out, in := c.LinearShape(m)
		linear += c.Layers * out * in
	}
	work := 4 * float64(linear)
	switch method {
	case "full":
		work += 2 * float64(linear)
	case "smt":
		work += 2 * float64(r.Trainable)
	default:
		work += 6 * float64(r.Trainable)
	}
	return work * float64(tokens)
}

// token is a pseudo-random token id.
func token(i, vocabulary int) int32 {
	return int32((uint64(i) * 0x9e3779b97f4a7c15 >> 33) % uint64(vocabulary))
}

// round keeps four decimals: tenths of milliseconds.
func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }
