package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// decoder turns tokens back into text; each changes the list and gives it to the next.
type decoder interface {
	decode(tokens []string) []string
}

// readDecoder reads a decoder.
func readDecoder(s *settings, depth int) decoder {
	if s == nil || s.failed() {
		return nil
	}
	defer s.done()
	switch kind := s.text("type"); kind {
	case "ByteLevel":
		s.flag("add_prefix_space", true)
		s.flag("trim_offsets", true)
		s.flag("use_regex", true)
		return byteDecoder{}
	case "Replace":
		return replaceDecoder{readPattern(s), s.text("content")}
	case "ByteFallback":
		return byteFallbackDecoder{}
	case "Fuse":
		return fuseDecoder{}
	case "Strip":
		return stripDecoder{string(s.char("content")), s.count("start", maxID), s.count("stop", maxID)}
	case "Metaspace":
		m := readMetaspace(s)
		return metaspaceDecoder{mark: m.mark, prepended: m.scheme != "never"}
	case "Sequence":
		if depth >= maxSequences {
			s.fail("", "sequences nest more than %d deep", maxSequences)
			return nil
		}
		var all decoders
		for _, child := range s.children("decoders") {
			all = append(all, readDecoder(child, depth+1))
		}
		return all
	default:
		s.fail("type", "unknown %q, known are ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip", kind)
		return nil
	}
}

// decoders applies its members in order.
type decoders []decoder

func (d decoders) decode(tokens []string) []string {
	for _, member := range d {
		tokens = member.decode(tokens)
	}
	return tokens
}

// byteDecoder turns byte-level tokens into the bytes they stand for. A token with another character stands for itself.
type byteDecoder struct{}

func (byteDecoder) decode(tokens []string) []string {
	var text []byte
	for _, token := range tokens {
		start := len(text)
		raw, ok := appendRaw(text, token)
		if !ok {
			raw = append(raw[:start], token...)
		}
		text = raw
	}
	return []string{validUTF8(text)}
}

// replaceDecoder replaces in each token.
type replaceDecoder struct {
	pattern pattern
	content string
}

func (d replaceDecoder) decode(tokens []string) []string {
	for i, token := range tokens {
		tokens[i] = replace(d).normalize(piece{text: token}, false).text
	}
	return tokens
}

// byteFallbackDecoder joins runs of tokens <0xNN> into characters. If a run is not UTF-8, each of its bytes becomes
// U+FFFD.
type byteFallbackDecoder struct{}

func (byteFallbackDecoder) decode(tokens []string) []string {
	out := make([]string, 0, len(tokens))
	var run []byte
	flush := func() {
		if utf8.Valid(run) {
			if len(run) > 0 {
				out = append(out, string(run))
			}
		} else {
			for range run {
				out = append(out, "\uFFFD")
			}
		}
		run = run[:0]
	}
	for _, token := range tokens {
		if b, ok := fallbackByte(token); ok {
			run = append(run, b)
			continue
		}
		flush()
		out = append(out, token)
	}
	flush()
	return out
}

// fallbackByte returns the byte that a token <0xNN> stands for. As in Rust, the first digit may be a plus sign.
func fallbackByte(token string) (byte, bool) {
	if len(token) != 6 || token[:3] != "<0x" || token[5] != '>' {
		return 0, false
	}
	digits := token[3:5]
	if digits[0] == '+' {
		digits = digits[1:]
	}
	b, err := strconv.ParseUint(digits, 16, 8)
	return byte(b), err == nil
}

// fuseDecoder joins all tokens into one.
type fuseDecoder struct{}

func (fuseDecoder) decode(tokens []string) []string { return []string{strings.Join(tokens, "")} }

// stripDecoder removes up to start times a character at the start of each token, and up to stop times at its end.
type stripDecoder struct {
	content     string
	start, stop int
}

func (d stripDecoder) decode(tokens []string) []string {
	for i, token := range tokens {
		for n := 0; n < d.start && strings.HasPrefix(token, d.content); n++ {
			token = token[len(d.content):]
		}
		for n := 0; n < d.stop && strings.HasSuffix(token, d.content); n++ {
			token = token[:len(token)-len(d.content)]
		}
		tokens[i] = token
	}
	return tokens
}

// metaspaceDecoder turns the visible mark into spaces; in the first token it is left out where the pre-tokenizer had
// put it before the text.
type metaspaceDecoder struct {
	mark      string
	prepended bool
}

func (d metaspaceDecoder) decode(tokens []string) []string {
	for i, token := range tokens {
		space := " "
		if i == 0 && d.prepended {
			space = ""
		}
		tokens[i] = strings.ReplaceAll(token, d.mark, space)
	}
	return tokens
}
