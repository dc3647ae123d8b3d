package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// Rope holds the rotary position embedding: pair i of a head of size d turns by position·θ^(-2i/d), changed by Type.
type Rope struct {
	Type  string // "default", "linear" or "llama3"
	Theta float64
	// Factor divides the frequencies: all of them for "linear", the low ones for "llama3".
	Factor float64
	// For "llama3": wavelengths below OriginalMax/HighFreq stay, those above OriginalMax/LowFreq are stretched, and
	// those between are blended.
	LowFreq, HighFreq float64
	OriginalMax       float64
}

// ropeFile holds the keys of rope_scaling (transformers 4) and rope_parameters (transformers 5).
type ropeFile struct {
	Theta         *float64 `json:"rope_theta"`
	RopeType      string   `json:"rope_type"`
	Type          string   `json:"type"` // the name of rope_type before transformers 4.43
	Factor        *float64 `json:"factor"`
	LowFreq       *float64 `json:"low_freq_factor"`
	HighFreq      *float64 `json:"high_freq_factor"`
	OriginalMax   *float64 `json:"original_max_position_embeddings"`
	PartialRotary *float64 `json:"partial_rotary_factor"`
}

// rope reads either spelling.
func (f *configFile) rope(maxPosition int) (Rope, error) {
	r := Rope{Type: "default", Theta: 10000}
	if f.RopeTheta != nil {
		r.Theta = *f.RopeTheta
	}
	key, raw := "rope_scaling", f.RopeScaling
	if present(f.RopeParameters) {
		if present(raw) {
			return r, errors.New("keys \"rope_scaling\" and \"rope_parameters\" are both there: give one of them, with all that it should say")
		}
		key, raw = "rope_parameters", f.RopeParameters
	}
	var s ropeFile
	if present(raw) {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err == nil {
			for name, value := range members {
				if value[0] == '{' {
					return r, fmt.Errorf("%s.%s: rotary embeddings by kind of layer are not supported", key, name)
				}
			}
		}
		if err := json.Unmarshal(raw, &s); err != nil {
			return r, fmt.Errorf("key %q: expected an object of rope_type, rope_theta, factor ...: %w", key, err)
		}
	}
	if s.Theta != nil {
		r.Theta = *s.Theta
	}
	if !(r.Theta > 0) || math.IsInf(r.Theta, 0) {
		return r, fmt.Errorf("rope_theta: expected a positive number, got %g", r.Theta)
	}
	if s.PartialRotary != nil && *s.PartialRotary != 1 {
		return r, fmt.Errorf("%s.partial_rotary_factor: %g is not supported, only 1", key, *s.PartialRotary)
	}
	if s.RopeType != "" {
		r.Type = s.RopeType
	} else if s.Type != "" {
		r.Type = s.Type
	}
	need := func(name string, v *float64, to *float64) error {
		if v == nil || !(*v > 0) {
			return fmt.Errorf("%s.%s: expected a positive number for rope_type %q", key, name, r.Type)
		}
		*to = *v
		return nil
	}
	switch r.Type {
	case "default":
		return r, nil
	case "linear":
		return r, need("factor", s.Factor, &r.Factor)
	case "llama3":
		for _, n := range []struct {
			name string
			from *float64
			to   *float64
		}{
			{"factor", s.Factor, &r.Factor}, {"low_freq_factor", s.LowFreq, &r.LowFreq},
			{"high_freq_factor", s.HighFreq, &r.HighFreq}, {"original_max_position_embeddings", s.OriginalMax, &r.OriginalMax},
		} {
			if err := need(n.name, n.from, n.to); err != nil {
				return r, err
			}
		}
		if r.HighFreq <= r.LowFreq {
			return r, fmt.Errorf("%s: high_freq_factor %g must exceed low_freq_factor %g", key, r.HighFreq, r.LowFreq)
		}
		return r, nil
	}
	return r, fmt.Errorf("%s.rope_type: %q is not supported; supported are default, linear, llama3", key, r.Type)
}

// Frequencies returns the d/2 angles per position. They are rounded to float32 where transformers keeps them in float32,
// so that long positions turn by the same angle as there.
func (r Rope) Frequencies(headDim int) []float64 {
	freq := make([]float64, headDim/2)
	for i := range freq {
		exponent := float32(2*i) / float32(headDim)
		f := 1 / float32(math.Pow(r.Theta, float64(exponent)))
		switch r.Type {
		case "linear":
			f /= float32(r.Factor)
		case "llama3":
			f = r.stretch(f)
		}
		freq[i] = float64(f)
	}
	return freq
}

// stretch is the rule of rope_type "llama3" for one frequency. Every operation rounds to float32, in the order of
// transformers: the explicit conversions keep the compiler from fusing them.
func (r Rope) stretch(f float32) float32 {
	factor, low, high, context := float32(r.Factor), float32(r.LowFreq), float32(r.HighFreq), float32(r.OriginalMax)
	wavelength := float32(float32(2*math.Pi) / f)
	switch {
	case wavelength > float32(r.OriginalMax/r.LowFreq):
		return f / factor
	case wavelength < float32(r.OriginalMax/r.HighFreq):
		return f
	}
	smooth := float32(float32(context/wavelength)-low) / float32(high-low)
	return float32(float32(float32(1-smooth)*f)/factor) + float32(smooth*f)
}

// Table returns, row by row, the d/2 cosines and d/2 sines of positions 0 to positions-1: the table of device.Rope.
func (r Rope) Table(positions, headDim int) []float64 {
	freq := r.Frequencies(headDim)
	half := len(freq)
	table := make([]float64, positions*headDim)
	for p := range positions {
		row := table[p*headDim:][:headDim]
		for i, f := range freq {
			row[half+i], row[i] = math.Sincos(float64(p) * f)
		}
	}
	return table
}
