package model

import (
	"time"

	"smt/device"
)

// Step runs forward and backward over a batch: it returns the sum of the cross-entropies at its supervised positions and
// adds the gradients of scale times that sum to whatever learns.
func (d *Decoder) Step(in *Input, scale float64) (float64, error) {
	if err := d.check(in); err != nil {
		return 0, err
	}
	began := time.Now()
	final := d.forward(in, nil, true)
	loss := d.headLoss(final, in, scale)
	if d.timer != nil {
		d.timer.Forward += time.Since(began)
	}
	d.backward(in)
	return loss, nil
}

// Loss runs the forward pass alone and returns the sum of the cross-entropies; Losses then holds each.
func (d *Decoder) Loss(in *Input) (float64, error) {
	if err := d.check(in); err != nil {
		return 0, err
	}
	return d.headLoss(d.forward(in, nil, false), in, 0), nil
}

// Losses are the cross-entropies of the last Step or Loss, one for each of the input's Targets. The slice is used again.
func (d *Decoder) Losses(n int) []float64 { return d.work.losses[:n] }

// Logits runs the forward pass and calls row with the logits [V] of each of the input's Targets; the slice is used again.
// With a cache, the input's tokens continue the sequences in it.
func (d *Decoder) Logits(in *Input, cache *Cache, row func(i int, logits []float64)) error {
	if err := d.check(in); err != nil {
		return err
	}
	final := d.forward(in, cache, false)
	d.normedTargets(final, in)
	w, n := &d.work, len(in.Targets)
	for at := 0; at < n; at += w.logits.Rows {
		end := min(at+w.logits.Rows, n)
		logits := w.logits.Slice(0, end-at)
		d.Device.MatMul(logits, w.finalNormed.Slice(at, end), false, d.head.Value, true, false)
		for i := at; i < end; i++ {
			d.Device.Read(logits.Slice(i-at, i-at+1), w.row)
			row(i, w.row)
		}
	}
	return nil
}

// forward computes the residual stream after the last layer, [T, D], or [R, D] if the batch has a tail. keep
// says that a backward pass follows.
func (d *Decoder) forward(in *Input, cache *Cache, keep bool) device.Tensor {
	w, t := &d.work, len(in.IDs)
	d.Device.WriteIndex(w.ids.Slice(0, t), in.IDs)
	d.Device.WriteIndex(w.positions.Slice(0, t), in.Positions)
	d.Device.GatherRows(w.hidden[0].Slice(0, t), d.embed.Value, w.ids.Slice(0, t))
	if w.tail.find(in) {
		w.tail.load(d.Device)
	}
	for i, l := range d.Layers {
		tail, r := d.tailOf(i, t)
		h, a := w.hidden[i].Slice(0, t), w.kept[i].slice(t, r, d.Config)
		compact := keep && w.limits.compact() && i >= w.lowest
		if compact {
			d.Device.(device.Rounder).Narrow(w.compact[i].input.Slice(0, t), h)
		}
		d.forwardLayer(l, a, h, w.hidden[i+1].Slice(0, r), in, tail, cache)
		if compact {
			w.compact[i].keep(d.Device.(device.Rounder), &a)
		}
	}
	_, r := d.tailOf(len(d.Layers)-1, t)
	return w.hidden[len(d.Layers)].Slice(0, r)
}

// tailOf returns the tail if layer i computes no more than that, else nil, and the number of rows it computes of t.
func (d *Decoder) tailOf(i, t int) (*tail, int) {
	if tail := &d.work.tail; tail.on && i == len(d.Layers)-1 {
		return tail, len(tail.rows)
	}
	return nil, t
}

// targets are the input's targets as rows of what forward returns.
func (d *Decoder) targets(in *Input) []int32 {
	if tail := &d.work.tail; tail.on {
		return tail.targets
	}
	return in.Targets
}

// normedTargets gathers the supervised positions of the last layer's output and applies the final norm: the head sees
// nothing else.
func (d *Decoder) normedTargets(final device.Tensor, in *Input) {
	w, n := &d.work, len(in.Targets)
	if n == 0 {
		return
	}
	rows := w.targets.Slice(0, n)
	d.Device.WriteIndex(rows, d.targets(in))
	d.Device.GatherRows(w.final.Slice(0, n), final, rows)
	d.Device.RMSNorm(w.finalNormed.Slice(0, n), w.finalScale.Slice(0, n), w.final.Slice(0, n), d.norm.Value, d.Config.NormEps)
}

// headLoss computes the losses and, if scale is not 0, the gradient of the residual stream in work.dhidden, with logits
// for one chunk of positions at a time.
func (d *Decoder) headLoss(final device.Tensor, in *Input, scale float64) float64 {
	dev, w, n := d.Device, &d.work, len(in.Targets)
	d.normedTargets(final, in)
	if n > 0 {
		dev.WriteIndex(w.labels.Slice(0, n), in.Labels)
	}
	for at := 0; at < n; at += w.logits.Rows {
		end := min(at+w.logits.Rows, n)
		logits, normed := w.logits.Slice(0, end-at), w.finalNormed.Slice(at, end)
		dev.MatMul(logits, normed, false, d.headStand.in(forwardPass, d.head), true, false)
		dev.CrossEntropy(w.loss.Slice(at, end), logits, w.labels.Slice(at, end), scale)
		if scale == 0 {
			continue
		}
		if d.head.Learns() {
			dev.MatMul(d.head.Grad, logits, true, normed, false, true)
		}
		dev.MatMul(w.dfinal.Slice(at, end), logits, false, d.headStand.in(backwardPass, d.head), false, false)
	}
	sum := 0.0
	if n > 0 {
		dev.Read(w.loss.Slice(0, n), w.losses[:n])
		for _, v := range w.losses[:n] {
			sum += v
		}
	}
	if scale == 0 {
		return sum
	}
	dh := w.dhidden.Slice(0, final.Rows)
	dev.Fill(dh, 0)
	if n > 0 {
		dfinal := w.dfinal.Slice(0, n)
		dev.RMSNormBackward(dfinal, d.norm.Grad, dfinal, w.final.Slice(0, n), d.norm.Value, w.finalScale.Slice(0, n), false)
		dev.ScatterAddRows(dh, dfinal, w.targets.Slice(0, n))
	}
	return sum
}

// backward carries work.dhidden down to the lowest layer that learns.
func (d *Decoder) backward(in *Input) {
	w, t, lowest := &d.work, len(in.IDs), d.Lowest()
	dh := w.dhidden.Slice(0, t)
	d.complete(d.top)
	for i := len(d.Layers) - 1; i >= max(lowest, 0); i-- {
		tail, r := d.tailOf(i, t)
		l, h, a := d.Layers[i], w.hidden[i].Slice(0, t), w.kept[i].slice(t, r, d.Config)
		switch {
		case w.limits.Checkpointing:
			d.forwardLayer(l, a, h, device.Tensor{}, in, tail, nil)
		case w.limits.compact():
			h = w.stream.Slice(0, t)
			d.Device.Combine(h, w.compact[i].input.Slice(0, t), 1, 0)
			w.compact[i].restore(d.Device, &a)
		}
		d.backwardLayer(l, a, h, dh, in, tail, i > lowest)
		d.complete(l.parameters)
	}
	if lowest < 0 {
		d.Device.ScatterAddRows(d.embed.Grad, dh, w.ids.Slice(0, t))
		d.complete(d.bottom)
	}
}
