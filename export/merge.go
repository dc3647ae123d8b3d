package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"smt/durable"
	"smt/format/safetensors"
)

// The files by which a model is known, with the names of Hugging Face.
const (
	modelConfig = "config.json"
	singleName  = "model.safetensors"
	ownIndex    = "model.safetensors.index.json"
)

// mergeChunk is how many bytes are computed and written at a time: enough work for all processors, and a progress bar
// that moves.
const mergeChunk = 8 << 20

// MergeOptions are choices for [Merge]; the zero value is a good one.
type MergeOptions struct {
	// Overwrite allows to replace an earlier model, as a whole. Any other directory that is not empty is an error all the same.
	Overwrite bool
	// Keep are directories that, like the base, must not lie in the output directory: those from which the deltas were read.
	Keep []string
	// ChatTemplate, if not empty, takes the place of the base's chat template.
	ChatTemplate string
	// Progress, if set, is told how many of the bytes of all tensors are written.
	Progress func(done, total int64)
}

// Merge makes outDir, a complete Hugging Face directory of the model in baseDir with deltas applied, by the names of
// tensors. The files of weights have the names, headers and dtypes of the base's; a tensor without delta is copied byte by
// byte, one with a delta is widened to float32, changed, and rounded once to nearest-even. Config, tokenizer, chat
// template and licence are copied as they are.
//
// A delta for a tensor that the base does not store, of another shape, or that leaves a value that is not finite, is an
// error that names the tensor. An outDir that is taken is an error that wraps [fs.ErrExist]. In all errors, and when ctx ends,
// outDir stays as it was.
func Merge(ctx context.Context, baseDir, outDir string, deltas map[string]Delta, options MergeOptions) error {
	if err := checkApart(outDir, append([]string{baseDir}, options.Keep...)); err != nil {
		return err
	}
	model, err := safetensors.OpenModel(baseDir)
	if err != nil {
		return err
	}
	defer model.Close()
	if err := checkDeltas(model, deltas); err != nil {
		return fmt.Errorf("export: %s: %w", baseDir, err)
	}
	d, err := newModelDir(outDir, options.Overwrite)
	if err != nil {
		return err
	}
	defer d.Discard()
	if err := durable.Require(outDir, model.Size()); err != nil {
		return err
	}
	m := &merger{ctx: ctx, deltas: deltas, progress: options.Progress, total: model.Size()}
	for _, file := range model.Files() {
		if err := file.Rewrite(d.Join(filepath.Base(file.Path())), m.writeTensor); err != nil {
			return err
		}
	}
	// What decides is the name, not the number of files: an index may list a single shard.
	sharded := filepath.Base(model.Files()[0].Path()) != singleName
	if err := copyCompanions(d, baseDir, sharded, options.ChatTemplate); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("export: %s: %w", outDir, err)
	}
	return d.Commit()
}

// checkApart refuses an output directory that is or holds one of those that are read: replacing it would remove them.
func checkApart(outDir string, read []string) error {
	for _, dir := range read {
		if durable.Contains(outDir, dir) {
			return fmt.Errorf("export: %s: holds %s, which is being merged; choose another directory: %w", outDir, dir, fs.ErrExist)
		}
	}
	return nil
}

// newModelDir starts the directory of a model. Overwriting replaces an earlier model and nothing else: a directory that was named by
// mistake, such as that of a whole run, stays.
func newModelDir(dir string, overwrite bool) (*durable.Dir, error) {
	isModel := overwrite && holdsModel(dir)
	d, err := durable.NewDir(dir, isModel)
	if overwrite && !isModel && errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("export: %s: holds no model (%s with %s or its index), and nothing else is overwritten; choose another "+
			"directory: %w", dir, modelConfig, singleName, fs.ErrExist)
	}
	return d, err
}

// holdsModel reports whether dir looks like what Merge writes.
func holdsModel(dir string) bool {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	return has(modelConfig) && (has(singleName) || has(ownIndex))
}

// checkDeltas compares all deltas with the base before anything is written.
func checkDeltas(model *safetensors.Model, deltas map[string]Delta) error {
	for _, name := range slices.Sorted(maps.Keys(deltas)) {
		t, ok := model.Tensor(name)
		if !ok {
			return fmt.Errorf("tensor %q: is not in the base model, but a change for it is given", name)
		}
		switch t.DType {
		case safetensors.F32, safetensors.F16, safetensors.BF16:
		default:
			return fmt.Errorf("tensor %q: is %s, expected F32, F16 or BF16 for a tensor that changes", name, t.DType)
		}
		rows, cols := deltas[name].Shape()
		if shape := []int{rows, cols}; !slices.Equal(t.Shape, shape) && !(rows == 1 && slices.Equal(t.Shape, shape[1:])) {
			return fmt.Errorf("tensor %q: is %v in the base model, but the change for it is %v", name, t.Shape, shape)
		}
	}
	return nil
}

