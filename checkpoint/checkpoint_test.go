package checkpoint_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"smt/checkpoint"
	"smt/device"
	"smt/device/cpu"
	"smt/device/reference"
	"smt/model/modeltest"
)

// tensors makes the state of a run: a large tensor that is read in several parts, a small one and an empty one.
func tensors(dev device.Device, seed uint64) []checkpoint.Tensor {
	next := modeltest.Source(seed)
	var all []checkpoint.Tensor
	for _, s := range []struct {
		name       string
		rows, cols int
	}{{"moment1.a", 700, 401}, {"value.a", 1, 3}, {"none", 0, 4}} {
		t := dev.New(s.rows, s.cols)
		values := make([]float64, t.Len())
		for i := range values {
			values[i] = next()
		}
		dev.Write(t, values)
		all = append(all, checkpoint.Tensor{Name: s.name, Tensor: t})
	}
	return all
}

func read(dev device.Device, t device.Tensor) []float64 {
	values := make([]float64, t.Len())
	dev.Read(t, values)
	return values
}

type state struct{ Step int }

func save(t *testing.T, parent string, step int, dev device.Device, all []checkpoint.Tensor, keep int) string {
	t.Helper()
	path, err := checkpoint.Save(parent, step, state{step}, dev, all, keep)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRoundTripIsExact stores values of both devices, with those that are easily lost: -0, NaN, infinities, subnormals.
func TestRoundTripIsExact(t *testing.T) {
	for _, dev := range []device.Device{reference.New(), cpu.New()} {
		all := tensors(dev, 1)
		dev.Write(all[1].Tensor, []float64{math.Copysign(0, -1), math.NaN(), 1e-42})
		path := save(t, t.TempDir(), 12, dev, all, 0)
		var s state
		if err := checkpoint.ReadState(path, &s); err != nil || s.Step != 12 {
			t.Fatalf("state %+v (%v)", s, err)
		}
		back := tensors(dev, 2)
		if err := checkpoint.ReadTensors(path, dev, back); err != nil {
			t.Fatal(err)
		}
		for i := range all {
			values := read(dev, back[i].Tensor)
			for j, want := range read(dev, all[i].Tensor) {
				got := values[j]
				if math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) {
					t.Fatalf("%s: %s, element %d: got %g, expected %g", dev.Name(), all[i].Name, j, got, want)
				}
			}
		}
	}
}

// TestLatestPassesOverDamage damages the newest checkpoints in the ways that a crash or a bad disk does.
func TestLatestPassesOverDamage(t *testing.T) {
	dev, parent := reference.New(), t.TempDir()
	all := tensors(dev, 1)
	if path, notes, err := checkpoint.Latest(filepath.Join(parent, "none")); path != "" || len(notes) != 0 || err != nil {
		t.Fatalf("no folder: got %q, %v, %v", path, notes, err)
	}
	whole := save(t, parent, 5, dev, all, 0)
	flipped, cut, bare := save(t, parent, 6, dev, all, 0), save(t, parent, 7, dev, all, 0), save(t, parent, 1000000, dev, all, 0)
	file := filepath.Join(flipped, "state.safetensors")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(cut, "state.safetensors"), int64(len(data)/2)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(bare, "manifest.json")); err != nil {
		t.Fatal(err)
	}
	path, notes, err := checkpoint.Latest(parent)
	if path != whole || err != nil {
		t.Errorf("got %q (%v), expected %q", path, err, whole)
	}
	for i, damaged := range []string{bare, cut, flipped} {
		if i >= len(notes) || !strings.Contains(notes[i], damaged) {
			t.Errorf("notes %q: expected one on %s", notes, damaged)
		}
		if err := checkpoint.ReadState(damaged, new(state)); err == nil {
			t.Errorf("%s: read without an error", damaged)
		}
	}
}

