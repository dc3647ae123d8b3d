package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"smt/device"
)

// A Precision says in which numbers the products with frozen weights are computed. Everything else, and what an adapter
// adds, stays in the device's own precision.
type Precision string

const (
	// Float32 is the device's own precision everywhere.
	Float32 Precision = "float32"
	// BF16 rounds both operands to bfloat16, 8 bits of significand, in both passes and the head. Sums are float32.
	BF16 Precision = "bf16"
	// Int8Backward computes dX = dY W in 8-bit integers. The forward pass, and so the loss, is exact; the gradients of
	// what learns below are off by some percent.
	Int8Backward Precision = "int8_backward"
	// Int8 computes y = x Wᵀ in 8-bit integers too, but for outlier columns of x, and the head as BF16 does.
	Int8 Precision = "int8"
	// Int8Warmup is Int8 for passes that choose what is trained: the forward pass is that of BF16.
	Int8Warmup Precision = "int8_warmup"
)

// Precisions are those that a recipe may ask for.
var Precisions = []Precision{Float32, BF16, Int8Backward, Int8}

// Compact reports whether what the backward pass reads is kept in bfloat16 (see [Limits]): where frozen weights are multiplied
// in few bits, exact activations would not make the gradients better.
func (p Precision) Compact() bool { return p != Float32 }

// An arithmetic is how one kind of product with frozen weights is computed.
type arithmetic uint8

const (
	inFloat arithmetic = iota // the device's own
	inBF16                    // operands in bfloat16: device.Rounder
	inInt8                    // operands in 8-bit integers: device.Quantizer
)

// arithmetics are those of a precision.
func (p Precision) arithmetics() (forward, backward, head arithmetic, err error) {
	switch p {
	case Float32:
		return inFloat, inFloat, inFloat, nil
	case BF16:
		return inBF16, inBF16, inBF16, nil
	case Int8Backward:
		return inFloat, inInt8, inFloat, nil
	case Int8:
		return inInt8, inInt8, inBF16, nil
	case Int8Warmup:
		return inBF16, inInt8, inBF16, nil
	}
	return 0, 0, 0, fmt.Errorf("model: precision %q: expected one of %v", p, Precisions)
}

// The passes that a weight is multiplied in.
const (
	forwardPass = iota
	backwardPass
)

// standIns are tensors that stand for a frozen weight in the products of each pass; invalid ones leave the weight itself.
type standIns [2]device.Tensor

// in is what stands for w in a pass.
func (s *standIns) in(pass int, w *Parameter) device.Tensor {
	if s[pass].Valid() {
		return s[pass]
	}
	return w.Value
}

// A Channels says what the input of a linear layer looks like: see [device.Quantizer].
type Channels struct {
	Magnitudes []float32 // root mean squares of the columns
	Outliers   []int32   // the largest columns, ascending
}

// SetPrecision makes what the products of a precision need for the weights of the head and of all linear layers, none of
// which may learn, or drops it. channels, which only Int8 needs, are those of each of Linears.
func (d *Decoder) SetPrecision(p Precision, channels []Channels) error {
	d.headStand = standIns{}
	for _, s := range d.linears {
		s.Base.stand = standIns{}
	}
	forward, backward, head, err := p.arithmetics()
	if err != nil || p == Float32 {
		return err
	}
	rounder, rounds := d.Device.(device.Rounder)
	quantizer, quantizes := d.Device.(device.Quantizer)
	if !rounds && (forward == inBF16 || head == inBF16) || !quantizes && backward == inInt8 {
		return fmt.Errorf("model: precision %s: the device %s computes in no other precision than its own", p, d.Device.Name())
	}
	for i, s := range d.linears {
		w := s.Base.Weight
		if w.Learns() {
			return fmt.Errorf("model: precision %s: %s is trained itself; other precisions than float32 are for frozen weights", p, s.Name)
		}
		var copied device.Tensor
		if backward == inInt8 {
			var c Channels
			if forward == inInt8 && i < len(channels) {
				c = channels[i]
			}
			copied = quantizer.Quantize(w.Value, c.Outliers, c.Magnitudes)
		}
		for pass, a := range []arithmetic{forward, backward} {
			switch a {
			case inBF16:
				s.Base.stand[pass] = rounder.Rounded(w.Value)
			case inInt8:
				s.Base.stand[pass] = copied
			}
		}
	}
	if head == inBF16 && !d.head.Learns() {
		handle := rounder.Rounded(d.head.Value)
		d.headStand = standIns{handle, handle}
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
