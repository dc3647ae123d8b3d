package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// Config describes a decoder of the Llama family: one architecture with flags for what its members vary.
type Config struct {
	Architecture string // as in config.json, such as "LlamaForCausalLM"
	VocabSize    int    // V
	HiddenSize   int    // D
	Intermediate int    // F, the width of the MLP
	Layers       int
	Heads        int // H, query heads
	KVHeads      int // G, key/value heads; Heads is a multiple of it
	HeadDim      int // d
	MaxPosition  int // the longest sequence that the model was made for
	NormEps      float64
	Rope         Rope
	QKVBias      bool  // q_proj, k_proj and v_proj have biases
	OutputBias   bool  // o_proj has a bias
	MLPBias      bool  // gate_proj, up_proj and down_proj have biases
	QKNorm       bool  // queries and keys pass an RMSNorm over each head (Qwen3)
	Windows      []int // per layer: how many keys a query sees, itself included; 0 means all
	Tied         bool  // the output head is the embedding table
	BOS          []int32
	EOS          []int32
}

// An architecture is how a family differs from plain Llama. Defaults are those of transformers for keys that a file leaves out.
type architecture struct {
	modelType string
	eps       float64
	window    int  // default of sliding_window
	qkvBias   bool // always, whatever attention_bias says
	qkNorm    bool
	optIn     bool // a window counts only if use_sliding_window is true, from layer max_window_layers on
	noBias    bool // attention_bias is not a key of this architecture
	headDim   int  // default of head_dim if not hidden_size/num_attention_heads
}

// architectures lists what is supported.
var architectures = map[string]architecture{
	"LlamaForCausalLM":   {modelType: "llama", eps: 1e-6},
	"MistralForCausalLM": {modelType: "mistral", eps: 1e-6, window: 4096, noBias: true},
	"Qwen2ForCausalLM":   {modelType: "qwen2", eps: 1e-6, window: 4096, qkvBias: true, optIn: true, noBias: true},
	"Qwen3ForCausalLM":   {modelType: "qwen3", eps: 1e-6, window: 4096, qkNorm: true, optIn: true, headDim: 128},
}

// configFile is config.json with the keys of transformers 4 and 5. Keys that do not appear here have no influence on the
// mathematics of the supported architectures in transformers and are passed over.
type configFile struct {
	Architectures      []string        `json:"architectures"`
	ModelType          string          `json:"model_type"`
	VocabSize          *int            `json:"vocab_size"`
	HiddenSize         *int            `json:"hidden_size"`
	IntermediateSize   *int            `json:"intermediate_size"`
	Layers             *int            `json:"num_hidden_layers"`
	Heads              *int            `json:"num_attention_heads"`
	KVHeads            *int            `json:"num_key_value_heads"`
	HeadDim            *int            `json:"head_dim"`
	MaxPosition        *int            `json:"max_position_embeddings"`
	NormEps            *float64        `json:"rms_norm_eps"`
	HiddenAct          *string         `json:"hidden_act"`
	AttentionBias      bool            `json:"attention_bias"`
	MLPBias            bool            `json:"mlp_bias"`
	AttentionDropout   float64         `json:"attention_dropout"`
	Tied               bool            `json:"tie_word_embeddings"`
	RopeTheta          *float64        `json:"rope_theta"`
	RopeScaling        json.RawMessage `json:"rope_scaling"`
	RopeParameters     json.RawMessage `json:"rope_parameters"`
	PartialRotary      *float64        `json:"partial_rotary_factor"`
	RopeInterleaved    bool            `json:"rope_interleaved"`
	SlidingWindow      json.RawMessage `json:"sliding_window"`
	UseSlidingWindow   bool            `json:"use_sliding_window"`
	MaxWindowLayers    *int            `json:"max_window_layers"`
	LayerTypes         []string        `json:"layer_types"`
	QuantizationConfig json.RawMessage `json:"quantization_config"`
	BOS                json.RawMessage `json:"bos_token_id"`
	EOS                json.RawMessage `json:"eos_token_id"`
}

// Bounds on what a config.json may ask for, so that a hostile or damaged file cannot make sizes overflow. They lie far
// above any model of the family.
const (
	maxDimension = 1 << 24
	maxLayers    = 1 << 12
)

