// Package modeltest makes tiny random models for tests.
package modeltest

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"smt/format/safetensors"
	"smt/model"
)

// Llama is the config.json of a tiny Llama model: 2 layers, 4 query heads on 2 key/value heads. Change entries for others.
func Llama() map[string]any {
	return map[string]any{
		"architectures": []string{"LlamaForCausalLM"}, "vocab_size": 40, "hidden_size": 32,
		"intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
		"max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false,
		"hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2,
	}
}

// Write makes a model directory with the given config.json and random weights that depend on seed alone.
func Write(t testing.TB, config map[string]any, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), data, 0o666); err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	var outputs []safetensors.Output
	next := Source(seed)
	for _, s := range c.Shapes() {
		values := make([]float32, s.Len())
		shape := []int{s.Rows, s.Cols}
		if s.Vector {
			shape = []int{s.Cols}
		}
		for i := range values {
			values[i] = float32(0.25 * next())
			if s.Vector {
				values[i] += 1
			}
		}
		outputs = append(outputs, safetensors.OutputFloat32(s.Name, "F32", shape, values))
	}
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), outputs, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Open is Write followed by model.Open.
func Open(t testing.TB, config map[string]any, seed uint64) *model.Base {
	t.Helper()
	base, err := model.Open(Write(t, config, seed))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { base.Close() })
	return base
}

// Source returns a generator of standard normal values that depends on seed alone (splitmix64 and Box-Muller).
func Source(seed uint64) func() float64 {
	uniform := func() float64 {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return (float64((z^z>>31)>>11) + 0.5) / (1 << 53)
	}
	return func() float64 { return math.Sqrt(-2*math.Log(uniform())) * math.Cos(2*math.Pi*uniform()) }
}
