package model_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smt/format/safetensors"
	"smt/model"
	"smt/model/modeltest"
)

// TestParseConfig reads config.json files that differ in a few keys. Where mathematics follow from a key, what is expected is what
// transformers computes; what it computes otherwise than this program would is an error.
func TestParseConfig(t *testing.T) {
	type keys map[string]any
	base := keys{"vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}
	mistral, qwen2, qwen3 := keys{"architectures": []string{"MistralForCausalLM"}}, keys{"architectures": []string{"Qwen2ForCausalLM"}}, keys{"architectures": []string{"Qwen3ForCausalLM"}}
	llama := keys{"architectures": []string{"LlamaForCausalLM"}}
	windows := func(want ...int) func(*model.Config) string {
		return func(c *model.Config) string {
			if fmt.Sprint(c.Windows) != fmt.Sprint(want) {
				return fmt.Sprintf("windows %v, expected %v", c.Windows, want)
			}
			return ""
		}
	}
	biases := func(qkv, o, mlp bool) func(*model.Config) string {
		return func(c *model.Config) string {
			if c.QKVBias != qkv || c.OutputBias != o || c.MLPBias != mlp {
				return fmt.Sprintf("biases of q, k, v %t, of o %t, of the MLP %t, expected %t, %t and %t", c.QKVBias, c.OutputBias, c.MLPBias, qkv, o, mlp)
			}
			return ""
		}
	}
	rope := func(want model.Rope) func(*model.Config) string {
		return func(c *model.Config) string {
			if c.Rope != want {
				return fmt.Sprintf("rope %+v, expected %+v", c.Rope, want)
			}
			return ""
		}
	}
	for name, c := range map[string]struct {
		of, more keys
		want     func(*model.Config) string // nil: an error that holds the text
		err      string
	}{
		"llama":                            {llama, nil, windows(0, 0, 0), ""},
		"llama has no window":              {llama, keys{"sliding_window": 8}, windows(0, 0, 0), ""},
		"llama with biases":                {llama, keys{"attention_bias": true, "mlp_bias": true}, biases(true, true, true), ""},
		"mistral":                          {mistral, nil, windows(4096, 4096, 4096), ""},
		"mistral without a window":         {mistral, keys{"sliding_window": nil}, windows(0, 0, 0), ""},
		"mistral ignores biases":           {mistral, keys{"attention_bias": true, "mlp_bias": true}, biases(false, false, false), ""},
		"mistral of one kind":              {mistral, keys{"sliding_window": 8, "layer_types": []string{"sliding_attention", "sliding_attention", "sliding_attention"}}, windows(8, 8, 8), ""},
		"mistral of two kinds":             {mistral, keys{"sliding_window": 8, "layer_types": []string{"sliding_attention", "full_attention", "sliding_attention"}}, nil, "layer_types"},
		"qwen2":                            {qwen2, keys{"sliding_window": 8}, windows(0, 0, 0), ""},
		"qwen2's biases":                   {qwen2, nil, biases(true, false, false), ""},
		"qwen2 with windows":               {qwen2, keys{"use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1}, windows(0, 8, 8), ""},
		"qwen2 with the usual window":      {qwen2, keys{"use_sliding_window": true, "max_window_layers": 0}, windows(4096, 4096, 4096), ""},
		"qwen2 with windows far above":     {qwen2, keys{"use_sliding_window": true, "sliding_window": 8}, windows(0, 0, 0), ""},
		"qwen3 by layer_types":             {qwen3, keys{"use_sliding_window": true, "sliding_window": 8, "layer_types": []string{"full_attention", "sliding_attention", "full_attention"}}, windows(0, 8, 0), ""},
		"qwen3 by layer_types, no window":  {qwen3, keys{"sliding_window": 8, "layer_types": []string{"full_attention", "sliding_attention", "full_attention"}}, nil, "layer 1"},
		"layer_types of another length":    {qwen3, keys{"layer_types": []string{"full_attention"}}, nil, "expected 3 entries"},
		"another kind of layer":            {qwen3, keys{"layer_types": []string{"full_attention", "linear_attention", "full_attention"}}, nil, "linear_attention"},
		"by type alone":                    {nil, keys{"model_type": "qwen2"}, biases(true, false, false), ""},
		"type beside another architecture": {llama, keys{"model_type": "mistral", "sliding_window": 8}, nil, `expected "llama"`},
		"unknown type beside llama":        {llama, keys{"model_type": "granite", "logits_scaling": 8}, nil, "granite"},
		"unknown architecture":             {keys{"architectures": []string{"GemmaForCausalLM"}}, nil, nil, "not supported"},
		"rope":                             {llama, nil, rope(model.Rope{Type: "default", Theta: 10000}), ""},
		"rope_theta":                       {llama, keys{"rope_theta": 5e5}, rope(model.Rope{Type: "default", Theta: 5e5}), ""},
		"rope_parameters":                  {llama, keys{"rope_parameters": keys{"rope_type": "default", "rope_theta": 1e6}}, rope(model.Rope{Type: "default", Theta: 1e6}), ""},
		"linear":                           {llama, keys{"rope_scaling": keys{"type": "linear", "factor": 2.0}}, rope(model.Rope{Type: "linear", Theta: 10000, Factor: 2}), ""},
		"llama3": {llama, keys{"rope_scaling": keys{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}},
			rope(model.Rope{Type: "llama3", Theta: 10000, Factor: 8, LowFreq: 1, HighFreq: 4, OriginalMax: 8192}), ""},
		"llama3 without a factor": {llama, keys{"rope_scaling": keys{"rope_type": "llama3"}}, nil, "rope_scaling.factor"},
		"yarn":                    {qwen2, keys{"rope_scaling": keys{"type": "yarn", "factor": 4.0}}, nil, "yarn"},
		"both spellings of rope":  {qwen2, keys{"rope_scaling": keys{"type": "yarn", "factor": 4.0}, "rope_parameters": keys{"rope_type": "default"}}, nil, "both there"},
		"one of both is null":     {qwen2, keys{"rope_scaling": nil, "rope_parameters": keys{"rope_type": "default", "rope_theta": 1e6}}, rope(model.Rope{Type: "default", Theta: 1e6}), ""},
		"rope by kind of layer":   {qwen3, keys{"rope_parameters": keys{"full_attention": keys{"rope_type": "default", "rope_theta": 1e6}}}, nil, "by kind of layer"},
		"partial rotary":          {llama, keys{"partial_rotary_factor": 0.5}, nil, "partial_rotary_factor"},
		"partial rotary in rope":  {llama, keys{"rope_parameters": keys{"partial_rotary_factor": 0.5}}, nil, "partial_rotary_factor"},
		"interleaved":             {llama, keys{"rope_interleaved": true}, nil, "rope_interleaved"},
		"activation":              {llama, keys{"hidden_act": "gelu"}, nil, "gelu"},
		"quantised":               {llama, keys{"quantization_config": keys{"bits": 4}}, nil, "quantization_config"},
		"odd heads":               {llama, keys{"head_dim": 7}, nil, "odd"},
		"heads that do not fit":   {llama, keys{"num_key_value_heads": 3}, nil, "not a multiple"},
		"missing":                 {llama, keys{"vocab_size": nil}, nil, `"vocab_size" is missing`},
	} {
		all := maps.Clone(base)
		maps.Copy(all, c.of)
		maps.Copy(all, c.more)
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		got, err := model.ParseConfig(text)
		switch {
		case c.want == nil:
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, expected an error that holds %q", name, err, c.err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			if wrong := c.want(got); wrong != "" {
				t.Errorf("%s: %s", name, wrong)
			}
		}
	}
}

// TestStoredHeadOfATiedModel opens tied models whose file holds a head as well: the embedding's copy, and one that has been tuned apart.
func TestStoredHeadOfATiedModel(t *testing.T) {
	config := modeltest.Llama()
	dir := modeltest.Write(t, config, 1) // untied: the head is its own
	config["tie_word_embeddings"] = true
	opens := func(dir string) error {
		b, err := model.Open(dir)
		if err == nil {
			b.Close()
		}
		return err
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := opens(dir); err == nil || !strings.Contains(err.Error(), "lm_head.weight") || !strings.Contains(err.Error(), "tie_word_embeddings") {
		t.Errorf("another head: got %v, expected an error about it", err)
	}
	stored, err := safetensors.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	var outputs []safetensors.Output
	for _, name := range stored.Names() {
		x, _ := stored.Tensor(name)
		if name == model.HeadName {
			x, _ = stored.Tensor(model.EmbeddingName)
			x.Name = name
		}
		x.Data = slices.Clone(x.Data)
		outputs = append(outputs, x.Output())
	}
	stored.Close()
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), outputs, nil); err != nil {
		t.Fatal(err)
	}
	if err := opens(dir); err != nil {
		t.Errorf("a copy of the embedding: %v", err)
	}
}
