package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Limits of the files.
const (
	maxFile   = 256 << 20
	maxConfig = 16 << 20
)

// The files of a tokenizer.
const (
	mainFile     = "tokenizer.json"
	configFile   = "tokenizer_config.json"
	specialFile  = "special_tokens_map.json"
	templateFile = "chat_template.jinja"
)

// Files lists the names of what [Load] reads; all but the first may be missing.
func Files() []string { return []string{mainFile, configFile, specialFile, templateFile} }

// Load reads the tokenizer of a model directory: tokenizer.json, and where they exist tokenizer_config.json,
// special_tokens_map.json and chat_template.jinja.
func Load(dir string) (*Tokenizer, error) {
	path := filepath.Join(dir, mainFile)
	tokenizerJSON, err := readFile(path, maxFile)
	if err != nil {
		return nil, err
	}
	if tokenizerJSON == nil {
		return nil, fmt.Errorf("tokenizer: %s: no such file; a model needs its tokenizer.json (tokenizer.model alone is "+
			"not enough)", path)
	}
	t, err := parse(path, tokenizerJSON)
	if err != nil {
		return nil, err
	}
	// The later file wins.
	for _, name := range []string{specialFile, configFile} {
		path := filepath.Join(dir, name)
		text, err := readFile(path, maxConfig)
		if err == nil && text != nil {
			err = t.config.read(path, text)
		}
		if err != nil {
			return nil, err
		}
	}
	text, err := readFile(filepath.Join(dir, templateFile), maxConfig)
	if err != nil {
		return nil, err
	}
	if text != nil {
		t.config.chatTemplate = string(text)
	}
	return t, nil
}

// readFile returns the contents of a file, nil if it does not exist.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("tokenizer: %s: not a regular file", path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("tokenizer: %s: %d bytes, the limit is %d", path, info.Size(), limit)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if text == nil {
		text = []byte{}
	}
	return text, nil
}

// Parse reads a tokenizer from the contents of tokenizer.json and tokenizer_config.json; the latter may be nil. The
// name stands for the files in errors.
func Parse(name string, tokenizerJSON, tokenizerConfigJSON []byte) (*Tokenizer, error) {
	t, err := parse(name, tokenizerJSON)
	if err == nil && tokenizerConfigJSON != nil {
		err = t.config.read(name+" (tokenizer_config.json)", tokenizerConfigJSON)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// parse reads tokenizer.json.
func parse(name string, text []byte) (*Tokenizer, error) {
	l := &lexer{name: name, src: text}
	state := &loading{}
	file := readSettings(l, "", state)
	if state.err == nil && (l.peek() != 0 || l.pos < len(text)) {
		state.err = l.errorf("expected the end of the file, got %s", l.found())
	}
	if version, ok := file.optional("version"); ok && version != "1.0" {
		file.fail("version", "unknown %q, known is 1.0", version)
	}
	// Cutting and padding are the business of who uses the ids.
	file.value("truncation")
	file.value("padding")

	t := &Tokenizer{name: name}
	t.normalizer = readNormalizer(file.child("normalizer"), 0)
	var byteLevel bool
	t.splitters, byteLevel = readPreTokenizer(file.child("pre_tokenizer"), 0)
	t.template = readPostProcessor(file.child("post_processor"), 0)
	t.decoder = readDecoder(file.child("decoder"), 0)
	model := file.child("model")
	if model == nil {
		file.fail("model", "expected an object, got nothing")
	}
	file.value("added_tokens")
	file.done()
	t.model = readModel(model, byteLevel)
	if file.failed() {
		return nil, state.err
	}
	t.added = readAdded(file, t.model, t.normalizer)
	t.checkTemplate(file)
	if file.failed() {
		return nil, state.err
	}
	t.searches = state.searches
	t.finish()
	return t, nil
}

// checkTemplate reports an id of the post-processor that is no token.
func (t *Tokenizer) checkTemplate(file *settings) {
	for _, ids := range [][]int32{t.template.before, t.template.after} {
		for _, id := range ids {
			if _, ok := t.Token(id); !ok {
				file.fail("post_processor", "adds id %d, which no token has", id)
			}
		}
	}
}

// finish sets what follows from the parts.
func (t *Tokenizer) finish() {
	if mark, ok := t.model.cutMark(); ok {
		t.splitters = append(t.splitters, mark)
	}
	for _, s := range t.splitters {
		if m, ok := s.(metaspace); ok && m.scheme == "first" {
			t.tracks = true
		}
	}
	if n := len(t.model.vocab.sorted); n > 0 {
		t.size = int(t.model.vocab.sorted[n-1].id) + 1
	}
	for id := range t.added.byID {
		t.size = max(t.size, int(id)+1)
	}
}