// ReadConfig reads a config.json. Keys that change the mathematics and are not supported are errors.
func ReadConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("model: %s: no config.json there; a Hugging Face model directory holds config.json, model.safetensors and tokenizer.json: %w", filepath.Dir(path), err)
		}
		return nil, fmt.Errorf("model: %w", err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("model: %s: %w", path, err)
	}
	return c, nil
}

// ParseConfig is ReadConfig on bytes; its errors name the key.
func ParseConfig(data []byte) (*Config, error) {
	var f configFile
	if err := json.Unmarshal(data, &f); err != nil {
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) {
			return nil, fmt.Errorf("key %q: expected %s, got %s", te.Field, te.Type, te.Value)
		}
		return nil, fmt.Errorf("not valid JSON: %w", err)
	}
	name, arch, err := f.architecture()
	if err != nil {
		return nil, err
	}
	c := &Config{Architecture: name, Tied: f.Tied, QKNorm: arch.qkNorm, MLPBias: f.MLPBias,
		QKVBias: f.AttentionBias || arch.qkvBias, OutputBias: f.AttentionBias}
	if arch.noBias {
		c.QKVBias, c.OutputBias, c.MLPBias = arch.qkvBias, false, false
	}
	if err := f.dimensions(c, arch); err != nil {
		return nil, err
	}
	if c.NormEps = arch.eps; f.NormEps != nil {
		c.NormEps = *f.NormEps
	}
	if c.NormEps < 0 || c.NormEps > 1 {
		return nil, fmt.Errorf("key \"rms_norm_eps\": expected 0 to 1, got %g", c.NormEps)
	}
	if err := f.refuse(); err != nil {
		return nil, err
	}
	if c.Rope, err = f.rope(c.MaxPosition); err != nil {
		return nil, err
	}
	if c.Windows, err = f.windows(c.Layers, arch.window, arch.optIn, name == "LlamaForCausalLM"); err != nil {
		return nil, err
	}
	if name == "MistralForCausalLM" && slices.Min(c.Windows) != slices.Max(c.Windows) {
		return nil, errors.New("key \"layer_types\": Mistral has one kind of attention in all layers")
	}
	if c.BOS, err = tokenIDs("bos_token_id", f.BOS); err != nil {
		return nil, err
	}
	if c.EOS, err = tokenIDs("eos_token_id", f.EOS); err != nil {
		return nil, err
	}
	return c, nil
}

// architecture finds the architecture by its name or, without one, by the model's type.
func (f *configFile) architecture() (string, architecture, error) {
	name := ""
	switch {
	case len(f.Architectures) == 1:
		name = f.Architectures[0]
	case len(f.Architectures) > 1:
		return "", architecture{}, fmt.Errorf("key \"architectures\": expected one, got %v", f.Architectures)
	default:
		for a, spec := range architectures {
			if spec.modelType == f.ModelType {
				name = a
			}
		}
	}
	arch, ok := architectures[name]
	if !ok {
		return "", arch, fmt.Errorf("architecture %q (model_type %q) is not supported; supported are %s", name, f.ModelType, strings.Join(supported(), ", "))
	}
	if f.ModelType != "" && f.ModelType != arch.modelType {
		return "", arch, fmt.Errorf("key \"model_type\": got %q, expected %q for the architecture %s: programs that go by the type would compute something else", f.ModelType, arch.modelType, name)
	}
	return name, arch, nil
}

