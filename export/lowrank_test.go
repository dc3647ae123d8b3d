package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"smt/format/safetensors"
)

// reference is a folder of stored results of transformers and PEFT; the test is skipped without it.
func reference(t *testing.T, parts ...string) string {
	t.Helper()
	dir := filepath.Join(append([]string{"..", "..", "shared", "reference"}, parts...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no reference: %v", err)
	}
	return dir
}

func smallLowRank(dora bool) LowRank {
	random := rand.New(rand.NewPCG(5, 6))
	values := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(random.NormFloat64())
		}
		return v
	}
	l := LowRank{Rank: 3, Alpha: 7.5, DoRA: dora, BaseModel: "base", TargetModules: []string{"down_proj", "q_proj"}}
	for _, m := range []struct {
		name    string
		out, in int
	}{{"model.layers.0.mlp.down_proj", 5, 700}, {"model.layers.0.self_attn.q_proj", 6, 4}} {
		matrix := LowRankMatrix{Name: m.name, Out: m.out, In: m.in, A: values(3 * m.in), B: values(3 * m.out)}
		if dora {
			matrix.Magnitude = values(m.out)
		}
		l.Matrices = append(l.Matrices, matrix)
	}
	return l
}

func TestLowRankRoundTrip(t *testing.T) {
	for _, dora := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "adapter")
		l := smallLowRank(dora)
		l.RSLora = dora
		if err := WriteLowRank(dir, l); err != nil {
			t.Fatal(err)
		}
		got, err := ReadLowRank(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(*got, l) {
			t.Errorf("got %+v, expected %+v", *got, l)
		}
		if kind, err := Kind(dir); kind != KindLoRA || err != nil {
			t.Errorf("kind %q, %v", kind, err)
		}
	}
}

// A revision of a base on the hub has a key of its own, which is how PEFT wants it, and comes back with the name.
func TestBaseRevision(t *testing.T) {
	for base, want := range map[string][2]any{
		"owner/name@v1.0": {"owner/name", "v1.0"}, "owner/name": {"owner/name", nil}, "../base@v1": {"../base@v1", nil},
	} {
		l, a := smallLowRank(false), smallAdapter()
		l.BaseModel, a.BaseModel = base, base
		lowRank, blocks := filepath.Join(t.TempDir(), "lora"), filepath.Join(t.TempDir(), "smt")
		if err := errors.Join(WriteLowRank(lowRank, l), WriteAdapter(blocks, a)); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{lowRank, blocks} {
			data, err := os.ReadFile(filepath.Join(dir, configName))
			if err != nil {
				t.Fatal(err)
			}
			var keys map[string]any
			if err := json.Unmarshal(data, &keys); err != nil {
				t.Fatal(err)
			}
			if keys["base_model_name_or_path"] != want[0] || keys["revision"] != want[1] {
				t.Errorf("%s: base_model_name_or_path is %v and revision %v, expected %v", base, keys["base_model_name_or_path"], keys["revision"], want)
			}
			card, err := os.ReadFile(filepath.Join(dir, cardName))
			if header := fmt.Sprintf("base_model: %q\n", want[0]); err != nil || !strings.Contains(string(card), header) {
				t.Errorf("%s: the card lacks %q (%v):\n%s", base, header, err, card)
			}
		}
		gotLowRank, err := ReadLowRank(lowRank)
		if err != nil || gotLowRank.BaseModel != base {
			t.Errorf("%s: got %+v, %v", base, gotLowRank, err)
		}
		gotBlocks, err := ReadAdapter(blocks)
		if err != nil || gotBlocks.BaseModel != base {
			t.Errorf("%s: got %+v, %v", base, gotBlocks, err)
		}
	}
}

