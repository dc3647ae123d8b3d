package lowrank

import (
	"fmt"
	"math"
	"slices"

	"smt/device"
	"smt/export"
	"smt/model"
	"smt/optimizer"
)

// Options describe new adapters.
type Options struct {
	Modules []string // "q_proj" ...
	Rank    int      // r; 0 chooses it by Share
	Share   float64  // of all parameters of the model that A and B hold together; 0: 0.0084
	Alpha   float64  // s = Alpha/r; 0: 2r
	DoRA    bool
	Seed    uint64
}

// AttachNew puts new adapters on the linear layers of the given modules, initialised as in PEFT: A uniform in
// ±1/sqrt(in) (Kaiming with a = sqrt 5), B zero, and DoRA's m the norms of W's rows. It returns the rank.
func AttachNew(dev device.Device, dec *model.Decoder, o Options) ([]Layer, int, error) {
	if o.Rank == 0 {
		if o.Share == 0 {
			o.Share = 0.0084
		}
		per := 0
		for _, s := range dec.Linears() {
			if slices.Contains(o.Modules, s.Module) {
				per += s.In + s.Out
			}
		}
		if per == 0 {
			return nil, 0, fmt.Errorf("lowrank: target_modules %v: the model has none of them", o.Modules)
		}
		o.Rank = max(1, int(math.Round(o.Share*float64(dec.Config.Params())/float64(per))))
	}
	if o.Alpha == 0 {
		o.Alpha = 2 * float64(o.Rank)
	}
	a := &export.LowRank{Rank: o.Rank, Alpha: o.Alpha, DoRA: o.DoRA, TargetModules: o.Modules}
	state := o.Seed
	uniform := func() float64 {
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return float64((z^z>>31)>>11) / (1 << 53)
	}
	for _, s := range dec.Linears() {
		if !slices.Contains(o.Modules, s.Module) {
			continue
		}
		m := export.LowRankMatrix{Name: s.Name, Out: s.Out, In: s.In, A: make([]float32, o.Rank*s.In), B: make([]float32, s.Out*o.Rank)}
		bound := 1 / math.Sqrt(float64(s.In))
		for i := range m.A {
			m.A[i] = float32((2*uniform() - 1) * bound)
		}
		if o.DoRA {
			squares, host := dev.New(s.Out, 1), make([]float64, s.Out)
			dev.RowSquares(squares, s.Base.Weight.Value)
			dev.Read(squares, host)
			m.Magnitude = make([]float32, s.Out)
			for j, v := range host {
				m.Magnitude[j] = float32(math.Sqrt(v))
			}
		}
		a.Matrices = append(a.Matrices, m)
	}
	layers, err := Attach(dev, dec, a, true)
	return layers, o.Rank, err
}

// Tensors lists what is trained, for an optimizer.
func Tensors(layers []Layer) []optimizer.Tensor {
	var all []optimizer.Tensor
	for _, l := range layers {
		all = append(all, optimizer.Tensor{Name: l.Name + ".lora_A", Value: l.A, Grad: l.GradA},
			optimizer.Tensor{Name: l.Name + ".lora_B", Value: l.B, Grad: l.GradB})
		if l.DoRA != nil {
			all = append(all, optimizer.Tensor{Name: l.Name + ".lora_magnitude_vector", Value: l.Magnitude, Grad: l.GradMagnitude})
		}
	}
	return all
}

// Changed tells DoRA layers that an optimizer has changed their parameters.
func Changed(layers []Layer) {
	for _, l := range layers {
		if l.DoRA != nil {
			l.DoRA.Changed()
		}
	}
}

// Read copies the adapters out of the device, for a file.
func Read(dev device.Device, layers []Layer) []export.LowRankMatrix {
	read := func(t device.Tensor) []float32 {
		wide, out := make([]float64, t.Len()), make([]float32, t.Len())
		dev.Read(t, wide)
		for i, v := range wide {
			out[i] = float32(v)
		}
		return out
	}
	var all []export.LowRankMatrix
	for _, l := range layers {
		m := export.LowRankMatrix{Name: l.Name, Out: l.Slot.Out, In: l.Slot.In, A: read(l.A), B: read(l.B)}
		if l.DoRA != nil {
			m.Magnitude = read(l.Magnitude)
		}
		all = append(all, m)
	}
	return all
}
