package safetensors

import (
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWriteAndOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.safetensors")
	long := make([]float32, 100_000)
	for i := range long {
		long[i] = float32(i) / 7
	}
	metadata := map[string]string{"format": "pt", "a<b>&": "\"quoted\" \u2028 ü", "": ""}
	err := Write(path, []Output{
		OutputFloat32("z.last in the alphabet", F32, []int{100, 1000}, long),
		OutputFloat32("half", F16, []int{2}, []float32{1.5, -2}),
		OutputFloat32("brain", BF16, []int{3, 1}, []float32{1.5, -2, 1 + 0x1p-9}),
		OutputInt32("index", []int{1, 2}, []int32{-1, math.MaxInt32}),
		OutputBytes("raw", U8, []int{3}, []byte{1, 2, 3}),
		OutputFloat32("empty", F32, []int{0}, nil),
		OutputFloat32("not finite", F32, []int{}, []float32{float32(math.Inf(1))}),
	}, metadata)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !maps.Equal(f.Metadata(), metadata) {
		t.Errorf("metadata %q", f.Metadata())
	}
	if len(f.header)%8 != 0 {
		t.Errorf("header of %d bytes is not padded", len(f.header))
	}
	var order []string
	values := map[string][]float64{}
	for _, tensor := range f.Tensors() {
		order = append(order, tensor.Name)
		if values[tensor.Name], err = tensor.Float64s(); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"z.last in the alphabet", "half", "brain", "index", "raw", "empty", "not finite"}; !slices.Equal(order, want) {
		t.Errorf("order %q, expected %q", order, want)
	}
	for i, x := range values[order[0]] {
		if x != float64(long[i]) {
			t.Fatalf("element %d is %g, expected %g", i, x, long[i])
		}
	}
	for name, want := range map[string][]float64{
		"half": {1.5, -2}, "brain": {1.5, -2, 1}, "index": {-1, math.MaxInt32}, "raw": {1, 2, 3}, "empty": {},
		"not finite": {math.Inf(1)},
	} {
		if !slices.Equal(values[name], want) {
			t.Errorf("%s holds %v, expected %v", name, values[name], want)
		}
	}
}

// The same tensors give the same bytes; and none of the failures leaves anything.
func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.safetensors")
	good := OutputBytes("good", U8, []int{1}, []byte{1})
	cause := errors.New("source is gone")
	for want, outputs := range map[string][]Output{
		`tensor "good": comes twice`:            {good, good},
		`"__metadata__": the name is reserved`:  {OutputBytes("__metadata__", U8, []int{0}, nil)},
		"the name is not UTF-8":                 {OutputBytes("\xff", U8, []int{0}, nil)},
		`dtype "F8" is not supported`:           {OutputBytes("x", "F8", []int{0}, nil)},
		"needs 8 bytes, got 4":                  {OutputBytes("x", F32, []int{2}, make([]byte, 4))},
		"overflows":                             {OutputBytes("x", F32, []int{math.MaxInt, math.MaxInt}, nil)},
		"shape [-1] of U8 overflows":            {OutputBytes("x", U8, []int{-1}, nil)},
		`tensor "x": elements from 0`:           {good, OutputFloat32("x", F16, []int{1}, []float32{1e6})},
		`tensor "short": expected 3 bytes, its`: {{Name: "short", DType: U8, Shape: []int{3}, Size: 3, WriteTo: func(w io.Writer) error { return nil }}},
		`tensor "gone": source is gone`:         {good, {Name: "gone", DType: U8, Shape: []int{3}, Size: 3, WriteTo: func(io.Writer) error { return cause }}},
	} {
		err := Write(path, outputs, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "safetensors: "+path) {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
	if err := Write(path, nil, map[string]string{"a": "\xff"}); err == nil {
		t.Error("wrote metadata that is not UTF-8")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}
