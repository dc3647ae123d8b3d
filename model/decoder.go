// Package model is the decoder of the Llama family: config.json and weights in, hidden states, losses and gradients out.
// Forward and backward are written by hand, layer by layer, on the operations of package device.
//
// A layer, with residual stream h [T, D]:
//
//	mid = h + o_proj(attention(rope(q_proj(n1(h))), rope(k_proj(n1(h))), v_proj(n1(h))))
//	out = mid + down_proj(silu(gate_proj(n2(mid)))·up_proj(n2(mid)))
//
// where n1 and n2 are RMSNorms. Rows of a batch are laid one after the other without padding; segments keep them apart.
package model

import (
	"fmt"
	"math"
	"strings"

	"smt/device"
)

// A Decoder computes a model on a device.
type Decoder struct {
	Device     device.Device
	Config     *Config
	Parameters []*Parameter // in the order of Config.Shapes
	Layers     []*Layer

	embed, norm, head *Parameter
	headStand         standIns // for the head in Step and Loss: see SetPrecision
	byName            map[string]*Parameter
	linears           []*Slot
	ropeTable         device.Tensor
	work              workspace
	timer             *Timer           // nil unless asked for
	onGradient        func(*Parameter) // see OnGradients
	top, bottom       []*Parameter     // those above the layers and below them; a tied head is below
}

// A Layer is one decoder layer.
type Layer struct {
	Index                      int
	Q, K, V, O, Gate, Up, Down Linear
	inputNorm, mlpNorm         *Parameter
	queryNorm, keyNorm         *Parameter // nil unless Config.QKNorm
	attention                  device.Attention
	parameters                 []*Parameter
}

// A Slot is the place of a linear layer in the decoder; an adapter is put there by replacing what Linear points to.
type Slot struct {
	Name    string // "model.layers.0.self_attn.q_proj"
	Layer   int
	Module  string // "q_proj"
	Out, In int
	Base    *Dense
	Linear  *Linear
}

// Reset puts the base layer back.
func (s *Slot) Reset() { *s.Linear = s.Base }

// New makes a decoder whose parameters are the frozen bytes of the base's files.
func New(dev device.Device, base *Base) (*Decoder, error) {
	return NewFrom(dev, base.Config, base.Files)
}

// NewFrom is New with the weights of any source that has all tensors of the architecture with their shapes.
func NewFrom(dev device.Device, c *Config, weights Source) (*Decoder, error) {
	d := &Decoder{Device: dev, Config: c, byName: map[string]*Parameter{}}
	for _, s := range c.Shapes() {
		t, _ := weights.Tensor(s.Name)
		dtype, err := dtypeOf(t.DType)
		if err != nil {
			return nil, err
		}
		value := dev.Bind(dtype, s.Rows, s.Cols, t.Data)
		p := &Parameter{Name: s.Name, Rows: s.Rows, Cols: s.Cols, Value: value, frozen: value}
		d.Parameters = append(d.Parameters, p)
		d.byName[s.Name] = p
	}
	d.embed, d.norm = d.byName[EmbeddingName], d.byName["model.norm.weight"]
	d.top, d.bottom = []*Parameter{d.norm}, []*Parameter{d.embed}
	if d.head = d.embed; !c.Tied {
		d.head = d.byName[HeadName]
		d.top = append(d.top, d.head)
	}
	for i := range c.Layers {
		prefix := fmt.Sprintf("model.layers.%d.", i)
		l := &Layer{
			Index:     i,
			inputNorm: d.byName[prefix+"input_layernorm.weight"], mlpNorm: d.byName[prefix+"post_attention_layernorm.weight"],
			queryNorm: d.byName[prefix+"self_attn.q_norm.weight"], keyNorm: d.byName[prefix+"self_attn.k_norm.weight"],
			attention: device.Attention{Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
				Window: c.Windows[i], Scale: 1 / math.Sqrt(float64(c.HeadDim))},
		}
		for _, p := range d.Parameters {
			if strings.HasPrefix(p.Name, prefix) {
				l.parameters = append(l.parameters, p)
			}
		}
		places := []*Linear{&l.Q, &l.K, &l.V, &l.O, &l.Gate, &l.Up, &l.Down}
		for m, module := range Modules {
			name := LinearName(i, module)
			out, in := c.LinearShape(module)
			slot := &Slot{Name: name, Layer: i, Module: module, Out: out, In: in, Linear: places[m],
				Base: &Dense{Device: dev, Weight: d.byName[name+".weight"], Bias: d.byName[name+".bias"]}}
			slot.Reset()
			d.linears = append(d.linears, slot)
		}
		d.Layers = append(d.Layers, l)
	}
	return d, nil
}

// Parameter finds a parameter by name, or nil.
func (d *Decoder) Parameter(name string) *Parameter { return d.byName[name] }

// Linears lists the linear layers in the order of the forward pass.
func (d *Decoder) Linears() []*Slot { return d.linears }

// Linear finds a linear layer by name, such as "model.layers.0.self_attn.q_proj", or nil.
func (d *Decoder) Linear(name string) *Slot {
	for _, s := range d.linears {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// learns reports whether anything in the layer computes gradients.
func (l *Layer) learns() bool {
	return l.attentionLearns() || l.O.Learns() || l.mlpNorm.Learns() || l.Gate.Learns() || l.Up.Learns() || l.Down.Learns()
}

// attentionLearns reports whether anything before the attention product does.
func (l *Layer) attentionLearns() bool {
	return l.inputNorm.Learns() || l.Q.Learns() || l.K.Learns() || l.V.Learns() ||
		l.queryNorm != nil && (l.queryNorm.Learns() || l.keyNorm.Learns())
}

// Lowest is the first layer that the backward pass must reach: -1 if the embedding learns, Config.Layers if no layer does.
func (d *Decoder) Lowest() int {
	if d.embed.Learns() {
		return -1
	}
	for i, l := range d.Layers {
		if l.learns() {
			return i
		}
	}
	return len(d.Layers)
}
