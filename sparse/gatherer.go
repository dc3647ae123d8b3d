package sparse

import (
	"fmt"

	"smt/device"
)

// A Gatherer is the fifth part of SMT, the sparse gatherer: the selected blocks of all matrices as one compact matrix
// [n·b, b], with one gradient and one pair of Adam moments of the same shape, so that the optimizer's memory and work
// follow the selected blocks alone. Block k of the whole selection has rows k·b to k·b+b.
type Gatherer struct {
	Size          int
	Delta         device.Tensor // D, the learnt difference from the base: the float masters of the blocks
	Grad          device.Tensor
	Moment1       device.Tensor
	Moment2       device.Tensor
	Linears       []*Linear  // one for each matrix that owns selected blocks
	Selected      []Selected // in the order of Linears
	blocks        int
	trainedValues int
}

// Selected are the blocks of one matrix, in the order in which they lie in the gatherer.
type Selected struct {
	Matrix
	Blocks []device.Block
	First  int // number of the first block in the gatherer
}

// Gather makes a sparse layer over base(m) for every matrix of the selection, and the compact tensors they share. With
// train, gradients and moments are made too; without, the layers only compute (inference with an adapter).
func Gather(dev device.Device, s *Selection, base func(m Matrix) (Base, error), train bool) (*Gatherer, error) {
	g := &Gatherer{Size: s.BlockSize}
	for _, m := range s.Matrices {
		if len(m.Blocks) == 0 {
			continue
		}
		chosen := Selected{Matrix: m.Matrix, First: g.blocks, Blocks: byColumn(m.Blocks)}
		g.blocks += len(chosen.Blocks)
		for _, k := range chosen.Blocks {
			r, c := m.BlockSize(k, s.BlockSize)
			g.trainedValues += r * c
		}
		g.Selected = append(g.Selected, chosen)
	}
	if g.blocks == 0 {
		return nil, fmt.Errorf("sparse: the selection holds no block")
	}
	rows, b := g.blocks*s.BlockSize, s.BlockSize
	g.Delta = dev.New(rows, b)
	if train {
		g.Grad, g.Moment1, g.Moment2 = dev.New(rows, b), dev.New(rows, b), dev.New(rows, b)
	}
	for _, m := range g.Selected {
		under, err := base(m.Matrix)
		if err != nil {
			return nil, err
		}
		from, to := m.First*b, (m.First+len(m.Blocks))*b
		l := &Linear{Device: dev, Base: under, Blocks: m.Blocks, Size: b, Delta: g.Delta.Slice(from, to)}
		if train {
			l.Grad = g.Grad.Slice(from, to)
		}
		g.Linears = append(g.Linears, l)
	}
	return g, nil
}

// Blocks is the number of selected blocks.
func (g *Gatherer) Blocks() int { return g.blocks }

// Values is the number of trained values: those of the selected blocks, ragged ones counted by their real size.
func (g *Gatherer) Values() int { return g.trainedValues }

// StopGradient makes the layers compute without gradients.
func (g *Gatherer) StopGradient() {
	for _, l := range g.Linears {
		l.Grad = device.Tensor{}
	}
}
