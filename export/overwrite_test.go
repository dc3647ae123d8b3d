package export

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMergeRefuses(t *testing.T) {
	base := t.TempDir()
	writeBase(t, base)
	filled := t.TempDir()
	if err := os.WriteFile(filepath.Join(filled, "thesis.tex"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	replace := func(name string, rows, cols int, last float64) map[string]Delta {
		values := make([]float32, rows*cols)
		values[len(values)-1] = float32(last)
		return map[string]Delta{name: Replacement{Rows: rows, Cols: cols, Values: values}}
	}
	parent := t.TempDir()
	out := filepath.Join(parent, "model")
	// A run's directory with an adapter and the model that was merged from it.
	run := t.TempDir()
	adapter := filepath.Join(run, "adapter")
	if err := WriteAdapter(adapter, tuned()); err != nil {
		t.Fatal(err)
	}
	if err := Merge(context.Background(), base, filepath.Join(run, "model"), nil, MergeOptions{}); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for _, c := range []struct {
		name, want string
		ctx        context.Context
		base, out  string
		deltas     map[string]Delta
		overwrite  bool
		keep       []string
	}{
		{name: "unknown tensor", want: `tensor "lm_head.weight": is not in the base model`, deltas: replace("lm_head.weight", 1, 1, 0)},
		{name: "shape", want: `tensor "w.F32.weight": is [8 12] in the base model, but the change for it is [12 8]`, deltas: replace("w.F32.weight", 12, 8, 0)},
		{name: "vector", want: "the change for it is [12 1]", deltas: replace("norm.weight", 12, 1, 0)},
		{name: "integers", want: `tensor "positions": is I32`, deltas: replace("positions", 1, 3, 0)},
		{name: "NaN", want: `tensor "w.BF16.weight": row 7 of the tuned matrix: safetensors: value 11 is NaN`, deltas: replace("w.BF16.weight", 8, 12, math.NaN())},
		{name: "infinite", want: "value 11 is +Inf", deltas: replace("w.F32.weight", 8, 12, math.Inf(1))},
		{name: "overflow", want: "value 11 is 70000, which is not finite in F16", deltas: replace("w.F16.weight", 8, 12, 70000)},
		{name: "filled directory", want: "is not empty", out: filled},
		{name: "base itself", want: "which is being merged", out: base, overwrite: true},
		{name: "parent of base", want: "which is being merged", out: filepath.Dir(base), overwrite: true},
		{name: "adapter itself", want: "which is being merged", out: adapter, overwrite: true, keep: []string{adapter}},
		{name: "run of the adapter", want: "which is being merged", out: run, overwrite: true, keep: []string{adapter}},
		{name: "another run", want: "holds no model", out: run, overwrite: true},
		{name: "another adapter", want: "holds no model", out: adapter, overwrite: true},
		{name: "filled directory, overwriting", want: "holds no model", out: filled, overwrite: true},
		{name: "no base", want: "no such file", base: filepath.Join(parent, "missing")},
		{name: "stopped", want: "context canceled", ctx: stopped},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ctx == nil {
				c.ctx = context.Background()
			}
			if c.base == "" {
				c.base = base
			}
			if c.out == "" {
				c.out = out
			}
			err := Merge(c.ctx, c.base, c.out, c.deltas, MergeOptions{Overwrite: c.overwrite, Keep: c.keep})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected %q", err, c.want)
			}
			if left := fileNames(t, parent); len(left) != 0 {
				t.Errorf("left %q", left)
			}
		})
	}
	if err := Merge(context.Background(), base, filled, nil, MergeOptions{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, expected fs.ErrExist", err)
	}
	if got := fileNames(t, filled); !slices.Equal(got, []string{"thesis.tex"}) {
		t.Errorf("%s holds %q, expected it as it was", filled, got)
	}
	if _, err := ReadAdapter(adapter); err != nil {
		t.Error(err)
	}
}

// An earlier model is replaced as a whole, whether its weights are one file or shards.
func TestMergeOverwrites(t *testing.T) {
	for _, weights := range []string{"model.safetensors", "model.safetensors.index.json"} {
		base, out := t.TempDir(), t.TempDir()
		writeBase(t, base)
		for _, name := range []string{"config.json", weights, "stale.json"} {
			if err := os.WriteFile(filepath.Join(out, name), nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if err := Merge(context.Background(), base, out, nil, MergeOptions{Overwrite: true}); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(fileNames(t, out), "stale.json") {
			t.Errorf("%s: the earlier model was not replaced as a whole", weights)
		}
		openModel(t, out)
	}
}
