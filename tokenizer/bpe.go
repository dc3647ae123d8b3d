package tokenizer

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// bpe is a byte-pair encoding (Sennrich et al. 2016): a word begins as its characters, or as its bytes, and the pair of
// neighbours that was learned first is merged until no pair of the table is left.
type bpe struct {
	vocab        *vocabulary
	pairs        *pairTable
	bytes        [256]int32 // byte-level: the token of each byte; else the token <0xNN> of each byte; -1: none
	byteFallback bool       // a character without a token becomes the tokens of its bytes
	unknown      int32      // the token of characters without one, -1: they are left out
	fuseUnknown  bool       // unknown characters in a row become one token
	ignoreMerges bool       // a word that is a token stays whole, whatever the merges say
	cache        *wordCache
}

// maxMerges bounds the number of merges.
const maxMerges = 1 << 24

// readModel reads the model.
func readModel(s *settings, byteLevel bool) *bpe {
	if s == nil || s.failed() {
		return nil
	}
	if kind := s.choice("type", "BPE", "BPE"); s.failed() || kind != "BPE" {
		return nil
	}
	m := &bpe{
		byteFallback: s.flag("byte_fallback", false),
		unknown:      -1,
		fuseUnknown:  s.flag("fuse_unk", false),
		ignoreMerges: s.flag("ignore_merges", false),
		cache:        newWordCache(),
	}
	for _, key := range []string{"continuing_subword_prefix", "end_of_word_suffix"} {
		if text, _ := s.optional(key); text != "" {
			s.fail(key, "expected null or an empty string, got %q, which is not supported", text)
		}
	}
	if l := s.value("dropout"); l != nil {
		s.fail("dropout", "expected null, got %s: tokens would differ from call to call", l.found())
	}
	unknown, hasUnknown := s.optional("unk_token")
	vocab, merges := s.value("vocab"), s.value("merges")
	s.done()
	if vocab == nil || merges == nil {
		s.fail("", "expected vocab and merges, got only some of them")
	}
	if s.failed() {
		return nil
	}
	if m.vocab, s.file.err = readVocabulary(vocab, byteLevel); s.failed() {
		return nil
	}
	missing := m.byteTokens()
	if byteLevel && m.byteFallback && missing {
		s.fail("byte_fallback", "expected false, because the vocabulary of a ByteLevel tokenizer lacks some bytes")
	}
	if hasUnknown {
		if id, ok := m.vocab.id(unknown); ok {
			m.unknown = id
		} else if !byteLevel || missing { // with a token for every byte nothing is unknown
			s.fail("unk_token", "%q is not in the vocabulary", unknown)
		}
	}
	if !s.failed() {
		s.file.err = m.readMerges(merges)
	}
	return m
}

// byteTokens fills the tokens of single bytes, and reports whether some are missing.
func (m *bpe) byteTokens() (missing bool) {
	for b := range m.bytes {
		key := fmt.Sprintf("<0x%02X>", b)
		if m.vocab.byteLevel {
			key = string([]byte{byte(b)})
		}
		id, ok := m.vocab.ids[key]
		if !ok {
			id, missing = -1, true
		}
		m.bytes[b] = id
	}
	return missing
}

// readMerges reads the array of merges, each "left right" or ["left", "right"]; the first was learned first.
func (m *bpe) readMerges(l *lexer) error {
	start, count := l.pos, 0
	err := l.array("model.merges", func(int) error {
		count++
		_, err := l.skip()
		return err
	})
	if err != nil {
		return err
	}
	if count > maxMerges {
		return l.errorf("model.merges: %d merges, the limit is %d", count, maxMerges)
	}
	m.pairs = newPairTable(count)
	l.pos = start
	rank := uint32(0)
	var pair []byte
	return l.array("model.merges", func(i int) error {
		var (
			left int
			err  error
		)
		if l.peek() == '[' {
			pair, left, err = readPair(l, pair[:0], i)
		} else if pair, err = l.appendString(pair[:0]); err == nil {
			// Files that were made from a merges.txt may still have its first line.
			if bytes.HasPrefix(pair, []byte("#version")) {
				return nil
			}
			left = bytes.IndexByte(pair, ' ')
			if left < 0 || bytes.IndexByte(pair[left+1:], ' ') >= 0 {
				return l.errorf("model.merges[%d]: expected two tokens with one space between them, got %q", i, pair)
			}
			pair = append(pair[:left], pair[left+1:]...)
		}
		if err != nil {
			return err
		}
		if err := m.addMerge(l, pair, left, rank, i); err != nil {
			return err
		}
		rank++
		return nil
	})
}

