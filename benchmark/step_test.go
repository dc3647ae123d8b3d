package benchmark_test

import (
	"testing"

	"smt/benchmark"
	"smt/device/cpu"
)

func TestStepLayers(t *testing.T) {
	dev := cpu.New(cpu.WithThreads(1))
	one, err := benchmark.Step(dev, benchmark.StepOptions{Config: "S", Method: "smt", Layers: 1, Seq: 8, Batch: 1, Steps: 1})
	if err != nil {
		t.Fatal(err)
	}
	two, err := benchmark.Step(dev, benchmark.StepOptions{Config: "S", Method: "smt", Layers: 2, Seq: 8, Batch: 1, Steps: 1})
	if err != nil {
		t.Fatal(err)
	}
	const layer = 2*512*512 + 2*256*512 + 3*1536*512 + 2*512 // q and o, k and v, the MLP, two norms
	if got := two.Params - one.Params; one.Layers != 1 || two.Layers != 2 || got != layer {
		t.Errorf("%d and %d layers differ by %d parameters, expected 1 and 2, %d", one.Layers, two.Layers, got, layer)
	}
	if one.Threads != 1 || one.PeakFraction < 0 || len(one.AllSteps) != 1 {
		t.Errorf("%+v", one)
	}
	for _, o := range []benchmark.StepOptions{
		{Config: "S", Method: "smt", Layers: -1, Seq: 8, Batch: 1, Steps: 1}, {Config: "S", Method: "smtx", Seq: 8, Batch: 1, Steps: 1},
		{Config: "absent", Method: "smt", Seq: 8, Batch: 1, Steps: 1},
	} {
		if _, err := benchmark.Step(dev, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}