// dimensions fills in the sizes of c, with the defaults of the architecture.
func (f *configFile) dimensions(c *Config, arch architecture) error {
	for _, d := range []struct {
		key      string
		from     *int
		to       *int
		fallback int
		limit    int
	}{
		{"vocab_size", f.VocabSize, &c.VocabSize, 0, maxDimension},
		{"hidden_size", f.HiddenSize, &c.HiddenSize, 0, maxDimension},
		{"intermediate_size", f.IntermediateSize, &c.Intermediate, 0, maxDimension},
		{"num_hidden_layers", f.Layers, &c.Layers, 0, maxLayers},
		{"num_attention_heads", f.Heads, &c.Heads, 0, 1 << 16},
		{"num_key_value_heads", f.KVHeads, &c.KVHeads, -1, 1 << 16},
		{"head_dim", f.HeadDim, &c.HeadDim, -1, 1 << 14},
		{"max_position_embeddings", f.MaxPosition, &c.MaxPosition, 2048, maxDimension},
	} {
		switch {
		case d.from != nil:
			*d.to = *d.from
		case d.fallback != 0:
			*d.to = d.fallback
		default:
			return fmt.Errorf("key %q is missing", d.key)
		}
		if d.from != nil && (*d.to < 1 || *d.to > d.limit) {
			return fmt.Errorf("key %q: expected 1 to %d, got %d", d.key, d.limit, *d.to)
		}
	}
	if c.KVHeads < 0 {
		c.KVHeads = c.Heads
	}
	if c.HeadDim < 0 {
		if c.HeadDim = arch.headDim; c.HeadDim == 0 {
			if c.HiddenSize%c.Heads != 0 {
				return fmt.Errorf("hidden_size %d is not a multiple of num_attention_heads %d, and head_dim is missing", c.HiddenSize, c.Heads)
			}
			c.HeadDim = c.HiddenSize / c.Heads
		}
	}
	if c.Heads%c.KVHeads != 0 {
		return fmt.Errorf("num_attention_heads %d is not a multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
	}
	if c.HeadDim%2 != 0 {
		return fmt.Errorf("head_dim %d is odd: rotary embeddings need pairs", c.HeadDim)
	}
	return nil
}

// refuse reports keys whose value asks for mathematics that is not here.
func (f *configFile) refuse() error {
	if f.HiddenAct != nil && *f.HiddenAct != "silu" && *f.HiddenAct != "swish" {
		return fmt.Errorf("key \"hidden_act\": %q is not supported, only \"silu\"", *f.HiddenAct)
	}
	if f.AttentionDropout != 0 {
		return fmt.Errorf("key \"attention_dropout\": %g is not supported, only 0", f.AttentionDropout)
	}
	if present(f.QuantizationConfig) {
		return errors.New("key \"quantization_config\": quantised weights are not supported; use the unquantised model (F32, F16 or BF16)")
	}
	if f.PartialRotary != nil && *f.PartialRotary != 1 {
		return fmt.Errorf("key \"partial_rotary_factor\": %g is not supported, only 1", *f.PartialRotary)
	}
	if f.RopeInterleaved {
		return errors.New("key \"rope_interleaved\": true is not supported, only false")
	}
	return nil
}

// windows finds each layer's attention window: from layer_types if the file has it, else by the architecture's rule.
func (f *configFile) windows(layers, fallback int, optIn, never bool) ([]int, error) {
	window := fallback
	if len(f.SlidingWindow) > 0 {
		var w *int
		if err := json.Unmarshal(f.SlidingWindow, &w); err != nil {
			return nil, fmt.Errorf("key \"sliding_window\": expected a number or null, got %s", f.SlidingWindow)
		}
		if window = 0; w != nil {
			if window = *w; window < 1 {
				return nil, fmt.Errorf("key \"sliding_window\": expected at least 1, got %d", window)
			}
		}
	}
	if never || optIn && !f.UseSlidingWindow {
		window = 0
	}
	out := make([]int, layers)
	if f.LayerTypes != nil {
		if len(f.LayerTypes) != layers {
			return nil, fmt.Errorf("key \"layer_types\": expected %d entries, got %d", layers, len(f.LayerTypes))
		}
		for i, kind := range f.LayerTypes {
			switch kind {
			case "full_attention":
			case "sliding_attention":
				if window == 0 {
					return nil, fmt.Errorf("key \"layer_types\": layer %d is \"sliding_attention\", but no window is set by sliding_window (and use_sliding_window)", i)
				}
				out[i] = window
			default:
				return nil, fmt.Errorf("key \"layer_types\": layer %d: %q is not supported", i, kind)
			}
		}
		return out, nil
	}
	first := 0
	if optIn {
		if first = 28; f.MaxWindowLayers != nil {
			first = *f.MaxWindowLayers
		}
	}
	for i := max(first, 0); i < layers; i++ {
		out[i] = window
	}
	return out, nil
}

// supported lists the architectures by name.
func supported() []string {
	var names []string
	for name := range architectures {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// present reports whether a raw value is there and not null.
func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// tokenIDs reads a token id, a list of them, or null.
func tokenIDs(key string, raw json.RawMessage) ([]int32, error) {
	if !present(raw) {
		return nil, nil
	}
	var one int32
	if json.Unmarshal(raw, &one) == nil {
		return []int32{one}, nil
	}
	var many []int32
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, fmt.Errorf("key %q: expected a token id or a list of them, got %.40s", key, raw)
	}
	return many, nil
}
