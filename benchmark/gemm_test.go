package benchmark_test

import (
	"testing"

	"smt/benchmark"
	"smt/device/cpu"
	"smt/device/reference"
	"smt/model"
)

func TestGEMM(t *testing.T) {
	dev := cpu.New(cpu.WithThreads(1))
	for _, c := range []struct {
		direction string
		precision model.Precision
	}{{"forward", ""}, {"dx", "float32"}, {"dw", "float32"}, {"forward", "int8"}, {"dx", "int8"}} {
		r, err := benchmark.GEMM(dev, benchmark.GEMMOptions{Direction: c.direction, M: 8, N: 16, K: 24, Rounds: 1, Precision: c.precision})
		if err != nil {
			t.Fatal(err)
		}
		if r.Seconds <= 0 || r.Rate <= 0 || r.Best < r.Rate || r.Precision == "" {
			t.Errorf("%+v", r)
		}
	}
	for _, o := range []benchmark.GEMMOptions{
		{Direction: "dw", M: 8, N: 8, K: 8, Rounds: 1, Precision: "int8"}, {Direction: "up", M: 8, N: 8, K: 8, Rounds: 1},
		{Direction: "dx", M: 0, N: 8, K: 8, Rounds: 1}, {Direction: "dx", M: 8, N: 8, K: 8, Rounds: 1, Precision: "int4"},
	} {
		if _, err := benchmark.GEMM(dev, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if _, err := benchmark.GEMM(reference.New(), benchmark.GEMMOptions{Direction: "dx", M: 8, N: 8, K: 8, Rounds: 1, Precision: "int8"}); err == nil {
		t.Error("int8 on the reference device: no error")
	}
}

// TestStep times one step of every method on the small shape, in every precision that it has.
func TestStep(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for _, c := range []struct {
		method    string
		precision model.Precision
	}{{"smt", "int8"}, {"lora", "int8_backward"}} {
		r, err := benchmark.Step(cpu.New(), benchmark.StepOptions{Config: "S", Method: c.method, Seq: 16, Batch: 2, Steps: 1, Precision: c.precision})
		if err != nil {
			t.Fatal(err)
		}
		if r.Trainable <= 0 || r.Trainable > r.Params/50 || r.StepSeconds <= 0 || r.LossFirst < 9 || r.LossFirst > 12 || len(r.AllSteps) != 1 {
			t.Errorf("%+v", r)
		}
	}
	if _, err := benchmark.Step(cpu.New(), benchmark.StepOptions{Config: "XXL", Method: "smt", Seq: 16, Batch: 2, Steps: 1}); err == nil {
		t.Error("no such shape: no error")
	}
}
