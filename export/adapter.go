// Package export writes what training leaves behind, and reads it again: adapters of Sparse Matrix Tuning, LoRA and DoRA
// in the layout of Hugging Face's PEFT, and merged models as complete Hugging Face directories.
//
// An adapter names its base and holds only what was added to it. [Merge] adds it to the base's weights, in float32 and
// rounded once. All directories appear complete or not at all.
package export

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"smt/format/safetensors"
	"smt/internal/finite"
)

const (
	configName  = "adapter_config.json"
	weightsName = "adapter_model.safetensors"
	cardName    = "README.md"

	// modulePrefix is what PEFT puts before the path of a module of the base model.
	modulePrefix = "base_model.model."
	// weightSuffix makes the name of a linear layer's matrix from the path of its module.
	weightSuffix = ".weight"
	blocksSuffix = ".smt_blocks"
	indexSuffix  = ".smt_index"

	// maxBlockSize keeps the square of a block size, and its bytes, small enough to count with.
	maxBlockSize = 1 << 14
	// maxDimension is the largest dimension of a matrix that an int32 can index.
	maxDimension = 1<<31 - 1
)

// An Adapter is the result of Sparse Matrix Tuning: for each matrix W of the base, the blocks D_k that were tuned, so that
// the tuned matrix is W with D_k added to rows r_k·b to r_k·b+b and columns c_k·b to c_k·b+b, b being the block size.
type Adapter struct {
	// BaseModel is the directory or the hub name of the base, as the user gave it.
	BaseModel string
	// BaseSHA256 is [BaseSHA256] of the base's weights; an adapter is exact on no others.
	BaseSHA256 string
	// BlockSize is b.
	BlockSize int
	// Score names the block score by which the blocks were selected.
	Score string
	// ChatTemplate is written beside the blocks if it is not empty; see [ReadChatTemplate].
	ChatTemplate string
	// Matrices are those that have blocks.
	Matrices []AdapterMatrix
}

// An AdapterMatrix holds the tuned blocks of one matrix.
type AdapterMatrix struct {
	// Name is the path of the module, such as "model.layers.0.self_attn.v_proj".
	Name string
	// Out and In are the dimensions of the matrix [out, in].
	Out, In int
	// Blocks are the block row and block column of each block: 0 to ceil(out/b) and ceil(in/b), exclusive.
	Blocks [][2]int32
	// Deltas are the blocks [n, b, b], in the order of Blocks. What of a block at the lower or right edge lies outside of
	// the matrix is zero.
	Deltas []float32
}

// WriteAdapter makes the directory dir with adapter_config.json, adapter_model.safetensors and a README.md. For each
// matrix the tensors are base_model.model.<module>.smt_blocks, F32 [n, b, b], and .smt_index, I32 [n, 2]. An earlier
// adapter at dir is replaced as a whole; any other directory that is not empty is an error.
func WriteAdapter(dir string, a Adapter) error {
	if err := a.check(); err != nil {
		return fmt.Errorf("export: %s: %w", dir, err)
	}
	var tensors []safetensors.Output
	b := a.BlockSize
	for _, m := range a.Matrices {
		n := len(m.Blocks)
		index := make([]int32, 0, 2*n)
		for _, block := range m.Blocks {
			index = append(index, block[0], block[1])
		}
		tensors = append(tensors,
			safetensors.OutputFloat32(modulePrefix+m.Name+blocksSuffix, safetensors.F32, []int{n, b, b}, m.Deltas),
			safetensors.OutputInt32(modulePrefix+m.Name+indexSuffix, []int{n, 2}, index))
	}
	return writeAdapterDir(dir, a.config(), a.card(), a.ChatTemplate, tensors)
}

// ReadAdapter reads an adapter that [WriteAdapter] made. Everything is checked: sizes, block indices, that no block comes
// twice, that all values are finite, and that config and tensors tell the same.
func ReadAdapter(dir string) (*Adapter, error) {
	config, err := readAdapterConfig(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, weightsName)
	file, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	a, err := config.adapter(file)
	if err != nil {
		return nil, fmt.Errorf("export: %s: %w", path, err)
	}
	return a, nil
}

// adapter combines the config with the tensors.
func (c *adapterConfig) adapter(file *safetensors.File) (*Adapter, error) {
	a := &Adapter{BaseModel: joinRevision(c.BaseModel, c.Revision), BaseSHA256: c.BaseSHA256, BlockSize: c.BlockSize, Score: c.BlockScore}
	expected := make(map[string]bool, 2*len(c.Matrices))
	blocks := 0
	for _, matrix := range c.Matrices {
		m := AdapterMatrix{Name: matrix.Name, Out: matrix.Out, In: matrix.In}
		blocksName, indexName := modulePrefix+m.Name+blocksSuffix, modulePrefix+m.Name+indexSuffix
		expected[blocksName], expected[indexName] = true, true
		deltas, err := tensorOf(file, blocksName, safetensors.F32, matrix.NumBlocks, c.BlockSize, c.BlockSize)
		if err != nil {
			return nil, err
		}
		if m.Deltas, err = deltas.Float32s(); err != nil {
			return nil, err
		}
		index, err := tensorOf(file, indexName, safetensors.I32, matrix.NumBlocks, 2)
		if err != nil {
			return nil, err
		}
		pairs, err := index.Int32s()
		if err != nil {
			return nil, err
		}
		for pair := range slices.Chunk(pairs, 2) {
			m.Blocks = append(m.Blocks, [2]int32{pair[0], pair[1]})
		}
		a.Matrices = append(a.Matrices, m)
		blocks += len(m.Blocks)
	}
	for _, t := range file.Tensors() {
		if !expected[t.Name] {
			return nil, fmt.Errorf("tensor %q: is not of a matrix in %s", t.Name, configName)
		}
	}
	if blocks != c.NumBlocks {
		return nil, fmt.Errorf("holds %d blocks, num_blocks in %s is %d", blocks, configName, c.NumBlocks)
	}
	return a, a.check()
}

