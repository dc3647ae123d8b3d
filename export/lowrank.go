package export

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"smt/format/safetensors"
	"smt/internal/finite"
)

const (
	loraASuffix     = ".lora_A.weight"
	loraBSuffix     = ".lora_B.weight"
	magnitudeSuffix = ".lora_magnitude_vector"

	// maxRank bounds the rank; a larger one would be no saving over the matrix in any model.
	maxRank = 1 << 16
)

// A LowRank is an adapter of LoRA (Hu et al., 2021) or DoRA (Liu et al., 2024). With the scale s, which is alpha/r or,
// for rank-stabilized LoRA, alpha/sqrt(r), a matrix W becomes W' = W + s·B·A; and with DoRA each row of W' is then divided
// by its norm and multiplied by its entry of the magnitude.
type LowRank struct {
	Rank  int
	Alpha float64
	// RSLora selects the scale alpha/sqrt(r).
	RSLora bool
	DoRA   bool
	// BaseModel is the directory or the hub name of the base, as the user gave it.
	BaseModel string
	// TargetModules are the last parts of module paths, such as "q_proj".
	TargetModules []string
	// ChatTemplate is written beside the matrices if it is not empty; see [ReadChatTemplate].
	ChatTemplate string
	Matrices     []LowRankMatrix
}

// A LowRankMatrix is the adapter of one matrix [out, in].
type LowRankMatrix struct {
	// Name is the path of the module, such as "model.layers.0.self_attn.v_proj".
	Name    string
	Out, In int
	// A is [r, in] and B is [out, r].
	A, B []float32
	// Magnitude is [out] with DoRA, nil without.
	Magnitude []float32
}

// Scale is the factor s of B·A.
func (l *LowRank) Scale() float64 {
	if l.RSLora {
		return l.Alpha / math.Sqrt(float64(l.Rank))
	}
	return l.Alpha / float64(l.Rank)
}

// WriteLowRank makes the directory dir with the files that PEFT reads: adapter_config.json, adapter_model.safetensors in
// float32, and a README.md. An earlier adapter at dir is replaced as a whole; any other directory that is not empty is
// an error.
func WriteLowRank(dir string, l LowRank) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("export: %s: %w", dir, err)
	}
	matrices := slices.Clone(l.Matrices)
	slices.SortFunc(matrices, func(a, b LowRankMatrix) int { return strings.Compare(a.Name, b.Name) })
	var tensors []safetensors.Output
	for _, m := range matrices {
		tensors = append(tensors,
			safetensors.OutputFloat32(modulePrefix+m.Name+loraASuffix, safetensors.F32, []int{l.Rank, m.In}, m.A),
			safetensors.OutputFloat32(modulePrefix+m.Name+loraBSuffix, safetensors.F32, []int{m.Out, l.Rank}, m.B))
		if l.DoRA {
			tensors = append(tensors,
				safetensors.OutputFloat32(modulePrefix+m.Name+magnitudeSuffix, safetensors.F32, []int{m.Out}, m.Magnitude))
		}
	}
	return writeAdapterDir(dir, l.config(), l.card(), l.ChatTemplate, tensors)
}

// ReadLowRank reads a LoRA or DoRA adapter in PEFT's layout, of dtype F32, F16 or BF16. A feature of PEFT that would
// change the result and is not implemented here is an error that names it.
func ReadLowRank(dir string) (*LowRank, error) {
	configPath := filepath.Join(dir, configName)
	data, err := readConfigFile(configPath)
	if err != nil {
		return nil, err
	}
	l, err := parseLowRankConfig(data)
	if err != nil {
		return nil, fmt.Errorf("export: %s: %w", configPath, err)
	}
	path := filepath.Join(dir, weightsName)
	file, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := l.readMatrices(file); err != nil {
		return nil, fmt.Errorf("export: %s: %w", path, err)
	}
	return l, nil
}

