package modeltest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// letters are the characters that the tests' tokenizer knows, in the byte-level spelling: Ġ is a space, Ċ a new line.
const letters = "abcdefghijklmnopqrstuvwxyzĠĊ#.:,"

// WriteWithTokenizer is Write with a tokenizer.json whose tokens are letters: ids 0 to 2 are <pad>, <s> and </s>, letters
// follow. The vocabulary needs at least 35 entries.
func WriteWithTokenizer(t testing.TB, config map[string]any, seed uint64) string {
	t.Helper()
	dir := Write(t, config, seed)
	vocabulary := map[string]int{}
	var added []map[string]any
	for i, content := range []string{"<pad>", "<s>", "</s>"} {
		vocabulary[content] = i
		added = append(added, map[string]any{"id": i, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
			"normalized": false, "special": true})
	}
	for _, r := range letters {
		vocabulary[string(r)] = len(vocabulary)
	}
	byteLevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	write(t, filepath.Join(dir, "tokenizer.json"), map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil, "normalizer": nil, "post_processor": nil,
		"added_tokens": added, "pre_tokenizer": byteLevel, "decoder": byteLevel,
		"model": map[string]any{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil,
			"end_of_word_suffix": nil, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": []string{}},
	})
	write(t, filepath.Join(dir, "tokenizer_config.json"), map[string]any{"bos_token": "<s>", "eos_token": "</s>"})
	return dir
}

func write(t testing.TB, path string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}
