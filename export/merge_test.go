package export

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smt/format/safetensors"
)

// writeBase makes a model of two shards with a matrix of every dtype that can change, [8, 12], and the small files that
// lie beside it.
func writeBase(t *testing.T, dir string) {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 8))
	var outputs []safetensors.Output
	for _, dtype := range []safetensors.DType{safetensors.F32, safetensors.F16, safetensors.BF16} {
		values := make([]float32, 8*12)
		for i := range values {
			values[i] = float32(random.NormFloat64())
		}
		outputs = append(outputs, safetensors.OutputFloat32("w."+string(dtype)+".weight", dtype, []int{8, 12}, values))
	}
	outputs = append(outputs,
		safetensors.OutputFloat32("norm.weight", safetensors.BF16, []int{12}, make([]float32, 12)),
		safetensors.OutputInt32("positions", []int{3}, []int32{1, 2, 3}),
		safetensors.OutputBytes("odd", safetensors.U8, []int{1}, []byte{1}))
	files := map[string]string{
		"model.safetensors.index.json": `{"weight_map":{"w.F32.weight":"model-1.safetensors","w.F16.weight":"model-1.safetensors",` +
			`"w.BF16.weight":"model-2.safetensors","norm.weight":"model-2.safetensors","positions":"model-2.safetensors","odd":"model-2.safetensors"}}`,
		"config.json": "{ }\n", "tokenizer.json": "{}", "tokenizer.model": "\x00\x01", "merges.txt": "a b", "chat_template.jinja": "{{ x }}",
		"LICENSE": "free", "README.md": "no", "manifest.json": "no", "pytorch_model.bin": "no", "pytorch_model.bin.index.json": "no",
		"adapter_config.json": "no", "train.log": "no",
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.json"), 0o777); err != nil {
		t.Fatal(err)
	}
	metadata := map[string]string{"format": "pt", "other": "kept"}
	for name, part := range map[string][]safetensors.Output{"model-1.safetensors": outputs[:2], "model-2.safetensors": outputs[2:]} {
		if err := safetensors.Write(filepath.Join(dir, name), part, metadata); err != nil {
			t.Fatal(err)
		}
	}
}

// tuned is an adapter for the three matrices of writeBase.
func tuned() Adapter {
	random := rand.New(rand.NewPCG(9, 10))
	a := Adapter{BaseModel: "base", BaseSHA256: someHash, BlockSize: 4, Score: "mean_abs_sum"}
	for _, name := range []string{"w.F32", "w.F16", "w.BF16"} {
		m := AdapterMatrix{Name: name, Out: 8, In: 12, Blocks: [][2]int32{{1, 2}, {0, 1}, {1, 0}}, Deltas: make([]float32, 3*16)}
		for i := range m.Deltas {
			m.Deltas[i] = float32(random.NormFloat64()) / 8
		}
		a.Matrices = append(a.Matrices, m)
	}
	return a
}

func fileNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestMergeBlocks(t *testing.T) {
	base, out := t.TempDir(), filepath.Join(t.TempDir(), "model")
	writeBase(t, base)
	a := tuned()
	var last, total int64
	err := Merge(context.Background(), base, out, a.Deltas(), MergeOptions{Progress: func(done, all int64) {
		if done <= last || done > all {
			t.Errorf("progress went from %d to %d of %d", last, done, all)
		}
		last, total = done, all
	}})
	if err != nil {
		t.Fatal(err)
	}
	if last != total || total == 0 {
		t.Errorf("progress ended at %d of %d", last, total)
	}
	want := []string{"LICENSE", "chat_template.jinja", "config.json", "merges.txt", "model-1.safetensors", "model-2.safetensors",
		"model.safetensors.index.json", "tokenizer.json", "tokenizer.model"}
	if got := fileNames(t, out); !slices.Equal(got, want) {
		t.Errorf("files %q, expected %q", got, want)
	}
	for _, name := range want {
		old, _ := os.ReadFile(filepath.Join(base, name))
		merged, _ := os.ReadFile(filepath.Join(out, name))
		if isWeights := strings.HasSuffix(name, ".safetensors"); len(old) != len(merged) || !isWeights && !bytes.Equal(old, merged) {
			t.Errorf("%s: %d bytes became %d, or differ", name, len(old), len(merged))
		}
	}
	before, after := openModel(t, base), openModel(t, out)
	for i, file := range before.Files() {
		expectSameOutline(t, file, after.Files()[i])
	}
	for _, m := range a.Matrices {
		expectBlocks(t, before, after, m)
	}
	for _, name := range []string{"norm.weight", "positions", "odd"} {
		old, _ := before.Tensor(name)
		merged, _ := after.Tensor(name)
		if !bytes.Equal(old.Data, merged.Data) {
			t.Errorf("%s changed", name)
		}
	}
}

