package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
)

// maxID bounds the ids of tokens. The largest vocabularies in use have about 2^18.
const maxID = 1 << 24

// vocabulary holds the tokens of the model.
type vocabulary struct {
	byteLevel bool
	// ids maps a token to its id. In a byte-level vocabulary the key is the bytes that the token stands for; tokens
	// with characters outside the byte alphabet, which no text leads to, are in unreachable.
	ids         map[string]int32
	unreachable map[string]int32
	sorted      []entry // by id
}

type entry struct {
	id    int32
	token string // as it stands in the file
}

// readVocabulary reads the object {token: id}.
func readVocabulary(l *lexer, byteLevel bool) (*vocabulary, error) {
	// All tokens go into one block of memory, of which the entries are parts.
	var (
		block []byte
		ends  []int
		v     = &vocabulary{byteLevel: byteLevel}
	)
	err := l.object("model.vocab", func(key []byte) error {
		id, err := l.integer(func() string { return fmt.Sprintf("model.vocab: id of %q", key) }, maxID)
		block = append(block, key...)
		ends = append(ends, len(block))
		v.sorted = append(v.sorted, entry{id: int32(id)})
		return err
	})
	if err != nil {
		return nil, err
	}
	tokens, start := string(block), 0
	for i, end := range ends {
		v.sorted[i].token = tokens[start:end]
		start = end
	}
	slices.SortStableFunc(v.sorted, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	for i := 1; i < len(v.sorted); i++ {
		if a, b := v.sorted[i-1], v.sorted[i]; a.id == b.id {
			return nil, fmt.Errorf("tokenizer: %s: model.vocab: tokens %q and %q have the same id %d", l.name, a.token,
				b.token, a.id)
		}
	}
	if twice, ok := v.index(tokens); !ok {
		return nil, fmt.Errorf("tokenizer: %s: model.vocab: token %q twice", l.name, twice)
	}
	return v, nil
}

// index fills the maps. It reports a token that is listed twice.
func (v *vocabulary) index(tokens string) (twice string, ok bool) {
	v.ids = make(map[string]int32, len(v.sorted))
	v.unreachable = map[string]int32{}
	raw := make([]byte, 0, len(tokens))
	keys := make([]string, len(v.sorted))
	reachable := make([]bool, len(v.sorted))
	if v.byteLevel {
		ends := make([]int, len(v.sorted))
		for i, e := range v.sorted {
			if longer, ok := appendRaw(raw, e.token); ok {
				raw, reachable[i] = longer, true
			}
			ends[i] = len(raw)
		}
		all, start := string(raw), 0
		for i, end := range ends {
			keys[i] = all[start:end]
			start = end
		}
	}
	for i, e := range v.sorted {
		into, key := v.ids, e.token
		if v.byteLevel && reachable[i] {
			key = keys[i]
		} else if v.byteLevel {
			into = v.unreachable
		}
		before := len(into)
		if into[key] = e.id; len(into) == before {
			return e.token, false
		}
	}
	return "", true
}

// token returns the token with an id.
func (v *vocabulary) token(id int32) (string, bool) {
	// Most vocabularies have no gaps, so that the id is the index.
	if id >= 0 && int(id) < len(v.sorted) && v.sorted[id].id == id {
		return v.sorted[id].token, true
	}
	i, ok := slices.BinarySearchFunc(v.sorted, id, func(e entry, id int32) int { return cmp.Compare(e.id, id) })
	if !ok {
		return "", false
	}
	return v.sorted[i].token, true
}

// id returns the id of a token as it stands in the file.
func (v *vocabulary) id(token string) (int32, bool) {
	if !v.byteLevel {
		id, ok := v.ids[token]
		return id, ok
	}
	if raw, ok := appendRaw(make([]byte, 0, 64), token); ok {
		id, ok := v.ids[string(raw)]
		return id, ok
	}
	id, ok := v.unreachable[token]
	return id, ok
}
