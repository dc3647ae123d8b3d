package experiment

import (
	"fmt"
	"path/filepath"

	"smt/device"
	"smt/recipe"
	"smt/report"
	"smt/sparse"
)

// A place is a block of a matrix.
type place struct {
	Matrix string
	device.Block
}

// selection reads which blocks a cell has selected; one without a warm-up of its own has none.
func (r Result) selection() (*sparse.Selection, error) {
	return recipe.ReadSelection(filepath.Join(r.Dir, runDir, "selection.json"))
}

// places is the set of selected blocks.
func places(s *sparse.Selection) map[place]bool {
	set := map[place]bool{}
	for _, m := range s.Matrices {
		for _, b := range m.Blocks {
			set[place{m.Name, b.Block}] = true
		}
	}
	return set
}

// elements is the set of selected elements, in squares of the given side: selections of different block sizes can be compared
// by it if the side divides both. A block at the edge of its matrix may reach beyond it, where there is nothing to share.
func elements(s *sparse.Selection, side int) map[place]bool {
	set := map[place]bool{}
	each := max(1, s.BlockSize/side)
	for _, m := range s.Matrices {
		for _, b := range m.Blocks {
			rows, cols := m.BlockSize(b.Block, s.BlockSize)
			for r := 0; r < each && r*side < rows; r++ {
				for c := 0; c < each && c*side < cols; c++ {
					set[place{m.Name, device.Block{Row: b.Row*int32(each) + int32(r), Col: b.Col*int32(each) + int32(c)}}] = true
				}
			}
		}
	}
	return set
}

// moduleShares is the share of the selected elements in each module, and by layer the share of all selected elements in each
// of them: [layer][module].
func moduleShares(s *sparse.Selection, layers int) (modules []string, shares []float64, byLayer [][]float64) {
	at := map[string]int{}
	total := 0.0
	for _, m := range s.Matrices {
		if _, ok := at[m.Module]; !ok {
			at[m.Module] = len(modules)
			modules = append(modules, m.Module)
		}
	}
	shares = make([]float64, len(modules))
	for range layers {
		byLayer = append(byLayer, make([]float64, len(modules)))
	}
	for _, m := range s.Matrices {
		for _, b := range m.Blocks {
			rows, cols := m.BlockSize(b.Block, s.BlockSize)
			n := float64(rows * cols)
			total += n
			shares[at[m.Module]] += n
			byLayer[m.Layer][at[m.Module]] += n
		}
	}
	if total > 0 {
		for i := range shares {
			shares[i] /= total
			for _, layer := range byLayer {
				layer[i] /= total
			}
		}
	}
	return modules, shares, byLayer
}

// sharesFigure draws where a selection's elements lie.
func (l *Lab) sharesFigure(s *report.Section, file, name string, selected *sparse.Selection) {
	modules, _, byLayer := moduleShares(selected, l.Config.Layers)
	layers := make([]string, l.Config.Layers)
	for i := range layers {
		layers[i] = fmt.Sprint(i)
	}
	l.figure(s, file, "Share of the selected elements by layer and module: "+name+".", func(path string) error {
		return report.HeatMap(path, name+": share of the selected elements", layers, modules, byLayer)
	})
}
