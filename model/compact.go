package model

import "smt/device"

// A compact is what the backward pass of a layer reads, kept in bfloat16: half the memory, and numbers that are off by up to
// 1/256. The forward pass computes with floats that all layers share, and is exact. Scales are small and stay floats of each layer.
// Attention's result and log-sums are not kept, but computed again from the queries and keys that are: softmax is exponential in
// their product, and weights of rounded scores would not add up to 1 with the log-sums of exact ones.
type compact struct {
	input                  device.Tensor // [T, D], the layer's input
	q, k, v, mid, gate, up device.Tensor // as in activations
}

// prepare takes the memory for t tokens.
func (s *compact) prepare(dev device.Rounder, t int, c *Config) {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	for _, x := range []struct {
		t    *device.Tensor
		cols int
	}{{&s.input, c.HiddenSize}, {&s.q, q}, {&s.k, kv}, {&s.v, kv}, {&s.mid, c.HiddenSize}, {&s.gate, c.Intermediate}, {&s.up, c.Intermediate}} {
		if x.t.Rows < t || x.t.Cols != x.cols {
			*x.t = dev.NewBF16(t, x.cols)
		}
	}
}

// pairs lists the kept tensors beside the floats that they stand for.
func (s *compact) pairs(a *activations) [6][2]device.Tensor {
	return [...][2]device.Tensor{{s.q, a.q}, {s.k, a.k}, {s.v, a.v}, {s.mid, a.mid}, {s.gate, a.gate}, {s.up, a.up}}
}

// keep stores the results of a layer's forward pass.
func (s *compact) keep(dev device.Rounder, a *activations) {
	for _, p := range s.pairs(a) {
		dev.Narrow(p[0].Slice(0, p[1].Rows), p[1])
	}
}

// restore brings them back.
func (s *compact) restore(dev device.Device, a *activations) {
	for _, p := range s.pairs(a) {
		dev.Combine(p[1], p[0].Slice(0, p[1].Rows), 1, 0)
	}
}
