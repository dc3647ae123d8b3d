package safetensors

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeShard makes a file of U8 tensors of two bytes with the given names.
func writeShard(t *testing.T, path string, names ...string) {
	t.Helper()
	var outputs []Output
	for _, name := range names {
		outputs = append(outputs, OutputBytes(name, U8, []int{2}, []byte(name)[:2]))
	}
	if err := Write(path, outputs, nil); err != nil {
		t.Fatal(err)
	}
}

func writeText(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

const goodIndex = `{"metadata":{"total_size":6.0,"more":[1]},"weight_map":{"w1":"model-1.safetensors","w3":"model-2.safetensors","w2":"model-1.safetensors"},"x":{}}`

// sharded makes a model of two shards.
func sharded(t *testing.T, dir string) string {
	writeText(t, filepath.Join(dir, indexName), goodIndex)
	writeShard(t, filepath.Join(dir, "model-1.safetensors"), "w2", "w1")
	writeShard(t, filepath.Join(dir, "model-2.safetensors"), "w3")
	return dir
}

func TestOpenModel(t *testing.T) {
	single := t.TempDir()
	writeShard(t, filepath.Join(single, singleName), "w3", "w1", "w2")
	writeText(t, filepath.Join(single, indexName), "not read when model.safetensors is there")
	for dir, files := range map[string][]string{
		single:                  {"model.safetensors"},
		sharded(t, t.TempDir()): {"model-1.safetensors", "model-2.safetensors"},
	} {
		m, err := OpenModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range m.Files() {
			got = append(got, filepath.Base(f.Path()))
		}
		if !slices.Equal(got, files) || !slices.Equal(m.Names(), []string{"w1", "w2", "w3"}) || m.Size() != 6 {
			t.Errorf("files %q, names %q, size %d", got, m.Names(), m.Size())
		}
		for _, name := range m.Names() {
			if tensor, ok := m.Tensor(name); !ok || string(tensor.Data) != name {
				t.Errorf("%s is %+v", name, tensor)
			}
		}
		if _, ok := m.Tensor("w4"); ok {
			t.Error("found a tensor that is not there")
		}
		for range 2 {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestOpenModelRefuses(t *testing.T) {
	weightMap := func(shard string) string {
		return fmt.Sprintf(`{"weight_map":{"w1":%q,"w2":"model-1.safetensors","w3":"model-2.safetensors"}}`, shard)
	}
	index := func(content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { writeText(t, filepath.Join(dir, indexName), content) }
	}
	replace := func(old, new string) func(*testing.T, string) {
		return index(strings.Replace(goodIndex, old, new, 1))
	}
	cases := map[string]struct {
		want   string
		damage func(t *testing.T, dir string)
	}{
		"shard missing":         {"model-2.safetensors", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "model-2.safetensors")) }},
		"shard truncated":       {"model-2.safetensors: tensor \"w3\"", func(t *testing.T, dir string) { os.Truncate(filepath.Join(dir, "model-2.safetensors"), 65) }},
		"tensor missing":        {`model-2.safetensors: tensor "w9": is missing`, replace(`"w3"`, `"w9":"model-2.safetensors","w3"`)},
		"tensor not listed":     {`model-2.safetensors: tensor "w3": is not in`, replace(`"w3":"model-2.safetensors",`, `"w4":"model-2.safetensors",`)},
		"tensor in other shard": {`model-1.safetensors: tensor "w1": belongs to model-2.safetensors`, index(weightMap("model-2.safetensors"))},
		"tensor in two shards":  {`model-2.safetensors: tensor "w1": belongs to model-1`, func(t *testing.T, dir string) { writeShard(t, filepath.Join(dir, "model-2.safetensors"), "w3", "w1") }},
		"total size":            {"total_size is 7, but the tensors of its 2 shards take 6 bytes", replace("6.0", "7")},
		"total size text":       {"metadata: total_size", replace("6.0", `"6"`)},
		"total size fraction":   {"expected a whole number of bytes", replace("6.0", "6.5")},
		"total size negative":   {"expected a whole number of bytes", replace("6.0", "-6")},
		"total size infinite":   {"total_size", replace("6.0", "1e999")},
		"total size twice":      {`key "total_size" comes twice`, replace("6.0", `6,"total_size":6`)},
		"metadata is a list":    {"metadata: expected an object", replace(`{"total_size":6.0,"more":[1]}`, "[]")},
		"parent":                {"not the name of a file", index(weightMap("../model-1.safetensors"))},
		"absolute":              {"not the name of a file", index(weightMap("/etc/model-1.safetensors"))},
		"folder":                {"not the name of a file", index(weightMap("sub/model-1.safetensors"))},
		"backslash":             {"not the name of a file", index(weightMap(`..\model-1.safetensors`))},
		"drive":                 {"not the name of a file", index(weightMap(`C:model-1.safetensors`))},
		"this directory":        {"not the name of a file", index(weightMap("./model-1.safetensors"))},
		"dots":                  {"not the name of a file", index(weightMap(".."))},
		"empty name":            {"not the name of a file", index(weightMap(""))},
		"zero byte":             {"not", index(`{"weight_map":{"w1":"a\u0000.safetensors"}}`)},
		"pickle shard":          {"not a .safetensors file", index(weightMap("pytorch_model-1.bin"))},
		"shard is a number":     {"expected a string", index(`{"weight_map":{"w1":1}}`)},
		"weight map twice":      {"comes twice", index(`{"weight_map":{"a":"b.safetensors"},"weight_map":{}}`)},
		"tensor twice":          {`key "a" comes twice`, index(`{"weight_map":{"a":"b.safetensors","a":"c.safetensors"}}`)},
		"weight map empty":      {"lists no tensor", index(`{"weight_map":{}}`)},
		"no weight map":         {"lists no tensor", index(`{}`)},
		"weight map null":       {"expected an object, got null", index(`{"weight_map":null}`)},
		"list":                  {"expected an object, got a list", index(`[]`)},
		"not JSON":              {"is not JSON", index(`{"weight_map":`)},
		"not UTF-8":             {"is not UTF-8", index("{\"weight_map\":{\"\xff\":\"a.safetensors\"}}")},
		"empty file":            {"is not JSON", index("")},
		"index is a directory": {"expected a file", func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, indexName))
			os.Mkdir(filepath.Join(dir, indexName), 0o777)
		}},
		"link out":              {"outside of the model's directory", linkOut},
		"link in a false cache": {"outside of the model's directory", linkOut},
		"only a pickle": {"pickle files can run code", func(t *testing.T, dir string) {
			clear(t, dir)
			writeText(t, filepath.Join(dir, "pytorch_model.bin"), "")
		}},
		"only a sharded pickle": {"save_pretrained", func(t *testing.T, dir string) {
			clear(t, dir)
			writeText(t, filepath.Join(dir, "pytorch_model.bin.index.json"), "")
		}},
		"another file": {"found consolidated.safetensors", func(t *testing.T, dir string) {
			clear(t, dir)
			writeText(t, filepath.Join(dir, "consolidated.safetensors"), "")
		}},
		"empty directory":        {"holds neither model.safetensors nor model.safetensors.index.json", clear},
		"no directory":           {"no such file", func(t *testing.T, dir string) { os.RemoveAll(dir) }},
		"bad single":             {"model.safetensors: has 2 bytes", func(t *testing.T, dir string) { writeText(t, filepath.Join(dir, singleName), "{}") }},
		"single is a directory":  {"is not a regular file", func(t *testing.T, dir string) { os.Mkdir(filepath.Join(dir, singleName), 0o777) }},
		"two shards, other case": {"not", index(weightMap("model-1.SAFETENSORS"))},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := sharded(t, t.TempDir())
			c.damage(t, dir)
			m, err := OpenModel(dir)
			if err == nil {
				m.Close()
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "safetensors: ") || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, expected it to name the directory and contain %q", err, c.want)
			}
		})
	}
}