// readMatrices collects the tensors of each module, in the order in which modules first appear.
func (l *LowRank) readMatrices(file *safetensors.File) error {
	place := make(map[string]int)
	for _, t := range file.Tensors() {
		module, suffix := splitLowRankName(t.Name)
		if module == "" {
			return fmt.Errorf("tensor %q: is not of a LoRA or DoRA linear layer (%s<module>%s, %s or %s)",
				t.Name, modulePrefix, loraASuffix, loraBSuffix, magnitudeSuffix)
		}
		i, seen := place[module]
		if !seen {
			i = len(l.Matrices)
			place[module] = i
			l.Matrices = append(l.Matrices, LowRankMatrix{Name: module})
		}
		values, err := t.Float32s()
		if err != nil {
			return err
		}
		if err := l.Matrices[i].set(t, suffix, l.Rank, values); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	return l.check()
}

// splitLowRankName takes "base_model.model.<module>.lora_A.weight" apart; module is "" for other names. Older releases
// of PEFT wrote the magnitude with ".weight" at its end.
func splitLowRankName(name string) (module, suffix string) {
	rest, ok := strings.CutPrefix(name, modulePrefix)
	if !ok {
		return "", ""
	}
	if module, ok := strings.CutSuffix(rest, magnitudeSuffix+weightSuffix); ok {
		return module, magnitudeSuffix
	}
	for _, suffix := range []string{loraASuffix, loraBSuffix, magnitudeSuffix} {
		if module, ok := strings.CutSuffix(rest, suffix); ok {
			return module, suffix
		}
	}
	return "", ""
}

// set puts one tensor in its place.
func (m *LowRankMatrix) set(t safetensors.Tensor, suffix string, rank int, values []float32) error {
	place, shape := &m.Magnitude, "[out]"
	fits := len(t.Shape) == 1
	switch suffix {
	case loraASuffix:
		place, shape = &m.A, fmt.Sprintf("[%d, in]", rank)
		fits = len(t.Shape) == 2 && t.Shape[0] == rank
	case loraBSuffix:
		place, shape = &m.B, fmt.Sprintf("[out, %d]", rank)
		fits = len(t.Shape) == 2 && t.Shape[1] == rank
	}
	switch {
	case !fits:
		return fmt.Errorf("has shape %v, expected %s", t.Shape, shape)
	case *place != nil:
		return fmt.Errorf("comes twice")
	}
	*place = values
	switch suffix {
	case loraASuffix:
		m.In = t.Shape[1]
	case loraBSuffix:
		m.Out = t.Shape[0]
	}
	return nil
}

// check applies the rules of the format, for writing as for reading.
func (l *LowRank) check() error {
	switch {
	case l.Rank < 1 || l.Rank > maxRank:
		return fmt.Errorf("rank is %d, expected 1 to %d", l.Rank, maxRank)
	case !isFinite(l.Alpha):
		return fmt.Errorf("alpha is %g", l.Alpha)
	case len(l.Matrices) == 0:
		return fmt.Errorf("has no matrices")
	}
	seen := make(map[string]bool, len(l.Matrices))
	for _, m := range l.Matrices {
		if seen[m.Name] || m.Name == "" {
			return fmt.Errorf("matrix %q: the name is empty or comes twice", m.Name)
		}
		seen[m.Name] = true
		if err := m.check(l.Rank, l.DoRA); err != nil {
			return fmt.Errorf("matrix %q: %w", m.Name, err)
		}
	}
	return nil
}

func (m *LowRankMatrix) check(rank int, dora bool) error {
	switch {
	case m.A == nil || m.B == nil:
		return fmt.Errorf("has only one of lora_A and lora_B")
	case m.Out < 1 || m.In < 1 || m.Out > maxDimension || m.In > maxDimension:
		return fmt.Errorf("is [%d, %d], expected dimensions from 1 to %d", m.Out, m.In, maxDimension)
	case len(m.A) != rank*m.In || len(m.B) != m.Out*rank:
		return fmt.Errorf("lora_A has %d values and lora_B %d, expected [%d, %d] and [%d, %d]",
			len(m.A), len(m.B), rank, m.In, m.Out, rank)
	case dora && len(m.Magnitude) != m.Out:
		return fmt.Errorf("the magnitude has %d values, expected %d, since use_dora is true", len(m.Magnitude), m.Out)
	case !dora && m.Magnitude != nil:
		return fmt.Errorf("has a magnitude, but use_dora is false")
	}
	for _, part := range []struct {
		name   string
		values []float32
	}{{"lora_A", m.A}, {"lora_B", m.B}, {"magnitude", m.Magnitude}} {
		for i, x := range part.values {
			if x-x != 0 { // Inf-Inf and NaN-NaN are NaN
				return fmt.Errorf("value %d of %s is %g, which is %w", i, part.name, x, finite.ErrNot)
			}
		}
	}
	return nil
}

func isFinite(x float64) bool { return x-x == 0 }

// Deltas are what [Merge] adds to the base, by the names of its tensors.
func (l *LowRank) Deltas() map[string]Delta {
	deltas := make(map[string]Delta, len(l.Matrices))
	for _, m := range l.Matrices {
		deltas[m.Name+weightSuffix] = &lowRankDelta{matrix: m, rank: l.Rank, scale: float32(l.Scale())}
	}
	return deltas
}
