package model

import (
	"encoding/binary"
	"math"

	"smt/format/safetensors"
)

// A Source gives the weights of a model by name. *safetensors.Model is one, and so is Random.
type Source interface {
	Tensor(name string) (safetensors.Tensor, bool)
}

// Random is a source of weights for training from the start: matrices are normal with the standard deviation given
// (transformers' initializer_range), norms 1, biases 0. Each tensor depends on the seed and its own place among
// Config.Shapes alone.
type Random struct {
	shapes    map[string]Shape
	seeds     map[string]uint64
	deviation float64
}

// DefaultDeviation is transformers' initializer_range where config.json has none.
const DefaultDeviation = 0.02

// NewRandom makes the source for an architecture.
func NewRandom(c *Config, seed uint64, deviation float64) *Random {
	r := &Random{shapes: map[string]Shape{}, seeds: map[string]uint64{}, deviation: deviation}
	for i, s := range c.Shapes() {
		r.shapes[s.Name], r.seeds[s.Name] = s, mix(seed+uint64(i)*0x9e3779b97f4a7c15)
	}
	return r
}

// Tensor computes a tensor, as F32.
func (r *Random) Tensor(name string) (safetensors.Tensor, bool) {
	s, ok := r.shapes[name]
	if !ok {
		return safetensors.Tensor{}, false
	}
	t := safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: []int{s.Rows, s.Cols}, Data: make([]byte, 4*s.Len())}
	bias := len(name) > 5 && name[len(name)-5:] == ".bias"
	if s.Vector {
		t.Shape = []int{s.Cols}
	}
	state := r.seeds[name]
	for i := 0; i < s.Len(); i += 2 {
		a, b := 1.0, 1.0
		switch {
		case bias:
			a, b = 0, 0
		case !s.Vector:
			// Box-Muller: two uniform values give two normal ones.
			radius := r.deviation * math.Sqrt(-2*math.Log(uniform(state, uint64(i))))
			sin, cos := math.Sincos(2 * math.Pi * uniform(state, uint64(i+1)))
			a, b = radius*cos, radius*sin
		}
		binary.LittleEndian.PutUint32(t.Data[4*i:], math.Float32bits(float32(a)))
		if i+1 < s.Len() {
			binary.LittleEndian.PutUint32(t.Data[4*i+4:], math.Float32bits(float32(b)))
		}
	}
	return t, true
}

// uniform is a value in (0, 1) that depends on state and index alone.
func uniform(state, index uint64) float64 {
	return (float64(mix(state+index*0x9e3779b97f4a7c15)>>11) + 0.5) / (1 << 53)
}

// mix is the finalizer of splitmix64: it spreads every bit of x over the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
