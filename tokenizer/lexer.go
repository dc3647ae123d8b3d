package tokenizer

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// lexer reads JSON (RFC 8259) from memory, one token at a time. A tokenizer.json of 10 MB is nearly all vocabulary and
// merges; reading these through encoding/json would take most of the time a load may cost.
type lexer struct {
	name string // the file, for errors
	src  []byte
	pos  int
}

// maxDepth bounds how deep arrays and objects may nest.
const maxDepth = 64

// errorf returns an error that names the file and the line of the lexer's position.
func (l *lexer) errorf(format string, args ...any) error {
	line := 1 + bytes.Count(l.src[:min(l.pos, len(l.src))], []byte{'\n'})
	return fmt.Errorf("tokenizer: %s:%d: %s", l.name, line, fmt.Sprintf(format, args...))
}

// peek skips white space and returns the next byte, 0 at the end of the file.
func (l *lexer) peek() byte {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case ' ', '\t', '\n', '\r':
			l.pos++
		default:
			return c
		}
	}
	return 0
}

// found describes what stands at the lexer's position.
func (l *lexer) found() string {
	switch c := l.peek(); {
	case l.pos >= len(l.src):
		return "the end of the file"
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '-' || c >= '0' && c <= '9':
		return "a number"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	default:
		return fmt.Sprintf("%q", rune(c))
	}
}

// object calls field for each key of the object at the lexer's position; field must read the value. The key is only
// valid until the next call of the lexer.
func (l *lexer) object(what string, field func(key []byte) error) error {
	if l.peek() != '{' {
		return l.errorf("%s: expected an object, got %s", what, l.found())
	}
	l.pos++
	var key []byte
	for first := true; ; first = false {
		switch c := l.peek(); {
		case c == '}':
			l.pos++
			return nil
		case first:
		case c == ',':
			l.pos++
		default:
			return l.errorf("%s: expected ',' or '}', got %s", what, l.found())
		}
		var err error
		if key, err = l.appendString(key[:0]); err != nil {
			return err
		}
		if l.peek() != ':' {
			return l.errorf("%s: expected ':', got %s", what, l.found())
		}
		l.pos++
		if err := field(key); err != nil {
			return err
		}
	}
}

// array calls element for each element of the array at the lexer's position; element must read it.
func (l *lexer) array(what string, element func(i int) error) error {
	if l.peek() != '[' {
		return l.errorf("%s: expected an array, got %s", what, l.found())
	}
	l.pos++
	for i := 0; ; i++ {
		switch c := l.peek(); {
		case c == ']':
			l.pos++
			return nil
		case i == 0:
		case c == ',':
			l.pos++
		default:
			return l.errorf("%s: expected ',' or ']', got %s", what, l.found())
		}
		if err := element(i); err != nil {
			return err
		}
	}
}

// appendString reads the string at the lexer's position and appends its characters to dst.
func (l *lexer) appendString(dst []byte) ([]byte, error) {
	if l.peek() != '"' {
		return dst, l.errorf("expected a string, got %s", l.found())
	}
	l.pos++
	start := l.pos
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == '"':
			run := l.src[start:l.pos]
			if !utf8.Valid(run) {
				return dst, l.errorf("string %q is not UTF-8", run)
			}
			l.pos++
			return append(dst, run...), nil
		case c < ' ':
			return dst, l.errorf("control character %q in a string", rune(c))
		case c == '\\':
			run := l.src[start:l.pos]
			if !utf8.Valid(run) {
				return dst, l.errorf("string %q is not UTF-8", run)
			}
			r, err := l.escape()
			if err != nil {
				return dst, err
			}
			dst = utf8.AppendRune(append(dst, run...), r)
			start = l.pos
		default:
			l.pos++
		}
	}
	return dst, l.errorf("the file ends inside a string")
}

// escape reads one escaped character, a pair of surrogates included.
func (l *lexer) escape() (rune, error) {
	if l.pos+1 >= len(l.src) {
		return 0, l.errorf("the file ends inside a string")
	}
	c := l.src[l.pos+1]
	l.pos += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, ok := l.hex4()
		if ok && utf16.IsSurrogate(r) {
			ok = l.pos+1 < len(l.src) && l.src[l.pos] == '\\' && l.src[l.pos+1] == 'u'
			if ok {
				l.pos += 2
				var low rune
				low, ok = l.hex4()
				r = utf16.DecodeRune(r, low)
				ok = ok && r != utf8.RuneError
			}
		}
		if !ok {
			return 0, l.errorf(`bad \u escape in a string`)
		}
		return r, nil
	}
	return 0, l.errorf(`bad escape \%c in a string`, c)
}

// hex4 reads four hexadecimal digits.
func (l *lexer) hex4() (rune, bool) {
	if l.pos+4 > len(l.src) {
		return 0, false
	}
	r := rune(0)
	for _, c := range l.src[l.pos : l.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	l.pos += 4
	return r, true
}

// integer reads a number that must be whole and between 0 and limit.
func (l *lexer) integer(what func() string, limit int) (int, error) {
	c := l.peek()
	start := l.pos
	for l.pos < len(l.src) && (l.src[l.pos] >= '0' && l.src[l.pos] <= '9') {
		l.pos++
	}
	n := 0
	for _, d := range l.src[start:l.pos] {
		if n = n*10 + int(d-'0'); n > limit {
			return 0, l.errorf("%s: expected a number of at most %d, got more", what(), limit)
		}
	}
	next := byte(0)
	if l.pos < len(l.src) {
		next = l.src[l.pos]
	}
	if l.pos == start || next == '.' || next == 'e' || next == 'E' || c == '0' && l.pos > start+1 {
		l.pos = start
		got := l.found()
		if got == "a number" {
			end := start
			for end < len(l.src) && end < start+24 && bytes.IndexByte([]byte("+-.eE0123456789"), l.src[end]) >= 0 {
				end++
			}
			got = string(l.src[start:end])
		}
		return 0, l.errorf("%s: expected a whole number from 0 to %d, got %s", what(), limit, got)
	}
	return n, nil
}

// skip passes over the value at the lexer's position and returns its bytes. It checks no more than is needed to find
// the end: who reads the value checks the rest.
func (l *lexer) skip() ([]byte, error) {
	l.peek()
	start, depth := l.pos, 0
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case '"':
			for l.pos++; l.pos < len(l.src) && l.src[l.pos] != '"'; l.pos++ {
				if l.src[l.pos] == '\\' {
					l.pos++
				}
			}
			if l.pos >= len(l.src) {
				l.pos = len(l.src)
				return nil, l.errorf("the file ends inside a string")
			}
			l.pos++
		case '{', '[':
			if depth++; depth > maxDepth {
				return nil, l.errorf("arrays and objects nest more than %d deep", maxDepth)
			}
			l.pos++
			continue
		case '}', ']':
			if depth == 0 {
				return nil, l.errorf("expected a value, got %s", l.found())
			}
			depth--
			l.pos++
		case ',', ':':
			if depth == 0 {
				return nil, l.errorf("expected a value, got %s", l.found())
			}
			l.pos++
			continue
		case ' ', '\t', '\n', '\r':
			l.pos++
			continue
		default:
			for l.pos < len(l.src) && bytes.IndexByte([]byte(",]} \t\r\n"), l.src[l.pos]) < 0 {
				l.pos++
			}
		}
		if depth == 0 {
			return l.src[start:l.pos], nil
		}
	}
	return nil, l.errorf("expected a value, got the end of the file")
}
