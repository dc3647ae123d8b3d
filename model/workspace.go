package model

import (
	"slices"

	"smt/device"
)

// Limits say how large batches can get, so that all memory is taken once, before the first step.
type Limits struct {
	Tokens     int // T, tokens of a batch
	Supervised int // positions of a batch whose loss (or logits) are wanted
	Positions  int // length of the longest row
	// Backward asks for what the backward pass needs, given what learns at the time of Prepare.
	Backward bool
	// Checkpointing keeps only the input of every layer and computes the rest again during the backward pass.
	Checkpointing bool
	// Compact keeps what the backward pass reads in bfloat16; the device must be a [device.Rounder]. With Checkpointing it has
	// no effect.
	Compact bool
}

// compact reports whether layers keep their activations in bfloat16.
func (l Limits) compact() bool { return l.Compact && l.Backward && !l.Checkpointing }

// activations are the results of a layer's forward pass that its backward pass reads. Everything else (the normalised
// inputs, the MLP's product) is computed again from these when a gradient needs it.
type activations struct {
	inputScale device.Tensor // [T, 1], 1/rms of the layer's input
	q          device.Tensor // [T, H·d], rotated; before norm and rotation if the model has query norms
	k          device.Tensor // [T, G·d], likewise
	qScale     device.Tensor // [T·H, 1], 1/rms of every query head (query norms only)
	kScale     device.Tensor // [T·G, 1]
	v          device.Tensor // [T, G·d]
	o          device.Tensor // [T, H·d], attention's result
	lse        device.Tensor // [T, H], log of the sums of the softmax
	mid        device.Tensor // [T, D], residual stream after attention
	midScale   device.Tensor // [T, 1]
	gate, up   device.Tensor // [T, F]
}

// workspace is all memory of forward and backward passes.
type workspace struct {
	limits Limits
	lowest int // layers from here on keep their activations

	ids, positions, targets, labels device.Tensor // Index

	hidden  []device.Tensor // [T, D] input of every layer, and the output of the last; layers that keep nothing share one
	kept    []*activations  // per layer; those that keep nothing share scratch
	scratch *activations
	compact []compact     // per layer, if Limits.Compact
	stream  device.Tensor // [T, D], the input of a layer in the backward pass, if Limits.Compact

	normed, act                device.Tensor // forward: [T, D], [T, F]
	qNormed, kNormed           device.Tensor // [T, H·d], [T, G·d]: queries and keys after their norms (query norms only)
	dhidden, dnormed, dact     device.Tensor // backward: [T, D], [T, D], [T, F]
	do, dq, dk, dv             device.Tensor
	final, finalNormed, dfinal device.Tensor // [S, D] hidden states of supervised positions
	finalScale, loss           device.Tensor // [S, 1]
	logits                     device.Tensor // [chunk, V]
	tail                       tail
	losses                     []float64 // host copy of loss
	row                        []float64 // host copy of one row of logits
}

// logitElements bounds the memory of logits: as many supervised positions at a time as fit, at least minChunk.
const (
	logitElements = 4 << 20
	minChunk      = 16
)

// Prepare takes the memory for batches up to the limits, for what learns now. What an earlier call took is used again
// where it is large enough. Call it again after anything started or stopped learning.
func (d *Decoder) Prepare(l Limits) {
	w, c := &d.work, d.Config
	lowest := len(d.Layers)
	if l.Backward {
		lowest = max(d.Lowest(), 0)
	}
	l.Supervised = max(l.Supervised, 1)
	if l.compact() != w.limits.compact() {
		w.hidden, w.kept, w.compact, w.stream = nil, nil, nil, device.Tensor{}
	}
	w.limits, w.lowest = l, lowest
	if d.ropeTable.Rows < l.Positions {
		d.ropeTable = d.Device.New(l.Positions, c.HeadDim)
		d.Device.Write(d.ropeTable, c.Rope.Table(l.Positions, c.HeadDim))
	}
	r := reserver{d.Device}
	d.prepareLayers(r)
	d.prepareForward(r)
	if l.Backward {
		d.prepareBackward(r)
	}
}

