// Package checkpoint keeps and finds the full state of a training run: everything that going on with the same bits needs.
//
// A checkpoint is a directory checkpoint-000120 with state.json (whatever the run wants to know), state.safetensors (every
// tensor of the state, exact) and manifest.json (SHA-256 of the others, written last). It appears under its name only when
// all of it is on disk.
package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"smt/device"
	"smt/durable"
	"smt/format/safetensors"
)

// A Tensor is one named part of the state.
type Tensor struct {
	Name string
	device.Tensor
}

const (
	stateFile  = "state.json"
	tensorFile = "state.safetensors"
)

var directoryName = regexp.MustCompile(`^checkpoint-(\d{6,})$`)

// Name is the directory name of the checkpoint after a number of steps.
func Name(step int) string { return fmt.Sprintf("checkpoint-%06d", step) }

// Save writes the state after step steps under parent and returns its directory. state is stored as JSON. Then older
// checkpoints are removed until keep are left (0 keeps all); the new one is never removed. What processes that were killed have left
// unfinished under parent is cleared first, as far as it lets itself: a checkpoint is as large as the trained values and their moments.
func Save(parent string, step int, state any, dev device.Device, tensors []Tensor, keep int) (string, error) {
	// What cannot be cleared, such as a leftover that belongs to another user, takes room but is in nobody's way: a run must not
	// lose its checkpoint to it.
	_, _ = durable.RemoveStale(parent)
	path := filepath.Join(parent, Name(step))
	dir, err := durable.NewDir(path, true)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	defer dir.Discard()
	if err := write(dir, state, dev, tensors); err != nil {
		return "", fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	if err := dir.Commit(); err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	if keep > 0 {
		if err := prune(parent, step, keep); err != nil {
			return path, fmt.Errorf("checkpoint: removing old ones: %w", err)
		}
	}
	return path, nil
}

// write fills the directory of a new checkpoint.
func write(dir *durable.Dir, state any, dev device.Device, tensors []Tensor) error {
	if err := dir.WriteFile(stateFile, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(state)
	}); err != nil {
		return err
	}
	var outputs []safetensors.Output
	for _, t := range tensors {
		outputs = append(outputs, exact(dev, t))
	}
	if err := safetensors.Write(dir.Join(tensorFile), outputs, nil); err != nil {
		return err
	}
	return dir.WriteManifest()
}

// exact stores a tensor in float32 where that loses nothing (a device that computes in float32), else in float64. It
// reads some rows at a time, twice: once to decide, once to write.
func exact(dev device.Device, t Tensor) safetensors.Output {
	output := safetensors.Output{Name: t.Name, DType: "F32", Shape: []int{t.Rows, t.Cols}, Size: 4 * int64(t.Len())}
	err := eachRows(dev, t.Tensor, func(values []float64) error {
		for _, v := range values {
			if float64(float32(v)) != v && v == v {
				return errWide
			}
		}
		return nil
	})
	if err != nil {
		output.DType, output.Size = "F64", 8*int64(t.Len())
	}
	output.WriteTo = func(w io.Writer) error {
		var buffer []byte
		return eachRows(dev, t.Tensor, func(values []float64) error {
			buffer = buffer[:0]
			for _, v := range values {
				if output.DType == "F32" {
					buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(float32(v)))
				} else {
					buffer = binary.LittleEndian.AppendUint64(buffer, math.Float64bits(v))
				}
			}
			_, err := w.Write(buffer)
			return err
		})
	}
	return output
}

var errWide = errors.New("checkpoint: a value needs float64")

// chunkElements is how many values are copied from or to the device at a time.
const chunkElements = 1 << 18

// eachPart calls f with parts of t of some rows each, and the index of a part's first element.
func eachPart(t device.Tensor, f func(part device.Tensor, first int) error) error {
	step := max(chunkElements/max(t.Cols, 1), 1)
	for r := 0; r < t.Rows; r += step {
		if err := f(t.Slice(r, min(r+step, t.Rows)), r*t.Cols); err != nil {
			return err
		}
	}
	return nil
}

// eachRows calls f with the values of t, some rows at a time.
func eachRows(dev device.Device, t device.Tensor, f func(values []float64) error) error {
	var values []float64
	return eachPart(t, func(part device.Tensor, _ int) error {
		values = slices.Grow(values[:0], part.Len())[:part.Len()]
		dev.Read(part, values)
		return f(values)
	})
}

// List returns the steps of the checkpoints under parent, ascending.
func List(parent string) ([]int, error) {
	entries, err := os.ReadDir(parent)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	var steps []int
	for _, e := range entries {
		if m := directoryName.FindStringSubmatch(e.Name()); m != nil && e.IsDir() {
			if n, err := strconv.Atoi(m[1]); err == nil {
				steps = append(steps, n)
			}
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// prune removes all but the newest keep checkpoints, and never the one of step newest.
func prune(parent string, newest, keep int) error {
	steps, err := List(parent)
	if err != nil {
		return err
	}
	for _, s := range steps[:max(len(steps)-keep, 0)] {
		if s != newest {
			if err := os.RemoveAll(filepath.Join(parent, Name(s))); err != nil {
				return err
			}
		}
	}
	return nil
}

// Latest finds the newest checkpoint under parent that is whole: its manifest agrees with its files. Damaged ones are
// passed over and described in notes. path is empty if there is none. One whose replacement was cut off is put back first; where
// that is not possible, as in the read-only directory of another run, notes say so.
func Latest(parent string) (path string, notes []string, err error) {
	if _, err := durable.RemoveStale(parent); err != nil {
		notes = append(notes, fmt.Sprintf("what was left unfinished in %s stays: %v", parent, err))
	}
	steps, err := List(parent)
	if err != nil {
		return "", notes, err
	}
	for _, s := range slices.Backward(steps) {
		path := filepath.Join(parent, Name(s))
		if err := durable.Verify(path); err != nil {
			notes = append(notes, fmt.Sprintf("passing over %s: %v", path, err))
			continue
		}
		return path, notes, nil
	}
	return "", notes, nil
}

// ReadState verifies the checkpoint and decodes state.json into state.
func ReadState(path string, state any) error {
	if err := durable.Verify(path); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	data, err := os.ReadFile(filepath.Join(path, stateFile))
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := json.Unmarshal(data, state); err != nil {
		return fmt.Errorf("checkpoint: %s: %w", filepath.Join(path, stateFile), err)
	}
	return nil
}

// ReadTensors fills the given tensors, all of which must be there with their shapes, and no others.
func ReadTensors(path string, dev device.Device, tensors []Tensor) error {
	file, err := safetensors.Open(filepath.Join(path, tensorFile))
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer file.Close()
	if n := len(file.Tensors()); n != len(tensors) {
		return fmt.Errorf("checkpoint: %s: %d tensors, this run's state has %d: was it made with the same recipe?", file.Path(), n, len(tensors))
	}
	var values []float64 // one buffer for all: garbage would count in the memory of the run that goes on
	for _, t := range tensors {
		stored, ok := file.Tensor(t.Name)
		if !ok || len(stored.Shape) != 2 || stored.Shape[0] != t.Rows || stored.Shape[1] != t.Cols {
			return fmt.Errorf("checkpoint: %s: tensor %q: got %v, expected [%d, %d]: was it made with the same recipe?", file.Path(), t.Name, stored.Shape, t.Rows, t.Cols)
		}
		err := eachPart(t.Tensor, func(part device.Tensor, first int) (err error) {
			if values, err = stored.AppendFloat64s(values[:0], first, first+part.Len()); err == nil {
				dev.Write(part, values)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	return nil
}
