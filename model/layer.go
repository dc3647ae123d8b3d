package model

import "smt/device"

// forwardLayer computes a layer's output out [T, D] from h [T, D] and leaves in a what the backward pass needs. out may be
// h, if h is not needed again, or the zero tensor if only a is wanted. With a tail, out and all of a but keys and values
// have its R rows instead of T. With a cache, keys and values of earlier tokens are read from it and those of the new
// tokens added.
func (d *Decoder) forwardLayer(l *Layer, a activations, h, out device.Tensor, in *Input, tail *tail, cache *Cache) {
	dev, c, w, t, r := d.Device, d.Config, &d.work, len(in.IDs), a.q.Rows
	normed, act := w.normed.Slice(0, t), w.act.Slice(0, r)

	dev.RMSNorm(normed, a.inputScale, h, l.inputNorm.Value, c.NormEps)
	l.K.Forward(a.k, normed)
	l.V.Forward(a.v, normed)
	segments := in.Segments
	if tail != nil {
		normed, h = tail.gather(dev, tail.normed, normed), tail.gather(dev, tail.hidden, h)
		segments = tail.segments
	}
	l.Q.Forward(a.q, normed)
	q, k := d.rotated(l, a, tail)
	keys, values := k, a.v
	if cache != nil {
		keys, values = cache.append(dev, l.Index, k, a.v, in.Segments)
	}
	dev.Attention(a.o, a.lse, q, keys, values, segments, l.attention)
	l.O.Forward(a.mid, a.o)
	dev.Combine(a.mid, h, 1, 1)

	dev.RMSNorm(normed, a.midScale, a.mid, l.mlpNorm.Value, c.NormEps)
	l.Gate.Forward(a.gate, normed)
	l.Up.Forward(a.up, normed)
	if !out.Valid() {
		return
	}
	dev.SwiGLU(act, a.gate, a.up)
	l.Down.Forward(out, act)
	dev.Combine(out, a.mid, 1, 1)
}

// rotated returns queries and keys as attention reads them. Without query norms they are rotated where they lie; with
// them, a.q and a.k stay as they are, since the norms' backward pass needs them, and the results are scratch.
func (d *Decoder) rotated(l *Layer, a activations, tail *tail) (q, k device.Tensor) {
	dev, c, w := d.Device, d.Config, &d.work
	q, k = a.q, a.k
	if c.QKNorm {
		q, k = w.qNormed.Slice(0, q.Rows), w.kNormed.Slice(0, k.Rows)
		dev.RMSNorm(perHead(q, c), a.qScale, perHead(a.q, c), l.queryNorm.Value, c.NormEps)
		dev.RMSNorm(perHead(k, c), a.kScale, perHead(a.k, c), l.keyNorm.Value, c.NormEps)
	}
	dev.Rope(q, d.ropeTable, d.queryPositions(q.Rows, tail), false)
	dev.Rope(k, d.ropeTable, w.positions.Slice(0, k.Rows), false)
	return q, k
}

// queryPositions are the positions of r queries.
func (d *Decoder) queryPositions(r int, tail *tail) device.Tensor {
	if tail != nil {
		return tail.positionIndex.Slice(0, r)
	}
	return d.work.positions.Slice(0, r)
}

// perHead views [T, heads·d] as [T·heads, d].
func perHead(x device.Tensor, c *Config) device.Tensor {
	return x.Reshape(x.Len()/c.HeadDim, c.HeadDim)
}

// backwardLayer turns all [T, D], the gradient of the layer's output, into that of its input h, and adds the gradients of
// what the layer learns. With a tail, the gradient of the output is its first R rows. Unless below is set, nothing under this layer learns, and the pass stops at the last place where
// something does. a's gate and up are overwritten.
func (d *Decoder) backwardLayer(l *Layer, a activations, h, all device.Tensor, in *Input, tail *tail, below bool) {
	dev, c, w, r := d.Device, d.Config, &d.work, a.q.Rows
	dh, normed, act := all.Slice(0, r), w.normed.Slice(0, r), w.act.Slice(0, r)
	dnormed, dact := w.dnormed.Slice(0, r), w.dact.Slice(0, r)

	// What the gradient must still reach decides how far down to go.
	toProjections := below || l.attentionLearns()
	toMid := toProjections || l.O.Learns()
	toMLPNorm := toMid || l.mlpNorm.Learns()
	toGate := toMLPNorm || l.Gate.Learns() || l.Up.Learns()

	if l.Down.Learns() {
		dev.SwiGLU(act, a.gate, a.up)
	}
	l.Down.Backward(wanted(dact, toGate), dh, act, false)
	if !toGate {
		return
	}
	dgate, dup := a.gate, a.up
	dev.SwiGLUBackward(dgate, dup, dact, a.gate, a.up)
	if l.Gate.Learns() || l.Up.Learns() {
		dev.RMSNorm(normed, device.Tensor{}, a.mid, l.mlpNorm.Value, c.NormEps)
	}
	l.Gate.Backward(wanted(dnormed, toMLPNorm), dgate, normed, false)
	l.Up.Backward(wanted(dnormed, toMLPNorm), dup, normed, true)
	if !toMLPNorm {
		return
	}
	dev.RMSNormBackward(dh, l.mlpNorm.Grad, dnormed, a.mid, l.mlpNorm.Value, a.midScale, true)
	if !toMid {
		return
	}

	q, k, segments := a.q, a.k, in.Segments
	if c.QKNorm {
		q, k = d.rotated(l, a, tail)
	}
	if tail != nil {
		segments = tail.segments
	}
	if w.limits.compact() { // its result and log-sums are not kept
		dev.Attention(a.o, a.lse, q, k, a.v, segments, l.attention)
	}
	do := w.do.Slice(0, r)
	l.O.Backward(wanted(do, toProjections), dh, a.o, false)
	if !toProjections {
		return
	}
	d.backwardProjections(l, a, q, k, segments, h, all, do, tail, below)
}

