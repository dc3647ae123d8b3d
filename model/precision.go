package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"smt/device"
)

// A Precision says in which numbers the products with frozen weights of linear layers are computed. Everything else, the
// head and what an adapter adds among it, stays in the device's own precision.
type Precision string

const (
	// Float32 is the device's own precision everywhere.
	Float32 Precision = "float32"
	// Int8Backward computes dX = dY W in 8-bit integers. The forward pass, and so the loss, is exact; the gradients of
	// what learns below are off by some percent.
	Int8Backward Precision = "int8_backward"
	// Int8 computes y = x Wᵀ in 8-bit integers too, but for outlier columns of x.
	Int8 Precision = "int8"
)

// Precisions are those there are.
var Precisions = []Precision{Float32, Int8Backward, Int8}

// A Channels says what the input of a linear layer looks like: see [device.Quantizer].
type Channels struct {
	Magnitudes []float32 // root mean squares of the columns
	Outliers   []int32   // the largest columns, ascending
}

// SetPrecision makes 8-bit copies of the weights of all linear layers that do not learn, or drops them. channels, which
// only Int8 needs, are those of each of Linears.
func (d *Decoder) SetPrecision(p Precision, channels []Channels) error {
	for _, s := range d.linears {
		s.Base.quantized, s.Base.quantizedForward = device.Tensor{}, false
	}
	if p == Float32 {
		return nil
	}
	if !slices.Contains(Precisions, p) {
		return fmt.Errorf("model: precision %q: expected one of %v", p, Precisions)
	}
	dev, ok := d.Device.(device.Quantizer)
	if !ok {
		return fmt.Errorf("model: precision %s: the device %s has no products of 8-bit integers", p, d.Device.Name())
	}
	for i, s := range d.linears {
		if s.Base.Weight.Learns() {
			return fmt.Errorf("model: precision %s: %s is trained itself; 8-bit integers are for frozen weights", p, s.Name)
		}
		var c Channels
		if p == Int8 && i < len(channels) {
			c = channels[i]
		}
		s.Base.quantized, s.Base.quantizedForward = dev.Quantize(s.Base.Weight.Value, c.Outliers, c.Magnitudes), p == Int8
	}
	return nil
}

// An observer is a linear layer that sums the squares of its input's columns.
type observer struct {
	*Dense
	squares device.Tensor // [1, in]
}

// Forward is that of the layer.
func (o *observer) Forward(y, x device.Tensor) {
	o.Dense.Forward(y, x)
	o.Device.ColumnDot(o.squares, x, x)
}

// Calibrate runs the forward pass over some batches and describes the input of each of Linears: the root mean squares of
// its columns, and as outliers the largest ones, the given share of all. A few channels of a language model's activations
// are far larger than the others; quantised together with them, the others would keep few of their bits.
func (d *Decoder) Calibrate(batches []*Input, share float64) ([]Channels, error) {
	observers := make([]*observer, len(d.linears))
	for i, s := range d.linears {
		observers[i] = &observer{Dense: s.Base, squares: d.Device.New(1, s.In)}
		before := *s.Linear
		*s.Linear = observers[i]
		defer func() { *s.Linear = before }()
	}
	tokens := 0
	for _, b := range batches {
		if _, err := d.Loss(b); err != nil {
			return nil, err
		}
		tokens += len(b.IDs)
	}
	all := make([]Channels, len(d.linears))
	for i, o := range observers {
		squares := make([]float64, o.squares.Cols)
		d.Device.Read(o.squares, squares)
		order := make([]int32, len(squares))
		for c := range order {
			order[c] = int32(c)
			all[i].Magnitudes = append(all[i].Magnitudes, float32(math.Sqrt(squares[c]/float64(tokens))))
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(squares[b], squares[a]) })
		all[i].Outliers = slices.Sorted(slices.Values(order[:int(math.Round(share*float64(len(order))))]))
	}
	return all, nil
}
