package model

import "smt/device"

// forwardLayer computes a layer's output out [T, D] from h [T, D] and leaves in a what the backward pass needs. out may be
// h, if h is not needed again, or the zero tensor if only a is wanted. With a cache, keys and values of earlier tokens are read from it and those of the new
// tokens added.
func (d *Decoder) forwardLayer(l *Layer, a activations, h, out device.Tensor, in *Input, cache *Cache) {
	dev, c, w, t := d.Device, d.Config, &d.work, len(in.IDs)
	normed, act := w.normed.Slice(0, t), w.act.Slice(0, t)

	dev.RMSNorm(normed, a.inputScale, h, l.inputNorm.Value, c.NormEps)
	l.Q.Forward(a.q, normed)
	l.K.Forward(a.k, normed)
	l.V.Forward(a.v, normed)
	q, k := d.rotated(l, a, t)
	keys, values := k, a.v
	if cache != nil {
		keys, values = cache.append(dev, l.Index, k, a.v, in.Segments)
	}
	dev.Attention(a.o, a.lse, q, keys, values, in.Segments, l.attention)
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
func (d *Decoder) rotated(l *Layer, a activations, t int) (q, k device.Tensor) {
	dev, c, w := d.Device, d.Config, &d.work
	q, k = a.q, a.k
	if c.QKNorm {
		q, k = w.qNormed.Slice(0, t), w.kNormed.Slice(0, t)
		dev.RMSNorm(perHead(q, c), a.qScale, perHead(a.q, c), l.queryNorm.Value, c.NormEps)
		dev.RMSNorm(perHead(k, c), a.kScale, perHead(a.k, c), l.keyNorm.Value, c.NormEps)
	}
	positions := w.positions.Slice(0, t)
	dev.Rope(q, d.ropeTable, positions, false)
	dev.Rope(k, d.ropeTable, positions, false)
	return q, k
}

// perHead views [T, heads·d] as [T·heads, d].
func perHead(x device.Tensor, c *Config) device.Tensor {
	return x.Reshape(x.Len()/c.HeadDim, c.HeadDim)
}

// backwardLayer turns dh, the gradient of the layer's output, into that of its input h, and adds the gradients of what
// the layer learns. Unless below is set, nothing under this layer learns, and the pass stops at the last place where
// something does. a's gate and up are overwritten.
func (d *Decoder) backwardLayer(l *Layer, a activations, h, dh device.Tensor, in *Input, below bool) {
	dev, c, w, t := d.Device, d.Config, &d.work, len(in.IDs)
	normed, act := w.normed.Slice(0, t), w.act.Slice(0, t)
	dnormed, dact := w.dnormed.Slice(0, t), w.dact.Slice(0, t)

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

	do := w.do.Slice(0, t)
	l.O.Backward(wanted(do, toProjections), dh, a.o, false)
	if !toProjections {
		return
	}
	toInput := below || l.inputNorm.Learns()
	q, k := a.q, a.k
	if c.QKNorm {
		q, k = d.rotated(l, a, t)
	}
	normLearns := func(p *Parameter) bool { return p != nil && p.Learns() }
	dq := wanted(w.dq.Slice(0, t), toInput || l.Q.Learns() || normLearns(l.queryNorm))
	dk := wanted(w.dk.Slice(0, t), toInput || l.K.Learns() || normLearns(l.keyNorm))
	dv := wanted(w.dv.Slice(0, t), toInput || l.V.Learns())
	dev.AttentionBackward(dq, dk, dv, do, a.o, a.lse, q, k, a.v, in.Segments, l.attention)
	d.rotatedBackward(dq, a.q, a.qScale, l.queryNorm, t)
	d.rotatedBackward(dk, a.k, a.kScale, l.keyNorm, t)

	if l.Q.Learns() || l.K.Learns() || l.V.Learns() {
		dev.RMSNorm(normed, device.Tensor{}, h, l.inputNorm.Value, c.NormEps)
	}
	dx := wanted(dnormed, toInput)
	first := true
	for _, p := range []struct {
		linear Linear
		dy     device.Tensor
	}{{l.Q, dq}, {l.K, dk}, {l.V, dv}} {
		if p.dy.Valid() {
			p.linear.Backward(dx, p.dy, normed, !first)
			first = false
		}
	}
	if toInput {
		dev.RMSNormBackward(dh, l.inputNorm.Grad, dnormed, h, l.inputNorm.Value, a.inputScale, true)
	}
}

// rotatedBackward takes the gradient of rotated (and normed) queries or keys back to that of the projection's result.
func (d *Decoder) rotatedBackward(dx, x, scale device.Tensor, norm *Parameter, t int) {
	if !dx.Valid() {
		return
	}
	d.Device.Rope(dx, d.ropeTable, d.work.positions.Slice(0, t), true)
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
