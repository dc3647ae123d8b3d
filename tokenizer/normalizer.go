package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// normalizer rewrites a piece of text before it is split. With track the result must say where its bytes come from.
type normalizer interface {
	normalize(p piece, track bool) piece
}

// readNormalizer reads a normalizer; depth counts the sequences around it.
func readNormalizer(s *settings, depth int) normalizer {
	if s == nil || s.failed() {
		return nil
	}
	defer s.done()
	switch kind := s.text("type"); kind {
	case "NFC", "NFD", "NFKC", "NFKD":
		return unicodeForm{compat: strings.Contains(kind, "K"), compose: kind[len(kind)-1] == 'C'}
	case "Lowercase":
		return lowercase{}
	case "Strip":
		return strip{left: s.flag("strip_left", false), right: s.flag("strip_right", false)}
	case "StripAccents":
		return stripAccents{}
	case "Prepend":
		return prepend(s.text("prepend"))
	case "Replace":
		return replace{pattern: readPattern(s), content: s.text("content")}
	case "Sequence":
		if depth >= maxSequences {
			s.fail("", "sequences nest more than %d deep", maxSequences)
			return nil
		}
		var all normalizers
		for _, child := range s.children("normalizers") {
			all = append(all, readNormalizer(child, depth+1))
		}
		return all
	default:
		s.fail("type", "unknown %q, known are Lowercase, NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence, Strip, "+
			"StripAccents", kind)
		return nil
	}
}

// maxSequences bounds how deep Sequence components may hold each other.
const maxSequences = 8

// normalizers applies its members in order.
type normalizers []normalizer

func (n normalizers) normalize(p piece, track bool) piece {
	for _, member := range n {
		p = member.normalize(p, track)
	}
	return p
}

// prepend puts a text before a piece that is not empty. The new characters stand for the first character.
type prepend string

func (n prepend) normalize(p piece, track bool) piece {
	if p.text == "" || n == "" {
		return p
	}
	_, first := utf8.DecodeRuneInString(p.text)
	w := newRewrite(p, track)
	w.put(string(n), 0, first)
	w.keep(0, len(p.text))
	return w.piece()
}

// replace puts content in the place of each match of a pattern.
type replace struct {
	pattern pattern
	content string
}

func (n replace) normalize(p piece, track bool) piece {
	var w *rewrite
	done := 0
	n.pattern.find(p.text, func(start, end int) {
		if w == nil {
			w = newRewrite(p, track)
		}
		w.keep(done, start)
		w.put(n.content, start, end)
		done = end
	})
	if w == nil {
		return p
	}
	w.keep(done, len(p.text))
	return w.piece()
}

// lowercase maps every character to its lower case, regardless of its neighbours.
type lowercase struct{}

func (lowercase) normalize(p piece, track bool) piece {
	w := newRewrite(p, track)
	for i, r := range p.text {
		size := utf8.RuneLen(r)
		switch {
		case r == 'İ':
			w.put("i\u0307", i, i+size)
		default:
			w.put(string(toLower(r)), i, i+size)
		}
	}
	return w.piece()
}

// strip removes white space at the ends of a piece.
type strip struct{ left, right bool }

func (n strip) normalize(p piece, _ bool) piece {
	i, j := 0, len(p.text)
	if n.left {
		i = j - len(strings.TrimLeftFunc(p.text, unicode.IsSpace))
	}
	if n.right {
		j = i + len(strings.TrimRightFunc(p.text[i:], unicode.IsSpace))
	}
	return p.slice(i, j)
}

// stripAccents removes combining marks. It does not take letters apart: a decomposing normalizer before it does.
type stripAccents struct{}

func (stripAccents) normalize(p piece, track bool) piece {
	w := newRewrite(p, track)
	for i, r := range p.text {
		if !isCombining(r) {
			w.keep(i, i+utf8.RuneLen(r))
		}
	}
	return w.piece()
}
