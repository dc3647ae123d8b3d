package recipe

import (
	"strings"

	"smt/config"
	"smt/device"
	"smt/model"
	"smt/sparse"
)

// A sizer is a device that takes no memory: it counts what a decoder would ask for. Prepare runs on it as on any other
// device, so a plan cannot disagree with the run.
type sizer struct {
	device.Device
	width   int // bytes of a Float
	bytes   int
	weights int // bytes of bound weights
}

func (s *sizer) New(rows, cols int) device.Tensor {
	s.bytes += rows * cols * s.width
	return device.Tensor{Buffer: new(int), DType: device.Float, Rows: rows, Cols: cols, Stride: cols}
}

func (s *sizer) Rounded(w device.Tensor) device.Tensor { return w }

func (s *sizer) NewBF16(rows, cols int) device.Tensor {
	s.bytes += rows * cols * device.BF16.Size()
	return device.Tensor{Buffer: new(int), DType: device.BF16, Rows: rows, Cols: cols, Stride: cols}
}

func (s *sizer) Narrow(_, _ device.Tensor) {}

func (s *sizer) NewIndex(rows int) device.Tensor {
	s.bytes += rows * device.Index.Size()
	return device.Tensor{Buffer: new(int), DType: device.Index, Rows: rows, Cols: 1, Stride: 1}
}

func (s *sizer) Bind(dtype device.DType, rows, cols int, data []byte) device.Tensor {
	s.weights += len(data)
	return device.Tensor{Buffer: new(int), DType: dtype, Rows: rows, Cols: cols, Stride: cols}
}

func (s *sizer) Write(device.Tensor, []float64)           {}
func (s *sizer) Combine(_, _ device.Tensor, _, _ float64) {}

// A Plan states what a run will need, before anything is loaded: bytes by class, and work.
type Plan struct {
	Method         string `json:"method"`
	ByLayer        bool   `json:"updates_by_layer,omitempty"` // the gradients of all parameters are never held together
	Params         int    `json:"params_total"`
	Trainable      int    `json:"params_trainable"`
	Blocks         int    `json:"blocks,omitempty"`
	BlockSize      int    `json:"block_size,omitempty"`
	Tokens         int    `json:"tokens_per_pass"`
	Weights        int    `json:"weights_bytes"`            // mapped from the files, never copied whole
	WarmupPasses   int    `json:"warmup_activations_bytes"` // activations and gradients of activations, warm-up
	Sums           int    `json:"sums_bytes"`               // what the scores need
	Quantized      int    `json:"int8_bytes,omitempty"`     // copies of the frozen weights in 8-bit integers
	WarmupTraining int    `json:"warmup_training_bytes"`    // copies, gradients and Adam moments of all parameters, if the warm-up trains
	Passes         int    `json:"activations_bytes"`        // activations and their gradients, tuning
	Trained        int    `json:"trained_bytes"`            // masters and gradients of what is trained
	Adam           int    `json:"adam_bytes"`               // both moments
	WarmupPeak     int    `json:"warmup_peak_bytes"`
	TuningPeak     int    `json:"tuning_peak_bytes"`
	Peak           int    `json:"peak_bytes"`
	// Work per token, in floating-point operations (a multiply and an add are two).
	Forward  float64 `json:"forward_flops_per_token"`
	Backward float64 `json:"backward_flops_per_token"`
}

// Method is what a plan is made for.
type Method struct {
	Name     string // smt, full, lora, dora
	Limits   model.Limits
	Targets  []string // modules
	Rank     int      // lora, dora
	Score    sparse.Score
	Apart    bool // attention and MLP have budgets of their own
	Several  bool // several passes to a step
	Block    int
	Blocks   int
	Update   sparse.Update
	ByLayer  bool // where all parameters are trained, each layer is updated in the backward pass: see updatesByLayer
	Sequence int  // mean row length, for attention's work
	Width    int  // bytes of a Float on the device
	Int8     bool // frozen weights are copied to 8-bit integers
}

