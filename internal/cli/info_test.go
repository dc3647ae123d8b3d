package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"smt/export"
)

// TestInfoOfShortNames describes an adapter whose matrices have no path, as in a model that is one layer.
func TestInfoOfShortNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "adapter")
	a := export.Adapter{BaseSHA256: strings.Repeat("a", 64), BlockSize: 1, Score: "magnitude"}
	for _, name := range []string{"w", "v_proj", "layers.0.self_attn.q_proj"} {
		a.Matrices = append(a.Matrices, export.AdapterMatrix{Name: name, Out: 1, In: 2, Blocks: [][2]int32{{0, 1}}, Deltas: []float32{1}})
	}
	if err := export.WriteAdapter(dir, a); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := run(t, "info", dir)
	if code != ExitOK || !strings.Contains(out, "3 of 1 × 1 in 3 matrices") || !strings.Contains(out, "1, 0, 1") {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
}
