package tokenizer

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is looked for in the text itself, before the model sees it.
type addedToken struct {
	id         int32
	content    string
	pattern    string // what is looked for: content, normalized if the token says so
	singleWord bool   // only where no word goes on at either side
	lstrip     bool   // white space on the left belongs to it
	rstrip     bool   // white space on the right belongs to it
	normalized bool   // it is looked for in the normalized text
	special    bool   // it is control, not text: Decode can leave it out
}

// addedVocabulary holds the added tokens.
type addedVocabulary struct {
	byID       map[int32]*addedToken
	ids        map[string]int32
	special    map[string]bool // by content
	plain      *trie           // tokens to look for in the text as it was given
	normalized *trie           // tokens to look for in the normalized text
}

// Limits of added tokens. The search for them takes steps in proportion to the longest.
const (
	maxAdded     = 1 << 20 // bytes of all together
	maxAddedSize = 1024    // bytes of one
)

// readAdded reads the array added_tokens of the file. next is the id of the first token that the model does not have.
func readAdded(file *settings, model *bpe, normalizer normalizer) *addedVocabulary {
	a := &addedVocabulary{byID: map[int32]*addedToken{}, ids: map[string]int32{}, special: map[string]bool{}}
	next := int32(len(model.vocab.sorted))
	total := 0
	file.each("added_tokens", func(l *lexer, path string) {
		s := readSettings(l, path, file.file)
		token := &addedToken{
			id:         int32(s.count("id", maxID)),
			content:    s.text("content"),
			singleWord: s.flag("single_word", false),
			lstrip:     s.flag("lstrip", false),
			rstrip:     s.flag("rstrip", false),
			normalized: s.flag("normalized", true),
			special:    s.flag("special", false),
		}
		s.done()
		if total += len(token.content); total > maxAdded {
			s.fail("", "the added tokens have more than %d bytes", maxAdded)
		}
		if s.failed() || token.content == "" {
			return
		}
		// The id follows from the model's vocabulary and the order in the file; a file that says otherwise would be
		// read differently by different versions of Hugging Face's library.
		id, known := a.ids[token.content]
		if !known {
			id, known = model.vocab.id(token.content)
		}
		if !known {
			id = next
			next++
		}
		if id != token.id {
			s.fail("id", "token %q has id %d by its place in the vocabulary, the file says %d", token.content, id,
				token.id)
			return
		}
		if other, ok := model.vocab.token(id); ok && other != token.content {
			s.fail("id", "id %d is that of token %q of the model already", id, other)
			return
		}
		token.pattern = token.content
		if token.normalized && normalizer != nil {
			token.pattern = normalizer.normalize(piece{text: token.content}, false).text
		}
		if len(token.pattern) > maxAddedSize || token.pattern == "" {
			s.fail("content", "expected 1 to %d bytes, got %d", maxAddedSize, len(token.pattern))
			return
		}
		a.ids[token.content], a.byID[id] = id, token
		a.special[token.content] = a.special[token.content] || token.special
	})
	if !file.failed() {
		a.buildTries(file)
	}
	return a
}

// buildTries sorts the tokens into what is looked for in the text as given and in the normalized text.
func (a *addedVocabulary) buildTries(file *settings) {
	a.plain, a.normalized = newTrie(), newTrie()
	for _, id := range slices.Sorted(maps.Keys(a.byID)) {
		token := a.byID[id]
		into := a.plain
		if token.normalized {
			into = a.normalized
		}
		if twin := into.add(token); twin != nil {
			file.fail("added_tokens", "tokens %q and %q are the same text after normalization", twin.content, token.content)
			return
		}
	}
}

// split hands the parts of p between added tokens to e by text, and the tokens themselves by token. The order and the
// treatment of white space are those of Hugging Face's library, in which a token that is found inside the white space
// of the one before it is not left out.
func (t *trie) split(e *encoder, p piece, text func(*encoder, piece)) {
	done := 0
	for from := 0; ; {
		start, end, token := t.next(p.text, from)
		if token == nil {
			break
		}
		from = end
		if token.singleWord && !alone(p.text, start, end) {
			continue
		}
		if token.lstrip {
			start = done + len(strings.TrimRightFunc(p.text[min(done, start):start], unicode.IsSpace))
		}
		if token.rstrip {
			end = len(p.text) - len(strings.TrimLeftFunc(p.text[end:], unicode.IsSpace))
		}
		start = min(start, end)
		if done < start {
			text(e, p.slice(done, start))
		}
		e.add(token.id, p, start, end)
		done = end
	}
	if done < len(p.text) {
		text(e, p.slice(done, len(p.text)))
	}
}

// alone reports whether no word character touches [start, end).
func alone(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	after, _ := utf8.DecodeRuneInString(text[end:])
	return (start == 0 || !isWord(before)) && (end == len(text) || !isWord(after))
}

// trie finds the leftmost, and of several at one place the longest, of a set of tokens.
type trie struct {
	first  [256]bool // bytes that tokens begin with
	only   int       // the only such byte, -1: there are several or none
	edges  map[edge]int32
	tokens []*addedToken // of each node; nil: no token ends here
}

type edge struct {
	node int32
	b    byte
}

func newTrie() *trie {
	return &trie{only: -1, edges: map[edge]int32{}, tokens: make([]*addedToken, 1)}
}

// add enters a token. It returns the token that has the same pattern, if there is one.
func (t *trie) add(token *addedToken) (twin *addedToken) {
	b := token.pattern[0]
	if len(t.tokens) == 1 {
		t.only = int(b)
	} else if t.only != int(b) {
		t.only = -1
	}
	t.first[b] = true
	node := int32(0)
	for i := range len(token.pattern) {
		e := edge{node, token.pattern[i]}
		child, ok := t.edges[e]
		if !ok {
			child = int32(len(t.tokens))
			t.edges[e] = child
			t.tokens = append(t.tokens, nil)
		}
		node = child
	}
	twin = t.tokens[node]
	t.tokens[node] = token
	return twin
}

// next returns the first token in text[from:] and where it stands; the token is nil if there is none.
func (t *trie) next(text string, from int) (start, end int, token *addedToken) {
	if len(t.tokens) == 1 {
		return 0, 0, nil
	}
	for i := from; i < len(text); i++ {
		if t.only >= 0 {
			skip := strings.IndexByte(text[i:], byte(t.only))
			if skip < 0 {
				break
			}
			i += skip
		} else if !t.first[text[i]] {
			continue
		}
		node := int32(0)
		for k := i; k < len(text); k++ {
			child, ok := t.edges[edge{node, text[k]}]
			if !ok {
				break
			}
			node = child
			if t.tokens[node] != nil {
				end, token = k+1, t.tokens[node]
			}
		}
		if token != nil {
			return i, end, token
		}
	}
	return 0, 0, nil
}