// NewPlan computes the plan of a method for a model.
func NewPlan(base *model.Base, m Method) (*Plan, error) {
	c := base.Config
	p := &Plan{Method: m.Name, Params: c.Params(), Tokens: m.Limits.Tokens, BlockSize: m.Block, Blocks: m.Blocks}
	targets := sparse.MatricesOf(c, m.Targets)
	switch m.Name {
	case "smt":
		targets = sparse.Candidates(m.Score, targets, m.Apart)
		p.Trainable = m.Blocks * m.Block * m.Block
		p.Sums = sparse.Bytes(m.Score, m.Block, targets, m.Limits.Tokens, m.Several, m.Width)
	case "full":
		p.Trainable = p.Params
	case "lora", "dora":
		for _, t := range targets {
			p.Trainable += m.Rank * (t.In + t.Out)
			if m.Name == "dora" {
				p.Trainable += t.Out
			}
		}
	}
	passes := func(all bool) (activations, gradients int, err error) {
		s := &sizer{width: m.Width}
		dec, err := model.New(s, base)
		if err != nil {
			return 0, 0, err
		}
		p.Weights = s.weights
		if all {
			dec.WantGradients(m.ByLayer)
			gradients = s.bytes
		} else {
			for _, t := range targets {
				slot := dec.Linear(t.Name)
				*slot.Linear = learning{slot.Base}
			}
		}
		dec.Prepare(m.Limits)
		return s.bytes - gradients, gradients, nil
	}
	var gradients int
	var err error
	if p.Passes, gradients, err = passes(m.Name == "full"); err != nil {
		return nil, err
	}
	p.Trained, p.Adam = 2*p.Trainable*m.Width, 2*p.Trainable*m.Width
	if m.Name == "full" {
		p.Trained, p.ByLayer = p.Trainable*m.Width+gradients, m.ByLayer
	}
	if m.Name == "lora" || m.Name == "dora" {
		widths := map[int]bool{}
		for _, t := range targets {
			p.Passes += m.Limits.Tokens * m.Rank * m.Width
			if m.Name == "dora" {
				p.Passes += (m.Limits.Tokens + m.Rank) * t.Out * m.Width
				widths[t.Out] = true
			}
		}
		for out := range widths { // what the layers take in turns
			p.Passes += m.Limits.Tokens * out * m.Width
		}
	}
	p.TuningPeak = p.Passes + p.Trained + p.Adam
	if m.Name == "smt" && m.Score.DataFree() {
		p.WarmupPeak = p.Sums
	} else if m.Name == "smt" {
		if p.WarmupPasses, gradients, err = passes(m.Update.Trains()); err != nil {
			return nil, err
		}
		if m.Update.Trains() {
			p.WarmupTraining = 3*p.Params*m.Width + gradients
		}
		p.WarmupPeak = p.WarmupPasses + p.Sums + p.WarmupTraining
	}
	if m.Int8 && m.Name != "full" {
		for _, module := range model.Modules {
			out, in := c.LinearShape(module)
			p.Quantized += c.Layers * out * in
		}
	}
	p.Peak = p.Weights + p.Quantized + max(p.WarmupPeak, p.TuningPeak)
	p.work(c, m, targets)
	return p, nil
}

// learning is a linear layer that would learn: it makes Prepare reckon with activations from its layer on.
type learning struct{ *model.Dense }

// Learns is true.
func (learning) Learns() bool { return true }

// work fills in the operations per token: 2P forward and 2P for the gradients of activations with P the weights of the
// linear layers and the head, 2P' for the gradients of the P' trained weights, and attention's products over half the row.
func (p *Plan) work(c *model.Config, m Method, targets []sparse.Matrix) {
	linear := 0
	for _, module := range model.Modules {
		out, in := c.LinearShape(module)
		linear += c.Layers * out * in
	}
	head := c.VocabSize * c.HiddenSize
	attention := 2 * float64(c.Layers*c.Heads*c.HeadDim*m.Sequence) // scores and their product with values, causal
	p.Forward = 2*float64(linear+head) + attention
	p.Backward = 2*float64(linear+head) + 2.5*attention
	switch m.Name {
	case "full":
		p.Backward += 2 * float64(linear+head)
	case "smt":
		p.Forward += 2 * float64(p.Trainable)
		p.Backward += 4 * float64(p.Trainable)
	case "lora", "dora":
		p.Forward += 2 * float64(p.Trainable)
		p.Backward += 4 * float64(p.Trainable)
	}
	switch {
	case m.Limits.Checkpointing:
		p.Backward += p.Forward - 2*float64(head)
	case m.Limits.Compact: // attention is computed again
		p.Backward += attention
	}
}

// PlanOf makes the plan of a method with a recipe's settings: the largest batch, the budget, the score, whether gradients are
// held.
func PlanOf(base *model.Base, r config.Recipe, method string) (*Plan, error) {
	length := r.MaxSeqLength
	if length == 0 || length > base.Config.MaxPosition {
		length = base.Config.MaxPosition
	}
	tokens := length * r.PerDeviceTrainBatchSize
	m := Method{Name: method, Targets: r.TargetModules, Rank: r.LoRARank, Score: sparse.Score(r.BlockScore), Several: r.GradientAccumulationSteps > 1,
		Update: sparse.Update(r.WarmupUpdate), ByLayer: updatesByLayer(r), Sequence: length, Width: 4, Int8: strings.HasPrefix(r.Precision, "int8"),
		Limits: model.Limits{Tokens: tokens, Supervised: tokens, Positions: length, Backward: true, Checkpointing: r.GradientCheckpointing,
			Compact: model.Precision(r.Precision).Compact() && method != config.Full}}
	if r.Device == "reference" {
		m.Width = 8
	}
	if method != config.SMT {
		return NewPlan(base, m)
	}
	b, err := BudgetOf(base.Config, r)
	if err != nil {
		return nil, err
	}
	m.Block, m.Blocks, m.Apart = b.Size, b.Blocks, mlpApart(r)
	p, err := NewPlan(base, m)
	if err == nil {
		p.Trainable = b.Params // ragged blocks take the room and the work of whole ones
	}
	return p, err
}
