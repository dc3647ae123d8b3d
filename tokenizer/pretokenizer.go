package tokenizer

import "strings"

// splitter cuts a piece into the words that the model may not merge across, or into parts for the next splitter: it
// hands each part to e.split with the number next.
type splitter interface {
	split(e *encoder, p piece, next int)
}

// readPreTokenizer reads a pre-tokenizer as the list of its splitters. byteLevel reports that the model works on bytes.
func readPreTokenizer(s *settings, depth int) (list []splitter, byteLevel bool) {
	if s == nil || s.failed() {
		return nil, false
	}
	defer s.done()
	switch kind := s.text("type"); kind {
	case "Sequence":
		if depth >= maxSequences {
			s.fail("", "sequences nest more than %d deep", maxSequences)
			return nil, false
		}
		for _, child := range s.children("pretokenizers") {
			if byteLevel {
				child.fail("", "a pre-tokenizer after ByteLevel is not supported")
			}
			var more []splitter
			more, byteLevel = readPreTokenizer(child, depth+1)
			list = append(list, more...)
		}
		return list, byteLevel
	case "ByteLevel":
		s.flag("trim_offsets", true) // offsets always cover the whole token, so that no byte of the text is left out
		if s.flag("add_prefix_space", true) {
			list = append(list, prefixSpace{})
		}
		if s.flag("use_regex", true) {
			list = append(list, cutter{pattern: scannerFor(gpt2Expression), behavior: isolated})
		}
		return list, true
	case "Split":
		return []splitter{cutter{readPattern(s), readBehavior(s, ""), s.flag("invert", false)}}, false
	case "Digits":
		if s.flag("individual_digits", false) {
			return []splitter{cutter{pattern: class(digit), behavior: isolated}}, false
		}
		return []splitter{cutter{pattern: class(digit), behavior: contiguous}}, false
	case "Punctuation":
		return []splitter{cutter{pattern: class(punctuation), behavior: readBehavior(s, "Isolated")}}, false
	case "Whitespace":
		return []splitter{cutter{pattern: runs{}, behavior: removed, invert: true}}, false
	case "WhitespaceSplit":
		return []splitter{cutter{pattern: class(space), behavior: removed}}, false
	case "Metaspace":
		return []splitter{readMetaspace(s)}, false
	default:
		s.fail("type", "unknown %q, known are ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace, "+
			"WhitespaceSplit", kind)
		return nil, false
	}
}

// prefixSpace puts a space before a piece that does not begin with one.
type prefixSpace struct{}

func (prefixSpace) split(e *encoder, p piece, next int) {
	if !strings.HasPrefix(p.text, " ") {
		p = prepend(" ").normalize(p, e.track)
	}
	e.split(p, next)
}

// metaspace writes spaces as a visible character, as SentencePiece does, and cuts before each.
type metaspace struct {
	mark   string
	scheme string // when the mark is put before a piece: always, never, or first: at the start of the text
	cut    bool
}

func readMetaspace(s *settings) metaspace {
	m := metaspace{
		mark:   string(s.char("replacement")),
		scheme: s.choice("prepend_scheme", "always", "always", "first", "never"),
		cut:    s.flag("split", true),
	}
	s.optional("str_rep") // written by old versions, equal to replacement
	// Files from before prepend_scheme have add_prefix_space alone. Where both stand they must agree.
	if !s.flag("add_prefix_space", true) {
		if _, declared := s.optional("prepend_scheme"); declared && m.scheme != "never" {
			s.fail("add_prefix_space", "false does not agree with prepend_scheme %q", m.scheme)
		}
		m.scheme = "never"
	}
	return m
}

func (m metaspace) split(e *encoder, p piece, next int) {
	atStart := p.start() == 0
	p = replace{literal(" "), m.mark}.normalize(p, e.track)
	if (m.scheme == "always" || m.scheme == "first" && atStart) && !strings.HasPrefix(p.text, m.mark) {
		p = prepend(m.mark).normalize(p, e.track)
	}
	if m.cut {
		cutter{pattern: literal(m.mark), behavior: mergedWithNext}.split(e, p, next)
		return
	}
	e.split(p, next)
}

