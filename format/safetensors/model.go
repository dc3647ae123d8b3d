package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A Model is every tensor of a Hugging Face directory: those of model.safetensors, or those of the shards that
// model.safetensors.index.json lists. Its methods, Close excepted, may be called from several goroutines.
type Model struct {
	files  []*File
	fileOf map[string]*File
	names  []string
}

// OpenModel opens the weights in dir. With an index, every tensor must lie in the shard that the index says and in no
// other, and their bytes must add up to the index's total_size if it has one.
//
// Shards must lie in dir. The one exception is the layout of the Hugging Face cache, where snapshots/<commit>/<name> is a
// symbolic link into the blobs folder of the same repository.
func OpenModel(dir string) (*Model, error) {
	single := filepath.Join(dir, singleName)
	if _, err := os.Stat(single); err == nil {
		file, err := Open(single)
		if err != nil {
			return nil, err
		}
		return newModel([]*File{file}), nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	indexPath := filepath.Join(dir, indexName)
	content, err := readIndex(indexPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoWeights(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", indexPath, err)
	}
	return openShards(dir, indexPath, content)
}

func readIndex(path string) (index, error) {
	info, err := os.Stat(path)
	if err != nil {
		return index{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxIndex {
		return index{}, fmt.Errorf("expected a file of at most %d bytes", maxIndex)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return index{}, err
	}
	return parseIndex(data)
}

// errNoWeights says what dir holds instead of what was looked for.
func errNoWeights(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	for _, pickle := range []string{"pytorch_model.bin", "pytorch_model.bin.index.json"} {
		if _, err := os.Stat(filepath.Join(dir, pickle)); err == nil {
			return fmt.Errorf("safetensors: %s: holds %s but no %s: pickle files can run code and are not read; convert it "+
				"once with transformers: AutoModelForCausalLM.from_pretrained(dir, torch_dtype=\"auto\").save_pretrained(new_dir)",
				dir, pickle, singleName)
		}
	}
	others, _ := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	found := "no .safetensors file at all"
	if len(others) > 0 {
		found = "found " + filepath.Base(others[0])
	}
	return fmt.Errorf("safetensors: %s: holds neither %s nor %s (%s)", dir, singleName, indexName, found)
}

// openShards opens the shards in the order of their names and compares them with the index.
func openShards(dir, indexPath string, content index) (_ *Model, err error) {
	m := newModel(nil)
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	shards := slices.Compact(slices.Sorted(maps.Values(content.shardOf)))
	var total int64
	for _, shard := range shards {
		path := filepath.Join(dir, shard)
		if err := checkInside(dir, path); err != nil {
			return nil, fmt.Errorf("safetensors: %s: shard %q: %w", indexPath, shard, err)
		}
		file, err := Open(path)
		if err != nil {
			return nil, err
		}
		m.add(file)
		total += file.Size()
		for _, t := range file.tensors {
			if want, listed := content.shardOf[t.Name]; !listed {
				return nil, fmt.Errorf("safetensors: %s: tensor %q: is not in %s", path, t.Name, indexName)
			} else if want != shard {
				return nil, fmt.Errorf("safetensors: %s: tensor %q: belongs to %s according to %s", path, t.Name, want, indexName)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(content.shardOf)) {
		if m.fileOf[name] == nil {
			return nil, fmt.Errorf("safetensors: %s: tensor %q: is missing, %s lists it",
				filepath.Join(dir, content.shardOf[name]), name, indexName)
		}
	}
	if content.totalSize >= 0 && content.totalSize != total {
		return nil, fmt.Errorf("safetensors: %s: total_size is %d, but the tensors of its %d shards take %d bytes; if the shards "+
			"are complete, correct total_size", indexPath, content.totalSize, len(shards), total)
	}
	m.sortNames()
	return m, nil
}

// checkInside refuses a shard that, all symbolic links followed, lies outside of dir and is no blob of the same cache.
func checkInside(dir, path string) error {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	if root, err = filepath.Abs(root); err != nil {
		return err
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if target, err = filepath.Abs(target); err != nil {
		return err
	}
	allowed := []string{root}
	if snapshots := filepath.Dir(root); filepath.Base(snapshots) == "snapshots" {
		allowed = append(allowed, filepath.Join(filepath.Dir(snapshots), "blobs"))
	}
	for _, folder := range allowed {
		if relative, err := filepath.Rel(folder, target); err == nil && filepath.IsLocal(relative) {
			return nil
		}
	}
	return fmt.Errorf("is a link to %s, outside of the model's directory", target)
}

func newModel(files []*File) *Model {
	m := &Model{fileOf: make(map[string]*File)}
	for _, file := range files {
		m.add(file)
	}
	m.sortNames()
	return m
}

func (m *Model) add(file *File) {
	m.files = append(m.files, file)
	for _, t := range file.tensors {
		m.fileOf[t.Name] = file
	}
}

func (m *Model) sortNames() { m.names = slices.Sorted(maps.Keys(m.fileOf)) }

// ModelOf is the model of one file, such as one that [Parse] read from memory. Closing the model closes the file.
func ModelOf(file *File) *Model { return newModel([]*File{file}) }

// Files are the shards in the order of their names. The caller must not change the slice.
func (m *Model) Files() []*File { return m.files }

// Names are the names of all tensors, sorted. The caller must not change the slice.
func (m *Model) Names() []string { return m.names }

// Tensor finds a tensor by its name.
func (m *Model) Tensor(name string) (Tensor, bool) {
	file := m.fileOf[name]
	if file == nil {
		return Tensor{}, false
	}
	return file.Tensor(name)
}

// Size is the bytes of all tensors together.
func (m *Model) Size() int64 {
	var total int64
	for _, file := range m.files {
		total += file.Size()
	}
	return total
}

// Close closes all files. It may be called more than once.
func (m *Model) Close() error {
	var all error
	for _, file := range m.files {
		all = errors.Join(all, file.Close())
	}
	return all
}