// Release gives up what Prepare has taken. Prepare must be called again before the next pass.
func (d *Decoder) Release() { d.work = workspace{} }

// A reserver takes memory where a tensor has less than is asked for.
type reserver struct{ device.Device }

func (r reserver) tensor(t *device.Tensor, rows, cols int) {
	if t.Rows < rows || t.Cols != cols {
		*t = r.New(rows, cols)
	}
}

func (r reserver) index(t *device.Tensor, rows int) {
	if t.Rows < rows {
		*t = r.NewIndex(rows)
	}
}

// activations takes the memory that a layer keeps of tokens for its backward pass.
func (r reserver) activations(a *activations, tokens int, c *Config) {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	r.tensor(&a.inputScale, tokens, 1)
	r.tensor(&a.q, tokens, q)
	r.tensor(&a.k, tokens, kv)
	r.tensor(&a.v, tokens, kv)
	r.tensor(&a.o, tokens, q)
	r.tensor(&a.lse, tokens, c.Heads)
	r.tensor(&a.mid, tokens, c.HiddenSize)
	r.tensor(&a.midScale, tokens, 1)
	r.tensor(&a.gate, tokens, c.Intermediate)
	r.tensor(&a.up, tokens, c.Intermediate)
	if c.QKNorm {
		r.tensor(&a.qScale, tokens*c.Heads, 1)
		r.tensor(&a.kScale, tokens*c.KVHeads, 1)
	}
}

// prepareLayers takes the residual stream and what each layer keeps. Layers below the lowest that learns share one residual
// stream, overwritten in place, and one set of activations.
func (d *Decoder) prepareLayers(r reserver) {
	w, c := &d.work, d.Config
	l, lowest := w.limits, w.lowest
	if w.hidden == nil {
		w.hidden = make([]device.Tensor, c.Layers+1)
		w.kept = make([]*activations, c.Layers)
		w.scratch = &activations{}
	}
	before := slices.Clone(w.hidden)
	for i := 1; i <= c.Layers; i++ {
		if before[i].Buffer == before[i-1].Buffer {
			w.hidden[i] = device.Tensor{} // shared until now
		}
	}
	if lowest > 0 || l.Checkpointing || l.compact() {
		r.activations(w.scratch, l.Tokens, c)
	}
	if l.compact() && w.compact == nil {
		w.compact = make([]compact, c.Layers)
	}
	for i := range c.Layers {
		if i == 0 || i > lowest && !l.compact() {
			r.tensor(&w.hidden[i], l.Tokens, c.HiddenSize)
		} else {
			w.hidden[i] = w.hidden[i-1]
		}
		if i < lowest || l.Checkpointing {
			w.kept[i] = w.scratch
			continue
		}
		if w.kept[i] == nil || w.kept[i] == w.scratch {
			w.kept[i] = &activations{}
		}
		if l.compact() {
			w.compact[i].prepare(r.Device.(device.Rounder), l.Tokens, c)
			w.kept[i].shareLarge(w.scratch)
		}
		r.activations(w.kept[i], l.Tokens, c)
	}
	if l.compact() {
		r.tensor(&w.stream, l.Tokens, c.HiddenSize)
	}
	if lowest >= c.Layers || l.compact() {
		w.hidden[c.Layers] = w.hidden[c.Layers-1]
	} else {
		r.tensor(&w.hidden[c.Layers], l.Tokens, c.HiddenSize)
	}
}