// behavior says what becomes of the matches of a pattern.
type behavior int

const (
	removed            behavior = iota // matches vanish
	isolated                           // each is a part of its own
	mergedWithPrevious                 // each belongs to the part before it
	mergedWithNext                     // each belongs to the part after it
	contiguous                         // neighbours make one part
)

// behaviorNames holds the names in tokenizer.json.
var behaviorNames = []string{"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"}

func readBehavior(s *settings, fallback string) behavior {
	name := s.choice("behavior", fallback, behaviorNames...)
	for i, known := range behaviorNames {
		if known == name {
			return behavior(i)
		}
	}
	return isolated
}

// cutter cuts where a pattern matches, with invert where it does not.
type cutter struct {
	pattern  pattern
	behavior behavior
	invert   bool
}

// part is the range [start, end) of a piece, and whether the pattern matched there.
type part struct {
	start, end int
	match      bool
}

func (c cutter) split(e *encoder, p piece, next int) {
	// A scanner matches everywhere, so that isolating its matches needs no list of them.
	if scan, ok := c.pattern.(scanner); ok && c.behavior == isolated {
		for i := 0; i < len(p.text); {
			end := scan(p.text, i)
			e.split(p.slice(i, end), next)
			i = end
		}
		return
	}
	// The list is taken from the encoder, and given back for the next piece; splitters after this one need their own.
	list := c.parts(e.parts[:0], p.text)
	e.parts = nil
	for _, part := range c.behavior.merge(list) {
		if part.end > part.start && !(part.match && c.behavior == removed) {
			e.split(p.slice(part.start, part.end), next)
		}
	}
	e.parts = list[:0]
}

// parts appends the matches and what lies between them: together they cover the text.
func (c cutter) parts(list []part, text string) []part {
	end := 0
	c.pattern.find(text, func(from, to int) {
		if from > end {
			list = append(list, part{end, from, c.invert})
		}
		list = append(list, part{from, to, !c.invert})
		end = to
	})
	if end < len(text) {
		list = append(list, part{end, len(text), c.invert})
	}
	return list
}

// merge joins neighbours in place. A match merges into a neighbour that is no match; of several matches in a row, only
// the one that touches it does.
func (b behavior) merge(list []part) []part {
	switch b {
	case contiguous:
		out := list[:0]
		for _, next := range list {
			if n := len(out); n > 0 && out[n-1].match == next.match {
				out[n-1].end = next.end
			} else {
				out = append(out, next)
			}
		}
		return out
	case mergedWithPrevious:
		out, before := list[:0], false
		for _, next := range list {
			if n := len(out); n > 0 && next.match && !before {
				out[n-1].end = next.end
			} else {
				out = append(out, next)
			}
			before = next.match
		}
		return out
	case mergedWithNext:
		first, after := len(list), false
		for i := len(list) - 1; i >= 0; i-- {
			match := list[i].match
			if first < len(list) && match && !after {
				list[first].start = list[i].start
			} else {
				first--
				list[first] = list[i]
			}
			after = match
		}
		return list[first:]
	}
	return list
}

// markCut cuts before each mark that follows another character. Tokenizers without pre-tokenizer, such as Llama-2's,
// take a whole text as one word, although none of their tokens has the mark anywhere but at its start: then these cuts
// change no token, and short words can be looked up instead of merged again. See bpe.cutMark.
type markCut string

func (mark markCut) split(e *encoder, p piece, next int) {
	start := 0
	for i := 0; i < len(p.text); {
		found := strings.Index(p.text[i:], string(mark))
		if found < 0 {
			break
		}
		if found += i; found > i {
			e.split(p.slice(start, found), next)
			start = found
		}
		i = found + len(mark)
	}
	e.split(p.slice(start, len(p.text)), next)
}
