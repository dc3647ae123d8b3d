package benchmark

import (
	"fmt"
	"slices"
	"time"

	"smt/device"
	"smt/model"
)

// A GEMMOptions says which product of a linear layer W [N, K] with M tokens to time.
type GEMMOptions struct {
	Direction string // forward (y = x Wᵀ), dx (dX = dY W) or dw (dW = dYᵀ X)
	M, N, K   int
	Rounds    int
	Precision model.Precision // float32; or bf16 or int8, for forward and dx
}

// A GEMMResult is what one JSON line tells; rates are in 1e9 operations a second, a multiplication and an addition being
// two.
type GEMMResult struct {
	Direction string          `json:"direction"`
	M         int             `json:"m"`
	N         int             `json:"n"`
	K         int             `json:"k"`
	Precision model.Precision `json:"precision"`
	Kernels   string          `json:"kernels"`
	Seconds   float64         `json:"seconds"` // median of the rounds
	Rate      float64         `json:"gflops"`
	Best      float64         `json:"best_gflops"`
}

// GEMM times a product, each round for at least a tenth of a second.
func GEMM(dev device.Device, o GEMMOptions) (*GEMMResult, error) {
	if o.M < 1 || o.N < 1 || o.K < 1 || o.Rounds < 1 {
		return nil, fmt.Errorf("benchmark: a product of %d tokens with [%d, %d], %d rounds: expected sizes from 1", o.M, o.N, o.K, o.Rounds)
	}
	filled := func(rows, cols int) device.Tensor {
		t, values := dev.New(rows, cols), make([]float64, rows*cols)
		for i := range values {
			values[i] = float64(token(i, 1<<16))/(1<<16) - 0.5
		}
		dev.Write(t, values)
		return t
	}
	w, x, dy := filled(o.N, o.K), filled(o.M, o.K), filled(o.M, o.N)
	switch o.Precision {
	case "", model.Float32:
		o.Precision = model.Float32
	case model.BF16:
		q, ok := dev.(device.Rounder)
		if !ok || o.Direction == "dw" {
			return nil, fmt.Errorf("benchmark: precision bf16 is for forward and dx, on a device that has it")
		}
		w = q.Rounded(w)
	case model.Int8:
		q, ok := dev.(device.Quantizer)
		if !ok || o.Direction == "dw" {
			return nil, fmt.Errorf("benchmark: precision int8 is for forward and dx, on a device that has it")
		}
		w = q.Quantize(w, nil, nil)
	default:
		return nil, fmt.Errorf("benchmark: precision %q: expected float32, bf16 or int8", o.Precision)
	}
	var call func()
	switch o.Direction {
	case "forward":
		call = func() { dev.MatMul(dy, x, false, w, true, false) }
	case "dx":
		call = func() { dev.MatMul(x, dy, false, w, false, false) }
	case "dw":
		call = func() { dev.MatMul(w, dy, true, x, false, false) }
	default:
		return nil, fmt.Errorf("benchmark: direction %q: expected forward, dx or dw", o.Direction)
	}
	call()
	var times []float64
	for range o.Rounds {
		calls, began := 0, time.Now()
		for time.Since(began) < 100*time.Millisecond {
			call()
			calls++
		}
		times = append(times, time.Since(began).Seconds()/float64(calls))
	}
	slices.Sort(times)
	work := 2 * float64(o.M) * float64(o.N) * float64(o.K) / 1e9
	median := times[len(times)/2]
	return &GEMMResult{Direction: o.Direction, M: o.M, N: o.N, K: o.K, Precision: o.Precision, Kernels: dev.Name(), Seconds: median,
		Rate: work / median, Best: work / times[0]}, nil
}
