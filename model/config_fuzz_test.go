package model_test

import (
	"os"
	"path/filepath"
	"testing"

	"smt/model"
)

// FuzzParseConfig reads any config.json: it is refused with an error, or every size that follows from it is sound.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":40,"hidden_size":32,"intermediate_size":48,` +
		`"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":128,"rms_norm_eps":1e-5,` +
		`"rope_theta":10000.0,"tie_word_embeddings":false,"hidden_act":"silu"}`))
	paths, err := filepath.Glob("../../shared/reference/*/config*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := model.ParseConfig(data)
		if err != nil {
			return
		}
		if c.Params() <= 0 {
			t.Errorf("%d parameters", c.Params())
		}
		for _, module := range model.Modules {
			if out, in := c.LinearShape(module); out <= 0 || in <= 0 {
				t.Errorf("%s is [%d, %d]", module, out, in)
			}
		}
	})
}