func openModel(t *testing.T, dir string) *safetensors.Model {
	t.Helper()
	m, err := safetensors.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func expectSameOutline(t *testing.T, a, b *safetensors.File) {
	t.Helper()
	same := slices.EqualFunc(a.Tensors(), b.Tensors(), func(x, y safetensors.Tensor) bool {
		return x.Name == y.Name && x.DType == y.DType && slices.Equal(x.Shape, y.Shape)
	})
	if !same || a.Metadata()["other"] != b.Metadata()["other"] || filepath.Base(a.Path()) != filepath.Base(b.Path()) {
		t.Errorf("%s: names, order, dtypes, shapes or metadata differ in %s", a.Path(), b.Path())
	}
}

// expectBlocks computes W + D from the definition, in float32, and rounds it once.
func expectBlocks(t *testing.T, before, after *safetensors.Model, m AdapterMatrix) {
	t.Helper()
	old, _ := before.Tensor(m.Name + ".weight")
	merged, _ := after.Tensor(m.Name + ".weight")
	values, err := old.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	for k, block := range m.Blocks {
		for i := range 16 {
			row, col := int(block[0])*4+i/4, int(block[1])*4+i%4
			values[row*m.In+col] += m.Deltas[k*16+i]
		}
	}
	want := make([]byte, len(old.Data))
	if err := safetensors.Round(want, old.DType, values); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(merged.Data, want) {
		t.Errorf("%s: is not W + D rounded once", m.Name)
	}
	if bytes.Equal(merged.Data, old.Data) {
		t.Errorf("%s: did not change", m.Name)
	}
}

// Without deltas the weights are the same file.
func TestMergeNothing(t *testing.T) {
	base, out := t.TempDir(), filepath.Join(t.TempDir(), "model")
	writeBase(t, base)
	if err := Merge(context.Background(), base, out, nil, MergeOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range fileNames(t, out) {
		old, _ := os.ReadFile(filepath.Join(base, name))
		if merged, _ := os.ReadFile(filepath.Join(out, name)); !bytes.Equal(old, merged) {
			t.Errorf("%s differs", name)
		}
	}
}

// A single-file model drops an index that does not belong to it, and full replacements work for vectors too.
func TestMergeReplacement(t *testing.T) {
	base, out := t.TempDir(), filepath.Join(t.TempDir(), "model")
	err := safetensors.Write(filepath.Join(base, "model.safetensors"), []safetensors.Output{
		safetensors.OutputFloat32("norm", safetensors.BF16, []int{3}, []float32{1, 2, 3}),
		safetensors.OutputFloat32("w", safetensors.F16, []int{2, 3}, make([]float32, 6)),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "model.safetensors.index.json"), []byte("stale"), 0o666); err != nil {
		t.Fatal(err)
	}
	deltas := map[string]Delta{
		"norm": Replacement{Rows: 1, Cols: 3, Values: []float32{1 + 0x1p-8, -2, 1 + 3*0x1p-8}},
		"w":    Replacement{Rows: 2, Cols: 3, Values: []float32{1, 2, 3, 4, 5, 65519}},
	}
	if err := Merge(context.Background(), base, out, deltas, MergeOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := fileNames(t, out); !slices.Equal(got, []string{"model.safetensors"}) {
		t.Errorf("files %q", got)
	}
	m := openModel(t, out)
	for name, want := range map[string][]float64{"norm": {1, -2, 1 + 0x1p-6}, "w": {1, 2, 3, 4, 5, 65504}} {
		tensor, _ := m.Tensor(name)
		if got, _ := tensor.Float64s(); !slices.Equal(got, want) {
			t.Errorf("%s is %v, expected %v", name, got, want)
		}
	}
}

// LoRA and DoRA against float64 loops over PEFT's reference adapters.
func TestMergeLowRankReference(t *testing.T) {
	base := reference(t, "llama")
	for _, name := range []string{"llama_lora", "llama_dora"} {
		l, err := ReadLowRank(reference(t, name, "adapter"))
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "model")
		if err := Merge(context.Background(), base, out, l.Deltas(), MergeOptions{}); err != nil {
			t.Fatal(err)
		}
		before, after := openModel(t, base), openModel(t, out)
		for _, m := range l.Matrices {
			old, _ := before.Tensor(m.Name + ".weight")
			merged, _ := after.Tensor(m.Name + ".weight")
			w, _ := old.Float64s()
			got, _ := merged.Float64s()
			for i, want := range lowRankByDefinition(w, m, l.Rank, l.Scale()) {
				if !(math.Abs(got[i]-want) <= 1e-6*(1+math.Abs(want))) {
					t.Fatalf("%s: %s: element %d is %g, expected %g", name, m.Name, i, got[i], want)
				}
			}
		}
	}
}

func lowRankByDefinition(w []float64, m LowRankMatrix, rank int, scale float64) []float64 {
	for o := range m.Out {
		squares := 0.0
		row := w[o*m.In : (o+1)*m.In]
		for i := range row {
			for k := range rank {
				row[i] += scale * float64(m.B[o*rank+k]) * float64(m.A[k*m.In+i])
			}
			squares += row[i] * row[i]
		}
		if m.Magnitude != nil {
			for i := range row {
				row[i] *= float64(m.Magnitude[o]) / math.Sqrt(squares)
			}
		}
	}
	return w
}

// Rows longer than one piece of columns are summed piece by piece.
func TestLowRankDeltaOfLongRows(t *testing.T) {
	for _, dora := range []bool{false, true} {
		l := smallLowRank(dora)
		m := l.Matrices[0]
		delta := l.Deltas()[m.Name+".weight"]
		w := make([]float64, m.Out*m.In)
		row := make([]float32, m.In)
		for i := range w {
			w[i] = float64(i%17) - 8
		}
		base := slices.Clone(w)
		want := lowRankByDefinition(w, m, l.Rank, l.Scale())
		for o := range m.Out {
			for i := range row {
				row[i] = float32(base[o*m.In+i])
			}
			delta.Apply(o, row)
			for i, x := range row {
				if !(math.Abs(float64(x)-want[o*m.In+i]) <= 1e-4) {
					t.Fatalf("dora %t: element [%d, %d] is %g, expected %g", dora, o, i, x, want[o*m.In+i])
				}
			}
		}
	}
}

// An index may list a single shard, and is needed to find it.
func TestMergeOneShard(t *testing.T) {
	base, out := t.TempDir(), filepath.Join(t.TempDir(), "model")
	const shard, indexed = "model-00001-of-00001.safetensors", `{"weight_map":{"w":"model-00001-of-00001.safetensors"}}`
	if err := safetensors.Write(filepath.Join(base, shard), []safetensors.Output{
		safetensors.OutputFloat32("w", safetensors.F32, []int{1, 2}, []float32{1, 2})}, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "model.safetensors.index.json"), []byte(indexed), 0o666); err != nil {
		t.Fatal(err)
	}
	deltas := map[string]Delta{"w": Replacement{Rows: 1, Cols: 2, Values: []float32{3, 4}}}
	if err := Merge(context.Background(), base, out, deltas, MergeOptions{}); err != nil {
		t.Fatal(err)
	}
	w, _ := openModel(t, out).Tensor("w")
	if got, err := w.Float64s(); err != nil || !slices.Equal(got, []float64{3, 4}) {
		t.Errorf("got %v, %v", got, err)
	}
}