// prepareForward takes the inputs of a batch, what all layers share in the forward pass, and what follows the last.
func (d *Decoder) prepareForward(r reserver) {
	w, c, l := &d.work, d.Config, d.work.limits
	r.index(&w.ids, l.Tokens)
	r.index(&w.positions, l.Tokens)
	r.index(&w.targets, l.Supervised)
	r.index(&w.labels, l.Supervised)
	r.tensor(&w.normed, l.Tokens, c.HiddenSize)
	r.tensor(&w.act, l.Tokens, c.Intermediate)
	if c.QKNorm {
		r.tensor(&w.qNormed, l.Tokens, c.Heads*c.HeadDim)
		r.tensor(&w.kNormed, l.Tokens, c.KVHeads*c.HeadDim)
	}
	if rows := tailCapacity(l); rows > 0 {
		r.index(&w.tail.index, rows)
		r.index(&w.tail.positionIndex, rows)
		r.tensor(&w.tail.hidden, rows, c.HiddenSize)
		r.tensor(&w.tail.normed, rows, c.HiddenSize)
		if l.Backward {
			r.tensor(&w.tail.gradient, w.tail.hidden.Rows, c.HiddenSize)
		}
	} else {
		w.tail = tail{}
	}
	chunk := min(max(logitElements/c.VocabSize, minChunk), l.Supervised)
	r.tensor(&w.final, l.Supervised, c.HiddenSize)
	r.tensor(&w.finalNormed, l.Supervised, c.HiddenSize)
	r.tensor(&w.finalScale, l.Supervised, 1)
	r.tensor(&w.loss, l.Supervised, 1)
	r.tensor(&w.logits, chunk, c.VocabSize)
	if len(w.losses) < l.Supervised {
		w.losses = make([]float64, l.Supervised)
	}
	w.row = make([]float64, c.VocabSize)
}

// prepareBackward takes what all layers share in the backward pass. What has been used up lends its place: the normalised hidden
// states to their gradients unless the head learns, the MLP's product to its gradient unless a down projection does, the gradient
// of a normalised input to that of attention.
func (d *Decoder) prepareBackward(r reserver) {
	w, c, l := &d.work, d.Config, d.work.limits
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	// The last layer's output is not read again once the supervised positions have been gathered from it: the gradient of
	// the residual stream takes its place.
	if w.dhidden = w.hidden[c.Layers]; w.lowest >= c.Layers {
		r.tensor(&w.dhidden, l.Tokens, c.HiddenSize)
	}
	r.tensor(&w.dnormed, l.Tokens, c.HiddenSize)
	if w.dfinal = w.finalNormed; d.head.Learns() {
		w.dfinal = r.New(l.Supervised, c.HiddenSize)
	}
	if w.dact = w.act; slices.ContainsFunc(d.Layers, func(l *Layer) bool { return l.Down.Learns() }) {
		w.dact = r.New(l.Tokens, c.Intermediate)
	}
	if w.do = w.dnormed; q != c.HiddenSize {
		w.do = r.New(l.Tokens, q)
	}
	r.tensor(&w.dq, l.Tokens, q)
	r.tensor(&w.dk, l.Tokens, kv)
	r.tensor(&w.dv, l.Tokens, kv)
}

// shareLarge makes a's large tensors those of b.
func (a *activations) shareLarge(b *activations) {
	a.q, a.k, a.v, a.o, a.mid, a.gate, a.up = b.q, b.k, b.v, b.o, b.mid, b.gate, b.up
}

// slice returns the activations of t tokens, of which the last layer computes more than keys and values for r.
func (a *activations) slice(t, r int, c *Config) activations {
	s := *a
	for _, x := range []*device.Tensor{&s.inputScale, &s.k, &s.v} {
		*x = x.Slice(0, t)
	}
	for _, x := range []*device.Tensor{&s.q, &s.o, &s.lse, &s.mid, &s.midScale, &s.gate, &s.up} {
		*x = x.Slice(0, r)
	}
	if c.QKNorm {
		s.qScale, s.kScale = s.qScale.Slice(0, r*c.Heads), s.kScale.Slice(0, t*c.KVHeads)
	}
	return s
}
