package model

import (
	"strings"

	"smt/device"
)

// WantGradients makes every parameter learn. If shared, the parameters at the same place in all layers have one gradient
// between them, and so have the embedding and a head of its own: memory for the gradients of one layer, one matrix [V, D] and
// the final norm instead of those of the whole model. What learns must then use and clear each gradient when OnGradients
// tells of it, before the backward pass needs its memory again.
func (d *Decoder) WantGradients(shared bool) {
	gradients := map[string]device.Tensor{}
	for _, p := range d.Parameters {
		if !shared {
			p.WantGradient(d.Device)
			continue
		}
		kind := p.Name
		if layer, ok := strings.CutPrefix(p.Name, "model.layers."); ok {
			_, kind, _ = strings.Cut(layer, ".")
		} else if p == d.embed || p == d.head {
			kind = "vocabulary"
		}
		if !gradients[kind].Valid() {
			gradients[kind] = d.Device.New(p.Rows, p.Cols)
		}
		p.Grad = gradients[kind]
	}
}

// OnGradients makes every backward pass call f for each parameter that learns as soon as its gradient is complete and its
// value is not read again in the pass, so that f may change the value: first the final norm and a head of its own, then
// the parameters of one layer after the other from the last to the first, and last the embedding, whose gradient a tied head
// has a part in. With nil, passes go without.
func (d *Decoder) OnGradients(f func(*Parameter)) { d.onGradient = f }

// complete tells of the gradients of parameters.
func (d *Decoder) complete(parameters []*Parameter) {
	if d.onGradient == nil {
		return
	}
	for _, p := range parameters {
		if p.Learns() {
			d.onGradient(p)
		}
	}
}