// What PEFT wrote comes back under the same tensor names and shapes.
func TestReferenceAdapters(t *testing.T) {
	for _, name := range []string{"llama_lora", "llama_dora"} {
		from := reference(t, name, "adapter")
		l, err := ReadLowRank(from)
		if err != nil {
			t.Fatal(err)
		}
		if l.Rank != 4 || l.Alpha != 8 || l.Scale() != 2 || l.DoRA != (name == "llama_dora") || l.BaseModel != "../llama" {
			t.Errorf("%s: read %+v", name, l)
		}
		dir := filepath.Join(t.TempDir(), "adapter")
		if err := WriteLowRank(dir, *l); err != nil {
			t.Fatal(err)
		}
		want, err := safetensors.Open(filepath.Join(from, weightsName))
		if err != nil {
			t.Fatal(err)
		}
		defer want.Close()
		got, err := safetensors.Open(filepath.Join(dir, weightsName))
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		if !reflect.DeepEqual(got.Tensors(), want.Tensors()) || !reflect.DeepEqual(got.Metadata(), want.Metadata()) {
			t.Errorf("%s: the tensors differ from PEFT's", name)
		}
	}
}

func TestReadLowRankRefusesFeatures(t *testing.T) {
	base := `{"peft_type":"LORA","r":4,"lora_alpha":8,"target_modules":["q_proj"]}`
	if _, err := parseLowRankConfig([]byte(base)); err != nil {
		t.Fatal(err)
	}
	add := func(pairs string) string { return strings.TrimSuffix(base, "}") + "," + pairs + "}" }
	for pairs, want := range map[string]string{
		`"bias":"all"`:                       "bias",
		`"bias":"lora_only"`:                 "bias",
		`"lora_bias":true`:                   "lora_bias",
		`"fan_in_fan_out":true`:              "fan_in_fan_out",
		`"modules_to_save":["lm_head"]`:      `modules_to_save is ["lm_head"]`,
		`"rank_pattern":{"q_proj":8}`:        "rank_pattern",
		`"alpha_pattern":{"q_proj":8}`:       "alpha_pattern",
		`"layer_replication":[[0,2]]`:        "layer_replication",
		`"use_qalora":true`:                  "use_qalora",
		`"use_bdlora":{"nblocks":2}`:         "use_bdlora",
		`"arrow_config":{"top_k":3}`:         "arrow_config",
		`"alora_invocation_tokens":[1]`:      "alora_invocation_tokens",
		`"trainable_token_indices":[1]`:      "trainable_token_indices",
		`"target_parameters":["w"]`:          "target_parameters",
		`"megatron_config":{"a":1}`:          "megatron_config",
		`"loftq_config":{"loftq_bits":4}`:    "loftq_config",
		`"corda_config":{"a":1}`:             "corda_config",
		`"ensure_weight_tying":true`:         "ensure_weight_tying",
		`"a_feature_of_next_year":1`:         "a_feature_of_next_year",
		`"init_lora_weights":"pissa"`:        "init_lora_weights",
		`"init_lora_weights":"olora"`:        "init_lora_weights",
		`"init_lora_weights":3`:              "init_lora_weights",
		`"task_type":"SEQ_CLS"`:              "task_type",
		`"use_dora":"yes"`:                   "use_dora: expected bool, got string",
		`"r":8`:                              `key "r" comes twice`,
		`"kasa_config":{"a":{"b":1,"b":2}}`:  `key "b" comes twice`,
		`"base_model_name_or_path":["list"]`: "base_model_name_or_path",
	} {
		if _, err := parseLowRankConfig([]byte(add(pairs))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, expected %q", pairs, err, want)
		}
	}
	for old, c := range map[string]struct{ new, want string }{
		`"LORA"`: {`"LOHA"`, `peft_type is "LOHA"`}, `"r":4,`: {``, "r is missing"}, `"r":4`: {`"r":0`, "r is missing"},
		`"lora_alpha":8,`: {``, "lora_alpha"}, `:8`: {`:"8x"`, "lora_alpha"}, `["q_proj"]`: {`[1]`, "target_modules"},
	} {
		if _, err := parseLowRankConfig([]byte(strings.Replace(base, old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s instead of %s: got %v, expected %q", c.new, old, err, c.want)
		}
	}
	for _, pairs := range []string{
		`"bias":"none","lora_dropout":0.1,"peft_version":"0.21.2","revision":"main","use_dora":false,"loftq_config":{},"auto_mapping":null`,
		`"init_lora_weights":"gaussian"`, `"init_lora_weights":false`, `"layers_to_transform":[0],"layers_pattern":"layers"`,
	} {
		if _, err := parseLowRankConfig([]byte(add(pairs))); err != nil {
			t.Errorf("%s: %v", pairs, err)
		}
	}
	pattern := strings.Replace(base, `["q_proj"]`, `".*_proj"`, 1)
	if l, err := parseLowRankConfig([]byte(pattern)); err != nil || !slices.Equal(l.TargetModules, []string{".*_proj"}) {
		t.Errorf("pattern: got %+v, %v", l, err)
	}
}

func TestReadLowRankRefusesTensors(t *testing.T) {
	const module = "base_model.model.model.layers.0.self_attn.q_proj"
	out := func(name string, shape ...int) safetensors.Output {
		n := 1
		for _, dim := range shape {
			n *= dim
		}
		return safetensors.OutputFloat32(name, safetensors.F32, shape, make([]float32, n))
	}
	a, b := out(module+".lora_A.weight", 4, 6), out(module+".lora_B.weight", 5, 4)
	nan := safetensors.OutputFloat32(module+".lora_B.weight", safetensors.F32, []int{1, 4}, []float32{0, 0, float32(math.NaN()), 0})
	for want, c := range map[string]struct {
		dora    bool
		tensors []safetensors.Output
	}{
		"":                                   {false, []safetensors.Output{b, a}},
		"has no matrices":                    {false, nil},
		"only one of lora_A and lora_B":      {false, []safetensors.Output{a}},
		"has shape [3 6], expected [4, in]":  {false, []safetensors.Output{out(module+".lora_A.weight", 3, 6), b}},
		"has shape [5 3], expected [out, 4]": {false, []safetensors.Output{a, out(module+".lora_B.weight", 5, 3)}},
		"has shape [24], expected [4, in]":   {false, []safetensors.Output{out(module+".lora_A.weight", 24), b}},
		"is [0, 6]":                          {false, []safetensors.Output{a, out(module+".lora_B.weight", 0, 4)}},
		"value 2 of lora_B is NaN":           {false, []safetensors.Output{a, nan}},
		"but use_dora is false":              {false, []safetensors.Output{a, b, out(module+".lora_magnitude_vector", 5)}},
		"the magnitude has 0 values":         {true, []safetensors.Output{a, b}},
		"the magnitude has 4 values":         {true, []safetensors.Output{a, b, out(module+".lora_magnitude_vector", 4)}},
		"expected [out]":                     {true, []safetensors.Output{a, b, out(module+".lora_magnitude_vector", 5, 1)}},
		"comes twice": {true, []safetensors.Output{a, b, out(module+".lora_magnitude_vector", 5),
			out(module+".lora_magnitude_vector.weight", 5)}},
		"lora_embedding_A\": is not of a": {false, []safetensors.Output{a, b, out("base_model.model.model.embed_tokens.lora_embedding_A", 4, 6)}},
		"\"lm_head.weight\": is not of":   {false, []safetensors.Output{a, b, out("lm_head.weight", 4, 6)}},
		"dtype is I32":                    {false, []safetensors.Output{safetensors.OutputInt32(a.Name, []int{4, 6}, make([]int32, 24)), b}},
	} {
		dir := t.TempDir()
		config := fmt.Sprintf(`{"peft_type":"LORA","r":4,"lora_alpha":8,"target_modules":["q_proj"],"use_dora":%t}`, c.dora)
		if err := os.WriteFile(filepath.Join(dir, configName), []byte(config), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := safetensors.Write(filepath.Join(dir, weightsName), c.tensors, nil); err != nil {
			t.Fatal(err)
		}
		_, err := ReadLowRank(dir)
		switch {
		case want == "":
			if err != nil {
				t.Error(err)
			}
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("got %v, expected %q", err, want)
		}
	}
}
