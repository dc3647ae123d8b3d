package parity

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"smt/device"
	"smt/device/cpu"
	"smt/device/reference"
	"smt/format/safetensors"
	"smt/model"
)

const references = "../../shared/reference"

// devices are what the references are compared with, and how exact each is.
var devices = []struct {
	name      string
	make      func() device.Device
	tolerance float64
}{
	{"reference", func() device.Device { return reference.New() }, 1e-11},
	{"cpu", func() device.Device { return cpu.New() }, 2e-5},
}

func open(t *testing.T, name, config string) *model.Base {
	t.Helper()
	dir := filepath.Join(references, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the reference results are not here: %v", err)
	}
	base, err := model.OpenWithConfig(dir, filepath.Join(dir, config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { base.Close() })
	return base
}

func TestFamilies(t *testing.T) {
	for _, d := range devices {
		for _, name := range []string{"llama", "llama_tied_rope3", "qwen2", "qwen3", "mistral_swa"} {
			for _, config := range []string{"config.json", "config_v4.json"} {
				t.Run(d.name+"/"+name+"/"+config, func(t *testing.T) {
					r, err := Run(d.make(), open(t, name, config), filepath.Join(references, name), "")
					if err != nil {
						t.Fatal(err)
					}
					if !(r.Worst() <= d.tolerance) {
						t.Errorf("%+v", r)
					}
				})
			}
		}
	}
}

func TestAdapters(t *testing.T) {
	for _, d := range devices {
		for _, name := range []string{"llama_lora", "llama_dora"} {
			t.Run(d.name+"/"+name, func(t *testing.T) {
				dir := filepath.Join(references, name)
				r, err := Run(d.make(), open(t, "llama", "config.json"), dir, filepath.Join(dir, "adapter"))
				if err != nil {
					t.Fatal(err)
				}
				if !(r.Worst() <= d.tolerance) {
					t.Errorf("%+v", r)
				}
			})
		}
	}
}

func TestGoldenRuns(t *testing.T) {
	for _, d := range devices {
		for run, base := range map[string]string{"llama_smt": "llama", "qwen3_smt_ragged": "qwen3"} {
			t.Run(d.name+"/"+run, func(t *testing.T) {
				r, err := RunGolden(d.make(), open(t, base, "config.json"), filepath.Join(references, run))
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%+v", r)
				if tolerance := 5 * d.tolerance; !(r.Worst() <= tolerance) {
					t.Errorf("%+v", r)
				}
			})
		}
	}
}

// TestNaNIsTheWorst compares gradients of which the first is no number and the later ones agree.
func TestNaNIsTheWorst(t *testing.T) {
	dev := reference.New()
	path := filepath.Join(t.TempDir(), "grads.safetensors")
	var outputs []safetensors.Output
	got := map[string]device.Tensor{}
	for i, name := range []string{"a", "b", "c"} {
		outputs = append(outputs, safetensors.OutputFloat32(name, safetensors.F32, []int{1, 2}, []float32{1, 2}))
		got[name] = dev.New(1, 2)
		values := []float64{1, 2}
		if i == 0 {
			values[1] = math.NaN()
		}
		dev.Write(got[name], values)
	}
	if err := safetensors.Write(path, outputs, nil); err != nil {
		t.Fatal(err)
	}
	stored, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	var r Result
	if err := r.gradients(dev, stored, got); err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(r.GradMaxRelL2) || r.WorstParameter != "a" || !math.IsNaN(r.Worst()) {
		t.Errorf("the worst is %g of %s, expected NaN of a", r.GradMaxRelL2, r.WorstParameter)
	}
}
