package sparse

import (
	"fmt"

	"smt/device"
	"smt/export"
)

// A MatrixDelta is what was learnt of one matrix, read back from the device: block k's values are Values[k·b² : (k+1)·b²].
type MatrixDelta struct {
	Matrix
	Blocks []device.Block
	Values []float64
}

// Read copies the learnt blocks out of the gatherer.
func (g *Gatherer) Read(dev device.Device) []MatrixDelta {
	var out []MatrixDelta
	b := g.Size
	for i, m := range g.Selected {
		values := make([]float64, len(m.Blocks)*b*b)
		dev.Read(g.Linears[i].Delta, values)
		out = append(out, MatrixDelta{m.Matrix, m.Blocks, values})
	}
	return out
}

// AddTo adds the blocks, of size b, to a weight [Out, In] that lies row by row.
func (m MatrixDelta) AddTo(weight []float64, b int) {
	for k, block := range m.Blocks {
		rows, cols := m.BlockSize(block, b)
		for r := range rows {
			to := weight[(int(block.Row)*b+r)*m.In+int(block.Col)*b:][:cols]
			for c := range to {
				to[c] += m.Values[(k*b+r)*b+c]
			}
		}
	}
}

// Adapter gathers what was learnt for an adapter file; the caller adds what it knows of the base and the run.
func (g *Gatherer) Adapter(dev device.Device) export.Adapter {
	a := export.Adapter{BlockSize: g.Size}
	for _, m := range g.Read(dev) {
		e := export.AdapterMatrix{Name: m.Name, Out: m.Out, In: m.In, Deltas: make([]float32, len(m.Values))}
		for _, k := range m.Blocks {
			e.Blocks = append(e.Blocks, [2]int32{k.Row, k.Col})
		}
		for i, v := range m.Values {
			e.Deltas[i] = float32(v)
		}
		a.Matrices = append(a.Matrices, e)
	}
	return a
}

// Attach makes sparse layers from an adapter, for inference. targets are the matrices that the model has.
func Attach(dev device.Device, a *export.Adapter, targets []Matrix, base func(Matrix) (Base, error)) (*Gatherer, error) {
	byName := map[string]Matrix{}
	for _, m := range targets {
		byName[m.Name] = m
	}
	s := &Selection{BlockSize: a.BlockSize}
	values := map[string]map[device.Block][]float32{}
	size := a.BlockSize * a.BlockSize
	for _, e := range a.Matrices {
		m, ok := byName[e.Name]
		if !ok || m.Out != e.Out || m.In != e.In {
			return nil, fmt.Errorf("sparse: adapter matrix %q [%d, %d] is not in the model with that shape: the adapter belongs to another base", e.Name, e.Out, e.In)
		}
		chosen := MatrixSelection{Matrix: m}
		values[m.Name] = map[device.Block][]float32{}
		for k, at := range e.Blocks {
			block := device.Block{Row: at[0], Col: at[1]}
			chosen.Blocks = append(chosen.Blocks, ScoredBlock{Block: block})
			values[m.Name][block] = e.Deltas[k*size : (k+1)*size]
		}
		s.Matrices = append(s.Matrices, chosen)
	}
	g, err := Gather(dev, s, base, false)
	if err != nil {
		return nil, err
	}
	wide := make([]float64, size)
	for i, m := range g.Selected {
		for k, block := range m.Blocks {
			for j, v := range values[m.Name][block] {
				wide[j] = float64(v)
			}
			dev.Write(g.Linears[i].Delta.Slice(k*a.BlockSize, (k+1)*a.BlockSize), wide)
		}
	}
	return g, nil
}