// readPair reads ["left", "right"] and returns both joined, and where the second begins.
func readPair(l *lexer, dst []byte, i int) (pair []byte, left int, err error) {
	parts := 0
	err = l.array("model.merges", func(int) error {
		if parts++; parts == 2 {
			left = len(dst)
		}
		dst, err = l.appendString(dst)
		return err
	})
	if err == nil && parts != 2 {
		err = l.errorf("model.merges[%d]: expected two tokens, got %d", i, parts)
	}
	return dst, left, err
}

// addMerge enters the merge of pair[:left] and pair[left:].
func (m *bpe) addMerge(l *lexer, pair []byte, left int, rank uint32, i int) error {
	var ids [3]int32
	for k, token := range [3][]byte{pair[:left], pair[left:], pair} {
		id, ok := m.lookup(token)
		if !ok {
			return l.errorf("model.merges[%d]: token %q is not in the vocabulary", i, token)
		}
		ids[k] = id
	}
	m.pairs.set(ids[0], ids[1], rank, ids[2])
	return nil
}

// lookup is vocabulary.id without a copy of the token.
func (m *bpe) lookup(token []byte) (int32, bool) {
	v := m.vocab
	if !v.byteLevel {
		id, ok := v.ids[string(token)]
		return id, ok
	}
	var buf [128]byte
	if raw, ok := appendRaw(buf[:0], token); ok {
		id, ok := v.ids[string(raw)]
		return id, ok
	}
	id, ok := v.unreachable[string(token)]
	return id, ok
}

// cutMark returns U+2581, if the model may be given a text in parts that begin with it: if it is a token, and no merge
// makes a token that has it after another character. Then no merge ever crosses such a cut.
func (m *bpe) cutMark() (markCut, bool) {
	const mark = "\u2581"
	if _, ok := m.vocab.ids[mark]; !ok || m.vocab.byteLevel || m.ignoreMerges {
		return "", false
	}
	for _, slot := range m.pairs.slots {
		if slot.pair == noPair {
			continue
		}
		if token, _ := m.vocab.token(slot.id); strings.Contains(strings.TrimLeft(token, mark), mark) {
			return "", false
		}
	}
	return mark, true
}

// tokens appends the tokens of a word to dst.
func (m *bpe) tokens(q *mergeQueue, dst []symbol, word string) []symbol {
	if m.ignoreMerges {
		if id, ok := m.vocab.ids[word]; ok {
			return append(dst, symbol{id, len(word)})
		}
	}
	place := m.cache.place(word)
	if place != nil {
		if cached := place.Load(); cached != nil && cached.word == word {
			return append(dst, cached.symbols...)
		}
	}
	start := len(dst)
	dst = m.symbols(dst, word)
	symbols := dst[start:]
	if len(symbols) > shortWord {
		symbols = q.merge(m.pairs, symbols)
	} else if len(symbols) > 1 {
		symbols = mergeShort(m.pairs, symbols)
	}
	if place != nil {
		put(place, word, symbols)
	}
	return dst[:start+len(symbols)]
}

// symbols appends what a word begins as. An unknown character waits until the next known one, so that it can be fused
// with unknown ones after it; the tokens of byte fallback do not end the wait, as in Hugging Face's library.
func (m *bpe) symbols(dst []symbol, word string) []symbol {
	waiting := false
	for i := 0; i < len(word); {
		size := 1
		var id int32
		if m.vocab.byteLevel {
			id = m.bytes[word[i]]
		} else {
			_, size = utf8.DecodeRuneInString(word[i:])
			if known, ok := m.vocab.ids[word[i:i+size]]; ok {
				id = known
			} else {
				id = -1
			}
		}
		end := i + size
		switch {
		case id >= 0:
			if waiting {
				dst = append(dst, symbol{m.unknown, i})
				waiting = false
			}
			dst = append(dst, symbol{id, end})
		case m.byteFallback && m.hasBytes(word[i:end]):
			for k := i; k < end; k++ {
				dst = append(dst, symbol{m.bytes[word[k]], k + 1})
			}
		case m.unknown >= 0:
			if waiting && !m.fuseUnknown {
				dst = append(dst, symbol{m.unknown, i})
			}
			waiting = true
		}
		i = end
	}
	if waiting {
		dst = append(dst, symbol{m.unknown, len(word)})
	}
	return dst
}

// hasBytes reports whether all bytes of a character have tokens.
func (m *bpe) hasBytes(character string) bool {
	for i := range len(character) {
		if m.bytes[character[i]] < 0 {
			return false
		}
	}
	return true
}