// backwardProjections is the part of backwardLayer below attention's result, whose gradient is do [R, H·d]. q, k and segments are what
// attention read.
func (d *Decoder) backwardProjections(l *Layer, a activations, q, k device.Tensor, segments []device.Segment, h, dh, do device.Tensor, tail *tail, below bool) {
	dev, c, w, t, r := d.Device, d.Config, &d.work, h.Rows, a.q.Rows
	normed, dnormed := w.normed.Slice(0, t), w.dnormed.Slice(0, t)
	toInput := below || l.inputNorm.Learns()
	normLearns := func(p *Parameter) bool { return p != nil && p.Learns() }
	dq := wanted(w.dq.Slice(0, r), toInput || l.Q.Learns() || normLearns(l.queryNorm))
	dk := wanted(w.dk.Slice(0, t), toInput || l.K.Learns() || normLearns(l.keyNorm))
	dv := wanted(w.dv.Slice(0, t), toInput || l.V.Learns())
	if tail != nil {
		for _, x := range []device.Tensor{dk, dv} { // rows without a target are in no segment
			if x.Valid() {
				dev.Fill(x, 0)
			}
		}
	}
	dev.AttentionBackward(dq, dk, dv, do, a.o, a.lse, q, k, a.v, segments, l.attention)
	d.rotatedBackward(dq, a.q, a.qScale, l.queryNorm, d.queryPositions(r, tail))
	d.rotatedBackward(dk, a.k, a.kScale, l.keyNorm, w.positions.Slice(0, t))

	if l.Q.Learns() || l.K.Learns() || l.V.Learns() {
		dev.RMSNorm(normed, device.Tensor{}, h, l.inputNorm.Value, c.NormEps)
	}
	dx, add := wanted(dnormed, toInput), false
	if dk.Valid() {
		l.K.Backward(dx, dk, normed, false)
		add = true
	}
	if dv.Valid() {
		l.V.Backward(dx, dv, normed, add)
		add = true
	}
	if tail != nil {
		d.tailBackward(l, dx, dq, normed, dh, tail)
	} else if dq.Valid() {
		l.Q.Backward(dx, dq, normed, add)
	}
	if toInput {
		dev.RMSNormBackward(dh, l.inputNorm.Grad, dnormed, h, l.inputNorm.Value, a.inputScale, true)
	}
}

// tailBackward carries the queries' gradient dq [R, H·d] to dx [T, D], if it is wanted, and spreads the gradient of the
// residual stream, the first R rows of dh, over all T rows.
func (d *Decoder) tailBackward(l *Layer, dx, dq, normed, dh device.Tensor, tail *tail) {
	dev, r := d.Device, len(tail.rows)
	gradient := tail.gradient.Slice(0, r)
	if dq.Valid() {
		if l.Q.Learns() {
			normed = tail.gather(dev, tail.normed, normed)
		}
		l.Q.Backward(wanted(gradient, dx.Valid()), dq, normed.Slice(0, r), false)
		if dx.Valid() {
			tail.scatter(dev, dx, gradient)
		}
	}
	dev.Combine(gradient, dh.Slice(0, r), 1, 0)
	dev.Fill(dh, 0)
	tail.scatter(dev, dh, gradient)
}

// rotatedBackward takes the gradient of rotated (and normed) queries or keys back to that of the projection's result.
func (d *Decoder) rotatedBackward(dx, x, scale device.Tensor, norm *Parameter, positions device.Tensor) {
	if !dx.Valid() {
		return
	}
	d.Device.Rope(dx, d.ropeTable, positions, true)
	if norm != nil {
		heads := perHead(dx, d.Config)
		d.Device.RMSNormBackward(heads, norm.Grad, heads, perHead(x, d.Config), norm.Value, scale, false)
	}
}

// wanted is t if yes, else the zero tensor: a result that need not be computed.
func wanted(t device.Tensor, yes bool) device.Tensor {
	if yes {
		return t
	}
	return device.Tensor{}
}
