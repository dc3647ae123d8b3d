package recipe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"smt/durable"
	"smt/format/safetensors"
	"smt/model"
	"smt/tokenizer"
)

// tokenizerFiles are copied into a model that starts from random weights: the tokenizer's, and what ends its texts.
var tokenizerFiles = append(tokenizer.Files(), "generation_config.json")

// writeRandom makes a model directory with random weights: the given config.json, the tokenizer's files, and weights in the
// dtype that the config names (float32 if none). One that is there already is replaced.
func writeRandom(dir, configPath, tokenizerDir string, seed uint64) error {
	c, err := model.ReadConfig(configPath)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(configPath)
	if err != nil {
		return fmt.Errorf("recipe: init_config: %w", err)
	}
	dtype, deviation, err := initial(text)
	if err != nil {
		return fmt.Errorf("recipe: init_config: %s: %w", configPath, err)
	}
	d, err := durable.NewDir(dir, true)
	if err != nil {
		return err
	}
	defer d.Discard()
	copies := map[string]string{"config.json": configPath}
	for _, name := range tokenizerFiles {
		copies[name] = filepath.Join(tokenizerDir, name)
	}
	for _, name := range append([]string{"config.json"}, tokenizerFiles...) {
		content, err := os.ReadFile(copies[name])
		if errors.Is(err, fs.ErrNotExist) && name != "tokenizer.json" {
			continue
		}
		if err != nil {
			return fmt.Errorf("recipe: tokenizer: %w", err)
		}
		if err := d.WriteFile(name, func(w io.Writer) error { _, err := w.Write(content); return err }); err != nil {
			return err
		}
	}
	source := model.NewRandom(c, seed, deviation)
	var outputs []safetensors.Output
	for _, s := range c.Shapes() {
		t, _ := source.Tensor(s.Name)
		values, err := t.Float64s()
		if err != nil {
			return err
		}
		narrow := make([]float32, len(values))
		for i, v := range values {
			narrow[i] = float32(v)
		}
		outputs = append(outputs, safetensors.OutputFloat32(s.Name, dtype, t.Shape, narrow))
	}
	if err := safetensors.Write(d.Join("model.safetensors"), outputs, map[string]string{"format": "pt"}); err != nil {
		return err
	}
	return d.Commit()
}

// initial reads the dtype and the standard deviation of random weights from a config.json.
func initial(config []byte) (safetensors.DType, float64, error) {
	var f struct {
		DType      string   `json:"dtype"`
		TorchDType string   `json:"torch_dtype"`
		Deviation  *float64 `json:"initializer_range"`
	}
	if err := json.Unmarshal(config, &f); err != nil {
		return "", 0, err
	}
	deviation := model.DefaultDeviation
	if f.Deviation != nil {
		deviation = *f.Deviation
	}
	if f.DType == "" {
		f.DType = f.TorchDType
	}
	switch f.DType {
	case "", "float32":
		return safetensors.F32, deviation, nil
	case "bfloat16":
		return safetensors.BF16, deviation, nil
	case "float16":
		return safetensors.F16, deviation, nil
	}
	return "", 0, fmt.Errorf("key \"dtype\": expected float32, bfloat16 or float16, got %q", f.DType)
}