func clear(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
}

// linkOut moves a shard away and leaves a symbolic link to it.
func linkOut(t *testing.T, dir string) {
	t.Helper()
	outside := filepath.Join(t.TempDir(), "stolen")
	if err := os.Rename(filepath.Join(dir, "model-2.safetensors"), outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "model-2.safetensors")); err != nil {
		t.Skipf("no symbolic links: %v", err)
	}
}

// The Hugging Face cache keeps the content in blobs and links to it from snapshots; links inside the directory and a link
// to the directory itself are fine too.
func TestOpenModelThroughLinks(t *testing.T) {
	repository := filepath.Join(t.TempDir(), "models--owner--name")
	snapshot := filepath.Join(repository, "snapshots", "0123")
	blobs := filepath.Join(repository, "blobs")
	for _, folder := range []string{snapshot, blobs} {
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	sharded(t, snapshot)
	if err := os.Rename(filepath.Join(snapshot, "model-1.safetensors"), filepath.Join(blobs, "abc")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(snapshot, "model-2.safetensors"), filepath.Join(snapshot, "other")); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	for to, from := range map[string]string{
		filepath.Join("..", "..", "blobs", "abc"): filepath.Join(snapshot, "model-1.safetensors"),
		"other":  filepath.Join(snapshot, "model-2.safetensors"),
		snapshot: link,
	} {
		if err := os.Symlink(to, from); err != nil {
			t.Skipf("no symbolic links: %v", err)
		}
	}
	for _, dir := range []string{snapshot, link} {
		m, err := OpenModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
}

func TestReferenceModels(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared")
	paths, _ := filepath.Glob(filepath.Join(root, "*", "*", "*.safetensors"))
	if len(paths) == 0 {
		t.Skip("no reference files in " + root)
	}
	for _, path := range paths {
		f, err := Open(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(f.Tensors()) == 0 {
			t.Errorf("%s: has no tensors", path)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Whatever an index says, shards are plain names of safetensors files.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(goodIndex))
	f.Add([]byte(`{"metadata":null,"weight_map":{"a":"b.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../b.safetensors"}}`))
	f.Add([]byte(`{"metadata":{"total_size":1e400},"weight_map":{"a":"b.safetensors","\u0061":"c.safetensors"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		content, err := parseIndex(data)
		if err != nil {
			return
		}
		if len(content.shardOf) == 0 || content.totalSize < -1 {
			t.Fatalf("accepted %+v", content)
		}
		for tensor, shard := range content.shardOf {
			if filepath.Base(shard) != shard || filepath.Dir(filepath.Join("x", shard)) != "x" || !strings.HasSuffix(shard, ".safetensors") {
				t.Fatalf("tensor %q: accepted shard %q", tensor, shard)
			}
		}
	})
}