// tensorOf finds a tensor that must have the given dtype and shape.
func tensorOf(file *safetensors.File, name string, dtype safetensors.DType, shape ...int) (safetensors.Tensor, error) {
	t, ok := file.Tensor(name)
	switch {
	case !ok:
		return t, fmt.Errorf("tensor %q: is missing", name)
	case t.DType != dtype || !slices.Equal(t.Shape, shape):
		return t, fmt.Errorf("tensor %q: is %s %v, expected %s %v", name, t.DType, t.Shape, dtype, shape)
	}
	return t, nil
}

// check applies the rules of the format, for writing as for reading.
func (a *Adapter) check() error {
	if a.BlockSize < 1 || a.BlockSize > maxBlockSize {
		return fmt.Errorf("block size is %d, expected 1 to %d", a.BlockSize, maxBlockSize)
	}
	if !isSHA256(a.BaseSHA256) {
		return fmt.Errorf("the base's hash is %.80q, expected 64 hexadecimal digits", a.BaseSHA256)
	}
	if len(a.Matrices) == 0 {
		return fmt.Errorf("has no matrix with blocks")
	}
	seen := make(map[string]bool, len(a.Matrices))
	for _, m := range a.Matrices {
		if seen[m.Name] {
			return fmt.Errorf("matrix %q: comes twice", m.Name)
		}
		seen[m.Name] = true
		if err := m.check(a.BlockSize); err != nil {
			return fmt.Errorf("matrix %q: %w", m.Name, err)
		}
	}
	return nil
}

func (m *AdapterMatrix) check(b int) error {
	switch n := len(m.Blocks); {
	case m.Name == "":
		return fmt.Errorf("has no name")
	case m.Out < 1 || m.In < 1 || m.Out > maxDimension || m.In > maxDimension:
		return fmt.Errorf("is [%d, %d], expected dimensions from 1 to %d", m.Out, m.In, maxDimension)
	case n == 0:
		return fmt.Errorf("has no blocks")
	case len(m.Deltas)%(b*b) != 0 || len(m.Deltas)/(b*b) != n:
		return fmt.Errorf("has %d values, expected %d for %d blocks of %d × %d", len(m.Deltas), n*b*b, n, b, b)
	}
	rows, cols := blockCount(m.Out, b), blockCount(m.In, b)
	for _, block := range m.Blocks {
		if r, c := int(block[0]), int(block[1]); r < 0 || c < 0 || r >= rows || c >= cols {
			return fmt.Errorf("block (%d, %d) is outside of the %d × %d blocks of [%d, %d]", r, c, rows, cols, m.Out, m.In)
		}
	}
	sorted := slices.Clone(m.Blocks)
	slices.SortFunc(sorted, compareBlocks)
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return fmt.Errorf("block (%d, %d) comes twice", sorted[i][0], sorted[i][1])
		}
	}
	return m.checkValues(b)
}

// checkValues refuses values that are not finite, and values outside of the matrix, which no one would ever apply.
func (m *AdapterMatrix) checkValues(b int) error {
	for k, block := range m.Blocks {
		rows, cols := min(b, m.Out-int(block[0])*b), min(b, m.In-int(block[1])*b)
		for i, x := range m.Deltas[k*b*b : (k+1)*b*b] {
			switch {
			case x-x != 0: // Inf-Inf and NaN-NaN are NaN
				return fmt.Errorf("block (%d, %d): value [%d, %d] is %g, which is %w", block[0], block[1], i/b, i%b, x, finite.ErrNot)
			case x != 0 && (i/b >= rows || i%b >= cols):
				return fmt.Errorf("block (%d, %d): value [%d, %d] is %g, but lies outside of [%d, %d]",
					block[0], block[1], i/b, i%b, x, m.Out, m.In)
			}
		}
	}
	return nil
}

// blockCount is ceil(size/b).
func blockCount(size, b int) int { return (size + b - 1) / b }

// compareBlocks orders blocks by row, then by column.
func compareBlocks(a, b [2]int32) int {
	return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
}

// Parameters counts the tuned values that lie inside of their matrices.
func (a *Adapter) Parameters() int64 {
	var total int64
	for _, m := range a.Matrices {
		for _, block := range m.Blocks {
			rows, cols := min(a.BlockSize, m.Out-int(block[0])*a.BlockSize), min(a.BlockSize, m.In-int(block[1])*a.BlockSize)
			total += int64(rows) * int64(cols)
		}
	}
	return total
}

// NumBlocks counts the blocks of all matrices.
func (a *Adapter) NumBlocks() int {
	total := 0
	for _, m := range a.Matrices {
		total += len(m.Blocks)
	}
	return total
}

// Deltas are what [Merge] adds to the base, by the names of its tensors.
func (a *Adapter) Deltas() map[string]Delta {
	deltas := make(map[string]Delta, len(a.Matrices))
	for _, m := range a.Matrices {
		deltas[m.Name+weightSuffix] = newBlockDelta(m, a.BlockSize)
	}
	return deltas
}

// targetModules are the last parts of module paths, each once, sorted: "q_proj" for "model.layers.0.self_attn.q_proj".
func targetModules(names []string) []string {
	targets := make([]string, len(names))
	for i, name := range names {
		targets[i] = name[strings.LastIndexByte(name, '.')+1:]
	}
	slices.Sort(targets)
	return slices.Compact(targets)
}