// A merger writes tensors and counts their bytes.
type merger struct {
	ctx         context.Context
	deltas      map[string]Delta
	progress    func(done, total int64)
	done, total int64
	buffer      []byte // of the chunk that is computed
}

func (m *merger) writeTensor(t safetensors.Tensor, w io.Writer) error {
	delta := m.deltas[t.Name]
	if delta == nil {
		for chunk := range slices.Chunk(t.Data, mergeChunk) {
			if err := m.write(w, chunk); err != nil {
				return err
			}
		}
		return nil
	}
	rows, cols := delta.Shape()
	rowBytes := cols * t.DType.Size()
	if rows*rowBytes == 0 {
		return nil
	}
	rowsPerChunk := min(rows, max(1, mergeChunk/rowBytes))
	m.buffer = slices.Grow(m.buffer[:0], rowsPerChunk*rowBytes)
	for first := 0; first < rows; first += rowsPerChunk {
		last := min(first+rowsPerChunk, rows)
		tuned := m.buffer[:(last-first)*rowBytes]
		if err := applyRows(tuned, t, delta, first, last); err != nil {
			return err
		}
		if err := m.write(w, tuned); err != nil {
			return err
		}
	}
	return nil
}

func (m *merger) write(w io.Writer, chunk []byte) error {
	if err := m.ctx.Err(); err != nil {
		return err
	}
	if _, err := w.Write(chunk); err != nil {
		return err
	}
	m.done += int64(len(chunk))
	if m.progress != nil {
		m.progress(m.done, m.total)
	}
	return nil
}

// applyRows computes rows first to last of a tuned matrix into dst, in the dtype of t. The rows are shared out among the
// processors; no row depends on another, so neither does the result on how.
func applyRows(dst []byte, t safetensors.Tensor, delta Delta, first, last int) error {
	_, cols := delta.Shape()
	rowBytes := cols * t.DType.Size()
	workers := min(runtime.GOMAXPROCS(0), last-first)
	errs := make([]error, workers)
	var wait sync.WaitGroup
	for worker := range workers {
		wait.Go(func() {
			values := make([]float32, cols)
			for row := first + (last-first)*worker/workers; row < first+(last-first)*(worker+1)/workers; row++ {
				base := t.Data[row*rowBytes : (row+1)*rowBytes]
				err := safetensors.Widen(values, t.DType, base)
				if err == nil {
					delta.Apply(row, values)
					err = safetensors.Round(dst[(row-first)*rowBytes:(row-first+1)*rowBytes], t.DType, values)
				}
				if err != nil {
					errs[worker] = fmt.Errorf("row %d of the tuned matrix: %w", row, err)
					return
				}
			}
		})
	}
	wait.Wait()
	for _, err := range errs { // the first in the order of rows
		if err != nil {
			return err
		}
	}
	return nil
}

// companionPatterns are the small files of a model that go with its weights: configs, tokenizer, chat template, licence.
var companionPatterns = []string{"*.json", "*.txt", "*.model", "*.jinja", "LICENSE*", "LICENCE*", "NOTICE*"}

// copyCompanions copies them byte by byte. An index belongs to the weights only if they have shards; indices of other
// formats, and the manifest of another directory, would tell untruths about this one. A chatTemplate takes the place of the base's.
func copyCompanions(d *durable.Dir, baseDir string, sharded bool, chatTemplate string) error {
	entries, err := os.ReadDir(baseDir)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !isCompanion(name) || name == ownIndex && !sharded || name == chatTemplateName && chatTemplate != "" {
			continue
		}
		// Links, which the Hugging Face cache is made of, are followed.
		path := filepath.Join(baseDir, name)
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		err = d.WriteFile(name, func(w io.Writer) error {
			file, err := os.Open(path)
			if err != nil {
				return fmt.Errorf("export: %w", err)
			}
			defer file.Close()
			_, err = io.Copy(w, file)
			return err
		})
		if err != nil {
			return err
		}
	}
	return writeChatTemplate(d, chatTemplate)
}

func isCompanion(name string) bool {
	switch name {
	case durable.ManifestName, "pytorch_model.bin.index.json", "tf_model.h5.index.json", "flax_model.msgpack.index.json",
		configName:
		return false
	}
	return slices.ContainsFunc(companionPatterns, func(pattern string) bool {
		matched, _ := filepath.Match(pattern, name)
		return matched
	})
}