// TestUnfinishedIsCleared starts from what a process that was killed leaves: a checkpoint half written, and one that stepped aside
// for its successor between the two renames of its replacement.
func TestUnfinishedIsCleared(t *testing.T) {
	dev, parent := reference.New(), t.TempDir()
	all := tensors(dev, 1)[1:2]
	path := save(t, parent, 5, dev, all, 0)
	killed := strconv.Itoa(math.MaxInt32) // larger than any process id that a system gives out
	aside, half := path+".smt-old-"+killed, filepath.Join(parent, "checkpoint-000006.smt-tmp-"+killed)
	cut := func() {
		if err := os.Rename(path, aside); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(half, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	cut()
	if got, notes, err := checkpoint.Latest(parent); got != path || len(notes) != 0 || err != nil {
		t.Errorf("got %q, %q, %v, expected %q", got, notes, err, path)
	}
	cut()
	save(t, parent, 7, dev, all, 0)
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"checkpoint-000005", "checkpoint-000007"}; !slices.Equal(names, want) {
		t.Errorf("%s holds %q, expected %q", parent, names, want)
	}
}

// TestForeignLeftover saves beside something unfinished that may not be removed, which is the first of two.
func TestForeignLeftover(t *testing.T) {
	if os.Geteuid() <= 0 {
		t.Skip("no permissions keep root, or Windows, from removing")
	}
	dev, parent := reference.New(), t.TempDir()
	foreign := filepath.Join(parent, "checkpoint-000001.smt-tmp-"+strconv.Itoa(math.MaxInt32))
	ours := filepath.Join(parent, "checkpoint-000002.smt-tmp-"+strconv.Itoa(math.MaxInt32))
	for _, left := range []string{filepath.Join(foreign, "part"), ours} {
		if err := os.MkdirAll(left, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(foreign, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(foreign, 0o777)
	path := save(t, parent, 2, dev, tensors(dev, 1)[1:2], 0)
	if _, err := os.Stat(ours); !os.IsNotExist(err) {
		t.Errorf("%s was not cleared (%v)", ours, err)
	}
	if got, _, err := checkpoint.Latest(parent); got != path || err != nil {
		t.Errorf("got %q, %v, expected %q", got, err, path)
	}
}

// A meddler puts a file where the checkpoint is to go, while the checkpoint is being written.
type meddler struct{ path string }

func (m meddler) MarshalJSON() ([]byte, error) { return []byte("{}"), os.WriteFile(m.path, nil, 0o666) }

// TestFailedSaveLeavesNothing fails in the last step of all, when the complete checkpoint is to be moved into its place.
func TestFailedSaveLeavesNothing(t *testing.T) {
	parent := t.TempDir()
	m := meddler{filepath.Join(parent, checkpoint.Name(1))}
	if _, err := checkpoint.Save(parent, 1, m, reference.New(), nil, 0); err == nil || !strings.Contains(err.Error(), "is not a directory") {
		t.Fatalf("got %v, expected a place that is taken", err)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
		t.Errorf("left %v (%v)", entries, err)
	}
}

func TestKeepsTheNewest(t *testing.T) {
	dev, parent := reference.New(), t.TempDir()
	all := tensors(dev, 1)[1:2]
	for step := range 5 {
		save(t, parent, step, dev, all, 2)
	}
	// What is no checkpoint stays, and a run that went back to an earlier step does not lose what it saves there.
	if err := os.Mkdir(filepath.Join(parent, "mine"), 0o777); err != nil {
		t.Fatal(err)
	}
	save(t, parent, 1, dev, all, 2)
	if steps, err := checkpoint.List(parent); err != nil || !slices.Equal(steps, []int{1, 3, 4}) {
		t.Errorf("got %v (%v), expected the newest two and the one just saved", steps, err)
	}
	if _, err := os.Stat(filepath.Join(parent, "mine")); err != nil {
		t.Error(err)
	}
	// Saving a step again replaces its checkpoint.
	dev.Write(all[0].Tensor, []float64{7, 8, 9})
	path := save(t, parent, 4, dev, all, 0)
	dev.Fill(all[0].Tensor, 0)
	if err := checkpoint.ReadTensors(path, dev, all); err != nil || read(dev, all[0].Tensor)[2] != 9 {
		t.Errorf("got %v (%v), expected what was saved last", read(dev, all[0].Tensor), err)
	}
}

func TestOtherTensorsAreRefused(t *testing.T) {
	dev := reference.New()
	all := tensors(dev, 1)
	path := save(t, t.TempDir(), 1, dev, all, 0)
	other := checkpoint.Tensor{Name: "value.a", Tensor: dev.New(1, 4)}
	for name, c := range map[string]struct {
		ask  []checkpoint.Tensor
		says string
	}{
		"fewer":         {all[:2], "3 tensors, this run's state has 2"},
		"another shape": {[]checkpoint.Tensor{all[0], other, all[2]}, `"value.a"`},
		"another name":  {[]checkpoint.Tensor{all[0], {Name: "value.b", Tensor: all[1].Tensor}, all[2]}, `"value.b"`},
	} {
		if err := checkpoint.ReadTensors(path, dev, c.ask); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, expected an error with %q", name, err, c.says)
		}
	}
}
