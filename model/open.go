package model

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"smt/device"
	"smt/format/safetensors"
)

// A Base is a model directory, opened: its configuration and its tensors, which stay mapped in the files.
type Base struct {
	Dir    string
	Config *Config
	Files  *safetensors.Model
}

// Open reads config.json of a Hugging Face directory and maps its weights, checking that every tensor of the architecture
// is there with its shape and a supported dtype. Close it when no decoder made from it is used any more.
func Open(dir string) (*Base, error) {
	return OpenWithConfig(dir, filepath.Join(dir, "config.json"))
}

// OpenWithConfig is Open with the configuration from another file.
func OpenWithConfig(dir, configPath string) (*Base, error) {
	config, err := ReadConfig(configPath)
	if err != nil {
		return nil, err
	}
	files, err := safetensors.OpenModel(dir)
	if err != nil {
		return nil, err
	}
	b := &Base{Dir: dir, Config: config, Files: files}
	if err := b.check(); err != nil {
		files.Close()
		return nil, err
	}
	return b, nil
}

// Close unmaps the weights.
func (b *Base) Close() error { return b.Files.Close() }

// A Shape is a parameter that an architecture has; a vector has Rows 1 and Vector true.
type Shape struct {
	Name       string
	Rows, Cols int
	Vector     bool
}

// Len is the number of elements.
func (s Shape) Len() int { return s.Rows * s.Cols }

// Modules are the linear layers of a decoder layer, in the order that the forward pass meets them.
var Modules = []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}

// InAttention reports whether a module belongs to attention rather than the MLP.
func InAttention(module string) bool {
	return module == "q_proj" || module == "k_proj" || module == "v_proj" || module == "o_proj"
}

// LinearName is a linear layer's name, such as "model.layers.0.self_attn.q_proj".
func LinearName(layer int, module string) string {
	if InAttention(module) {
		return fmt.Sprintf("model.layers.%d.self_attn.%s", layer, module)
	}
	return fmt.Sprintf("model.layers.%d.mlp.%s", layer, module)
}

// LinearShape returns [out, in] of a module.
func (c *Config) LinearShape(module string) (out, in int) {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	switch module {
	case "q_proj":
		return q, c.HiddenSize
	case "k_proj", "v_proj":
		return kv, c.HiddenSize
	case "o_proj":
		return c.HiddenSize, q
	case "gate_proj", "up_proj":
		return c.Intermediate, c.HiddenSize
	case "down_proj":
		return c.HiddenSize, c.Intermediate
	}
	panic("model: no module " + module)
}

// hasBias reports whether a module has a bias.
func (c *Config) hasBias(module string) bool {
	switch module {
	case "q_proj", "k_proj", "v_proj":
		return c.QKVBias
	case "o_proj":
		return c.OutputBias
	}
	return c.MLPBias
}

// The names of the embedding table and of the output head.
const (
	EmbeddingName = "model.embed_tokens.weight"
	HeadName      = "lm_head.weight"
)

// Shapes lists the parameters of the architecture in the order of the forward pass. A tied head is not listed.
func (c *Config) Shapes() []Shape {
	shapes := []Shape{{EmbeddingName, c.VocabSize, c.HiddenSize, false}}
	vector := func(name string, n int) { shapes = append(shapes, Shape{name, 1, n, true}) }
	for l := range c.Layers {
		prefix := fmt.Sprintf("model.layers.%d.", l)
		vector(prefix+"input_layernorm.weight", c.HiddenSize)
		for _, module := range Modules {
			if module == "gate_proj" {
				vector(prefix+"post_attention_layernorm.weight", c.HiddenSize)
			}
			out, in := c.LinearShape(module)
			shapes = append(shapes, Shape{LinearName(l, module) + ".weight", out, in, false})
			if c.hasBias(module) {
				vector(LinearName(l, module)+".bias", out)
			}
			if c.QKNorm && module == "v_proj" {
				vector(prefix+"self_attn.q_norm.weight", c.HeadDim)
				vector(prefix+"self_attn.k_norm.weight", c.HeadDim)
			}
		}
	}
	vector("model.norm.weight", c.HiddenSize)
	if !c.Tied {
		shapes = append(shapes, Shape{HeadName, c.VocabSize, c.HiddenSize, false})
	}
	return shapes
}

// Params counts all elements of the architecture's parameters; a tied head counts once.
func (c *Config) Params() int {
	n := 0
	for _, s := range c.Shapes() {
		n += s.Len()
	}
	return n
}

// check compares what the files hold with what the architecture needs.
func (b *Base) check() error {
	known := map[string]bool{}
	for _, s := range b.Config.Shapes() {
		known[s.Name] = true
		t, ok := b.Files.Tensor(s.Name)
		if !ok {
			return fmt.Errorf("model: %s: tensor %q is missing; config.json says %s with %d layers", b.Dir, s.Name, b.Config.Architecture, b.Config.Layers)
		}
		want := []int{s.Rows, s.Cols}
		if s.Vector {
			want = []int{s.Cols}
		}
		if fmt.Sprint(t.Shape) != fmt.Sprint(want) {
			return fmt.Errorf("model: %s: tensor %q: shape %v, expected %v by config.json", b.Dir, s.Name, t.Shape, want)
		}
		if _, err := dtypeOf(t.DType); err != nil {
			return fmt.Errorf("model: %s: tensor %q: %w", b.Dir, s.Name, err)
		}
	}
	for _, name := range b.Files.Names() {
		switch {
		case known[name], strings.HasSuffix(name, ".rotary_emb.inv_freq"): // old versions of transformers saved that buffer
			continue
		case name == HeadName: // and the head is tied
			if err := b.checkTied(); err != nil {
				return err
			}
			continue
		}
		return fmt.Errorf("model: %s: tensor %q is not part of %s as config.json describes it: its mathematics would be lost", b.Dir, name, b.Config.Architecture)
	}
	return nil
}

// checkTied compares the head that a file stores with the embedding that it is tied to. Versions of transformers disagree about
// which of the two counts if they differ.
func (b *Base) checkTied() error {
	head, _ := b.Files.Tensor(HeadName)
	embedding, _ := b.Files.Tensor(EmbeddingName)
	if head.DType == embedding.DType && slices.Equal(head.Shape, embedding.Shape) && bytes.Equal(head.Data, embedding.Data) {
		return nil
	}
	return fmt.Errorf("model: %s: tensor %q is not the same as %q, but config.json says \"tie_word_embeddings\": true; set it to false to keep both, or remove the tensor",
		b.Dir, HeadName, EmbeddingName)
}

// dtypeOf maps a file's dtype to the device's.
func dtypeOf(d safetensors.DType) (device.DType, error) {
	switch d {
	case "F32":
		return device.F32, nil
	case "F16":
		return device.F16, nil
	case "BF16":
		return device.BF16, nil
	}
	return 0, fmt.Errorf("dtype %s is not supported; expected F32, F16 or BF16", d)
}
