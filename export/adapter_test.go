package export

import (
	"encoding/json"
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

var someHash = strings.Repeat("0123456789abcdef", 4)

// smallAdapter has a matrix of whole blocks and one with ragged edges: [5, 7] in blocks of 4 × 4.
func smallAdapter() Adapter {
	random := rand.New(rand.NewPCG(3, 4))
	values := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(random.NormFloat64())
		}
		return v
	}
	ragged := values(2 * 16)
	for i := range 16 {
		if i/4 >= 1 { // block (1, 0) has one row inside of the matrix
			ragged[i] = 0
		}
		if i%4 >= 3 { // block (0, 1) has three columns inside
			ragged[16+i] = 0
		}
	}
	return Adapter{
		BaseModel: `models/"tiny"`, BaseSHA256: someHash, BlockSize: 4, Score: "mean_abs_sum",
		Matrices: []AdapterMatrix{
			{Name: "model.layers.1.self_attn.v_proj", Out: 8, In: 12, Blocks: [][2]int32{{1, 2}, {0, 0}, {1, 0}}, Deltas: values(3 * 16)},
			{Name: "model.layers.0.mlp.up_proj", Out: 5, In: 7, Blocks: [][2]int32{{1, 0}, {0, 1}}, Deltas: ragged},
		},
	}
}

func TestAdapterRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "adapter")
	a := smallAdapter()
	for range 2 { // the second time it replaces the first
		if err := WriteAdapter(dir, a); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadAdapter(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*got, a) {
		t.Errorf("got %+v, expected %+v", *got, a)
	}
	if kind, err := Kind(dir); kind != KindSMT || err != nil {
		t.Errorf("kind %q, %v", kind, err)
	}
	if n := a.Parameters(); n != 3*16+4+12 {
		t.Errorf("%d parameters", n)
	}
	expectPEFTLayout(t, dir, map[string]string{
		"base_model.model.model.layers.1.self_attn.v_proj.smt_blocks": "F32 [3 4 4]",
		"base_model.model.model.layers.1.self_attn.v_proj.smt_index":  "I32 [3 2]",
		"base_model.model.model.layers.0.mlp.up_proj.smt_blocks":      "F32 [2 4 4]",
		"base_model.model.model.layers.0.mlp.up_proj.smt_index":       "I32 [2 2]",
	}, map[string]any{
		"peft_type": "SMT", "task_type": "CAUSAL_LM", "inference_mode": true, "base_model_name_or_path": a.BaseModel,
		"target_modules": []any{"up_proj", "v_proj"}, "block_size": 4.0, "num_blocks": 5.0, "block_score": "mean_abs_sum",
		"base_sha256": someHash,
	})
	card, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`base_model: "models/\"tiny\""`, "5 blocks of 4 × 4, 64 parameters", someHash, "| `v_proj` | 3 |"} {
		if !strings.Contains(string(card), want) {
			t.Errorf("README.md lacks %q:\n%s", want, card)
		}
	}
}

