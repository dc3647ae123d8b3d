package export

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"smt/format/safetensors"
)

func hashOf(t *testing.T, tensors ...safetensors.Output) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := safetensors.Write(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return BaseSHA256(safetensors.ModelOf(file))
}

// The hash depends on names, dtypes, shapes and every byte, but not on order, shards or the number of processors.
func TestBaseSHA256(t *testing.T) {
	large := make([]byte, 2*hashChunk+5) // three chunks
	large[hashChunk+7] = 1
	a := safetensors.OutputBytes("a", safetensors.U8, []int{len(large)}, large)
	b := safetensors.OutputFloat32("b", safetensors.F16, []int{2, 1}, []float32{1, 2})
	empty := safetensors.OutputBytes("e", safetensors.U8, []int{0}, nil)
	want := hashOf(t, a, b, empty)
	if !isSHA256(want) {
		t.Fatalf("got %q", want)
	}
	if got := hashOf(t, empty, b, a); got != want {
		t.Error("the order matters")
	}
	processors := runtime.GOMAXPROCS(1)
	if got := hashOf(t, a, b, empty); got != want {
		t.Error("the number of processors matters")
	}
	runtime.GOMAXPROCS(processors)

	changed := append([]byte{}, large...)
	changed[len(changed)-1] ^= 1
	for what, tensors := range map[string][]safetensors.Output{
		"a byte":   {safetensors.OutputBytes("a", safetensors.U8, []int{len(large)}, changed), b, empty},
		"a name":   {a, safetensors.OutputFloat32("c", safetensors.F16, []int{2, 1}, []float32{1, 2}), empty},
		"a dtype":  {a, safetensors.OutputFloat32("b", safetensors.BF16, []int{2, 1}, []float32{1, 2}), empty},
		"a shape":  {a, safetensors.OutputFloat32("b", safetensors.F16, []int{1, 2}, []float32{1, 2}), empty},
		"one less": {a, b},
	} {
		if hashOf(t, tensors...) == want {
			t.Errorf("%s makes no difference", what)
		}
	}
}

func TestBaseSHA256IgnoresShards(t *testing.T) {
	sharded := t.TempDir()
	writeBase(t, sharded)
	m := openModel(t, sharded)
	var all []safetensors.Output
	for _, name := range m.Names() {
		tensor, _ := m.Tensor(name)
		all = append(all, tensor.Output())
	}
	if hashOf(t, all...) != BaseSHA256(m) {
		t.Error("the shards matter")
	}
	a := tuned()
	if err := a.CheckBase(m); err == nil || !strings.Contains(err.Error(), someHash) {
		t.Errorf("got %v, expected another base", err)
	}
	a.BaseSHA256 = BaseSHA256(m)
	if err := a.CheckBase(m); err != nil {
		t.Error(err)
	}
}