// expectPEFTLayout compares names, dtypes and shapes of the tensors, and some keys of the config.
func expectPEFTLayout(t *testing.T, dir string, tensors map[string]string, config map[string]any) {
	t.Helper()
	file, err := safetensors.Open(filepath.Join(dir, "adapter_model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got := map[string]string{}
	for _, tensor := range file.Tensors() {
		got[tensor.Name] = string(tensor.DType) + " " + strings.ReplaceAll(strings.Trim(jsonText(t, tensor.Shape), "\n"), ",", " ")
	}
	if !reflect.DeepEqual(got, tensors) {
		t.Errorf("tensors %v, expected %v", got, tensors)
	}
	if file.Metadata()["format"] != "pt" {
		t.Errorf("metadata %v", file.Metadata())
	}
	data, err := os.ReadFile(filepath.Join(dir, "adapter_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var written map[string]any
	if err := json.Unmarshal(data, &written); err != nil {
		t.Fatal(err)
	}
	for key, want := range config {
		if !reflect.DeepEqual(written[key], want) {
			t.Errorf("%s is %v, expected %v", key, written[key], want)
		}
	}
}

func jsonText(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWriteAdapterRefuses(t *testing.T) {
	for want, change := range map[string]func(a *Adapter){
		"block size is 0":      func(a *Adapter) { a.BlockSize = 0 },
		"block size is 100000": func(a *Adapter) { a.BlockSize = 100000 },
		"hexadecimal":          func(a *Adapter) { a.BaseSHA256 = "12" },
		"no matrix":            func(a *Adapter) { a.Matrices = nil },
		"comes twice":          func(a *Adapter) { a.Matrices[1].Name = a.Matrices[0].Name },
		"has no name":          func(a *Adapter) { a.Matrices[0].Name = "" },
		`v_proj": is [0, 12]`:  func(a *Adapter) { a.Matrices[0].Out = 0 },
		"has no blocks":        func(a *Adapter) { a.Matrices[0].Blocks = nil; a.Matrices[0].Deltas = nil },
		"expected 48":          func(a *Adapter) { a.Matrices[0].Deltas = a.Matrices[0].Deltas[1:] },
		"expected 32":          func(a *Adapter) { a.Matrices[0].Blocks = a.Matrices[0].Blocks[:2] },
		"block (2, 0) is outside of the 2 × 3 blocks": func(a *Adapter) { a.Matrices[0].Blocks[1] = [2]int32{2, 0} },
		"block (0, 3) is outside":                     func(a *Adapter) { a.Matrices[0].Blocks[1] = [2]int32{0, 3} },
		"block (-1, 0) is outside":                    func(a *Adapter) { a.Matrices[0].Blocks[1] = [2]int32{-1, 0} },
		"block (0, 0) comes twice":                    func(a *Adapter) { a.Matrices[0].Blocks[2] = [2]int32{0, 0} },
		"block (0, 0): value [0, 2] is NaN":           func(a *Adapter) { a.Matrices[0].Deltas[18] = float32(math.NaN()) },
		"value [3, 3] is -Inf":                        func(a *Adapter) { a.Matrices[0].Deltas[47] = float32(math.Inf(-1)) },
		"value [1, 0] is 1, but lies outside":         func(a *Adapter) { a.Matrices[1].Deltas[4] = 1 },
		"value [0, 3] is 2, but lies outside":         func(a *Adapter) { a.Matrices[1].Deltas[16+3] = 2 },
	} {
		parent := t.TempDir()
		a := smallAdapter()
		change(&a)
		err := WriteAdapter(filepath.Join(parent, "adapter"), a)
		if err == nil || !strings.HasPrefix(err.Error(), "export: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %q", err, want)
		}
		if left, _ := os.ReadDir(parent); len(left) != 0 {
			t.Errorf("%s: left %v", want, left)
		}
	}
}

func TestWriteAdapterSparesOtherDirectories(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := WriteAdapter(dir, smallAdapter()); err == nil {
		t.Error("an adapter replaced a directory that is none")
	}
}

// adapterFiles are the two files of an adapter in memory.
func adapterFiles(t testing.TB, a Adapter) (config, weights []byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "adapter")
	if err := WriteAdapter(dir, a); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(dir, configName))
	if err != nil {
		t.Fatal(err)
	}
	weights, err = os.ReadFile(filepath.Join(dir, weightsName))
	if err != nil {
		t.Fatal(err)
	}
	return config, weights
}

func readFromMemory(config, weights []byte) (*Adapter, error) {
	c, err := parseAdapterConfig(config)
	if err != nil {
		return nil, err
	}
	file, err := safetensors.Parse("memory", weights)
	if err != nil {
		return nil, err
	}
	return c.adapter(file)
}

func TestReadAdapterRefusesConfigs(t *testing.T) {
	config, weights := adapterFiles(t, smallAdapter())
	text := string(config)
	for _, c := range []struct{ old, new, want string }{
		{text, "", "is not JSON"},
		{text, "[]", "expected a JSON object"},
		{text, "{}", "peft_type is missing"},
		{text, "{\"a\":\"\xff\"}", "is not UTF-8"},
		{`"SMT"`, `"LORA"`, `peft_type is "LORA"`},
		{`"SMT"`, `1`, "peft_type: expected string, got number"},
		{`"format_version": 1`, `"format_version": 2`, "format_version is 2"},
		{`"CAUSAL_LM"`, `"SEQ_CLS"`, "task_type"},
		{`"block_size": 4`, `"block_size": 0`, "block_size is 0"},
		{`"block_size": 4`, `"block_size": 4.5`, "block_size: expected int, got number 4.5"},
		{`"block_size": 4`, `"block_size": 5`, "expected F32 [3 5 5]"},
		{`"block_size": 4`, `"block_size": 99999999999999999999`, "block_size: expected int"},
		{`"num_blocks": 5`, `"num_blocks": 6`, "holds 5 blocks, num_blocks in adapter_config.json is 6"},
		{`"num_blocks": 3`, `"num_blocks": 2`, "expected F32 [2 4 4]"},
		{`"num_blocks": 3`, `"num_blocks": -3`, "num_blocks is -3"},
		{`"out_features": 8`, `"out_features": 4`, "block (1, 2) is outside"},
		{`"out_features": 8`, `"out_features": -8`, "is [-8, 12]"},
		{`"in_features": 12`, `"in_features": 9`, "lies outside of [8, 9]"},
		{`"in_features": 12`, `"in_features": 4294967296`, "expected dimensions"},
		{someHash, "xyz", "hexadecimal"},
		{`"up_proj",`, `"q_proj",`, "target_modules"},
		{`model.layers.1.self_attn`, `model.layers.2.self_attn`, "layers.2.self_attn.v_proj.smt_blocks\": is missing"},
		{`"block_score"`, `"block_scores"`, `unknown field "block_scores"`},
		{`"block_size": 4,`, `"block_size": 4, "block_size": 4,`, `key "block_size" comes twice`},
		{`"block_size": 4,`, `"block_size": 4, "Block_Size": 8,`, `key "block_size" comes twice`},
		{`"in_features": 12,`, `"in_features": 12, "in_features": 12,`, `key "in_features" comes twice`},
	} {
		changed := strings.Replace(text, c.old, c.new, 1)
		_, err := readFromMemory([]byte(changed), weights)
		if changed == text {
			t.Errorf("%q is not in the config", c.old)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, expected %q", c.new, err, c.want)
		}
	}
}

func TestReadAdapterRefusesTensors(t *testing.T) {
	config, weights := adapterFiles(t, smallAdapter())
	const module = "base_model.model.model.layers.0.mlp.up_proj"
	rewrite := func(change func(tensors []safetensors.Output) []safetensors.Output) []byte {
		file, err := safetensors.Parse("memory", weights)
		if err != nil {
			t.Fatal(err)
		}
		var outputs []safetensors.Output
		for _, tensor := range file.Tensors() {
			outputs = append(outputs, tensor.Output())
		}
		path := filepath.Join(t.TempDir(), "x")
		if err := safetensors.Write(path, change(outputs), nil); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	replace := func(name string, with safetensors.Output) func([]safetensors.Output) []safetensors.Output {
		return func(tensors []safetensors.Output) []safetensors.Output {
			i := slices.IndexFunc(tensors, func(o safetensors.Output) bool { return o.Name == name })
			tensors[i] = with
			return tensors
		}
	}
	f32, outF32, outI32 := safetensors.F32, safetensors.OutputFloat32, safetensors.OutputInt32
	nan := make([]float32, 32)
	nan[5] = float32(math.NaN())
	for want, change := range map[string]func([]safetensors.Output) []safetensors.Output{
		"smt_blocks\": is F16":      replace(module+".smt_blocks", outF32(module+".smt_blocks", safetensors.F16, []int{2, 4, 4}, make([]float32, 32))),
		"smt_blocks\": is F32 [32]": replace(module+".smt_blocks", outF32(module+".smt_blocks", f32, []int{32}, make([]float32, 32))),
		"is NaN":                    replace(module+".smt_blocks", outF32(module+".smt_blocks", f32, []int{2, 4, 4}, nan)),
		"smt_index\": is F32":       replace(module+".smt_index", outF32(module+".smt_index", f32, []int{2, 2}, make([]float32, 4))),
		"smt_index\": is I32 [4]":   replace(module+".smt_index", outI32(module+".smt_index", []int{4}, make([]int32, 4))),
		"block (0, 0) comes twice":  replace(module+".smt_index", outI32(module+".smt_index", []int{2, 2}, make([]int32, 4))),
		"block (0, -1) is outside":  replace(module+".smt_index", outI32(module+".smt_index", []int{2, 2}, []int32{0, 0, 0, -1})),
		"smt_index\": is missing":   func(all []safetensors.Output) []safetensors.Output { return all[:len(all)-1] },
		`"extra": is not of a matri`: func(all []safetensors.Output) []safetensors.Output {
			return append(all, outI32("extra", []int{0}, nil))
		},
	} {
		_, err := readFromMemory(config, rewrite(change))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
	for length := 0; length < len(weights); length += 7 {
		if _, err := readFromMemory(config, weights[:length]); err == nil {
			t.Errorf("accepted %d of %d bytes", length, len(weights))
		}
	}
}

func TestReadAdapterNamesTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "adapter")
	if _, err := ReadAdapter(dir); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, configName)) {
		t.Errorf("missing: got %v", err)
	}
	if err := WriteAdapter(dir, smallAdapter()); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, weightsName), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAdapter(dir); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, weightsName)) {
		t.Errorf("truncated: got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, configName), []byte(`{"peft_type":"IA3"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Kind(dir); err == nil || !strings.Contains(err.Error(), `"IA3" is not supported (supported: SMT, LORA)`) {
		t.Errorf("IA3: got %v", err)
	}
}

// What is accepted keeps the rules, so that applying it cannot go out of range; and nothing panics.
func FuzzReadAdapter(f *testing.F) {
	config, weights := adapterFiles(f, smallAdapter())
	f.Add(config, weights)
	f.Add([]byte(`{"peft_type":"SMT","matrices":[{"out_features":1}]}`), weights)
	f.Add([]byte(`{"peft_type":"LORA","r":4,"lora_alpha":8}`), weights[:40])
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		parseLowRankConfig(config)
		a, err := readFromMemory(config, weights)
		if err != nil {
			return
		}
		if err := a.check(); err != nil {
			t.Fatal(err)
		}
		for _, m := range a.Matrices {
			if int64(m.In) > 1<<16 {
				continue
			}
			delta := newBlockDelta(m, a.BlockSize)
			for _, block := range m.Blocks {
				delta.Apply(min(int(block[0])*a.BlockSize+a.BlockSize, m.Out)-1, make([]float32, m.In))
			}
		}
	})
}
