package tokenizer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// settings is one small JSON object of tokenizer.json: a normalizer, a pre-tokenizer, an added token. Its methods read
// one key each. The first error is kept, later reads then give zero values, so that a component can be read line by
// line and checked once. A key that nobody asked for is an error: it might change what the tokenizer does.
type settings struct {
	lex   lexer
	path  string // such as pre_tokenizer.pretokenizers[1]
	at    map[string]int
	asked []string
	file  *loading
}

// loading is what all settings of one file share.
type loading struct {
	err      error           // the first error
	searches []*backtracking // expressions that may take long
}

// failed reports whether an error was met in the file.
func (s *settings) failed() bool { return s.file.err != nil }

// readSettings reads the object at the position of l.
func readSettings(l *lexer, path string, file *loading) *settings {
	s := &settings{lex: *l, path: path, at: map[string]int{}, file: file}
	if file.err != nil {
		return s
	}
	file.err = s.lex.object(path, func(key []byte) error {
		if _, twice := s.at[string(key)]; twice {
			return s.lex.errorf("%s: key %q twice", path, key)
		}
		s.lex.peek()
		s.at[string(key)] = s.lex.pos
		_, err := s.lex.skip()
		return err
	})
	l.pos = s.lex.pos
	return s
}

// fail records an error about key.
func (s *settings) fail(key, format string, args ...any) {
	if s.file.err == nil {
		s.file.err = fmt.Errorf("tokenizer: %s: %s: %s", s.lex.name, join(s.path, key), fmt.Sprintf(format, args...))
	}
}

func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}

// value returns a lexer at the value of key, nil where there is none, it is null, or an error was met before.
func (s *settings) value(key string) *lexer {
	s.asked = append(s.asked, key)
	pos, ok := s.at[key]
	if !ok || s.file.err != nil {
		return nil
	}
	l := &lexer{name: s.lex.name, src: s.lex.src, pos: pos}
	if bytes.HasPrefix(l.src[pos:], []byte("null")) {
		return nil
	}
	return l
}

// optional returns the string at key and whether there is one.
func (s *settings) optional(key string) (string, bool) {
	l := s.value(key)
	if l == nil {
		return "", false
	}
	if c := l.peek(); c != '"' {
		s.fail(key, "expected a string, got %s", l.found())
		return "", false
	}
	text, err := l.appendString(nil)
	if err != nil {
		s.fail(key, "%s", strings.TrimPrefix(err.Error(), "tokenizer: "+s.lex.name))
	}
	return string(text), err == nil
}

// text returns the string at key, which must be there.
func (s *settings) text(key string) string {
	text, ok := s.optional(key)
	if !ok {
		s.fail(key, "expected a string, got nothing")
	}
	return text
}

// char returns the string at key, which must be one character.
func (s *settings) char(key string) rune {
	text := s.text(key)
	r, size := utf8.DecodeRuneInString(text)
	if size == 0 || size != len(text) {
		s.fail(key, "expected one character, got %q", text)
	}
	return r
}

// choice returns the string at key, which must be one of known; fallback, if not empty, stands for an absent key.
func (s *settings) choice(key, fallback string, known ...string) string {
	text, ok := s.optional(key)
	if !ok && fallback != "" {
		return fallback
	}
	if !slices.Contains(known, text) {
		s.fail(key, "unknown %q, known are %s", text, strings.Join(known, ", "))
	}
	return text
}

// flag returns the boolean at key.
func (s *settings) flag(key string, fallback bool) bool {
	l := s.value(key)
	if l == nil {
		return fallback
	}
	raw, err := l.skip()
	switch {
	case err == nil && string(raw) == "true":
		return true
	case err == nil && string(raw) == "false":
		return false
	}
	l.pos = s.at[key]
	s.fail(key, "expected true or false, got %s", l.found())
	return false
}

// count returns the whole number at key, from 0 to limit.
func (s *settings) count(key string, limit int) int {
	l := s.value(key)
	if l == nil {
		s.fail(key, "expected a number, got nothing")
		return 0
	}
	n, err := l.integer(func() string { return join(s.path, key) }, limit)
	if err != nil && s.file.err == nil {
		s.file.err = err
	}
	return n
}

// child returns the object at key, nil where there is none.
func (s *settings) child(key string) *settings {
	l := s.value(key)
	if l == nil {
		return nil
	}
	return readSettings(l, join(s.path, key), s.file)
}

// each calls visit for each element of the array at key, with a lexer at the element, which visit must read.
func (s *settings) each(key string, visit func(l *lexer, path string)) {
	l := s.value(key)
	if l == nil {
		return
	}
	path := join(s.path, key)
	err := l.array(path, func(i int) error {
		visit(l, fmt.Sprintf("%s[%d]", path, i))
		return s.file.err
	})
	if s.file.err == nil {
		s.file.err = err
	}
}

// children returns the objects of the array at key.
func (s *settings) children(key string) (list []*settings) {
	s.each(key, func(l *lexer, path string) { list = append(list, readSettings(l, path, s.file)) })
	return list
}

// keys returns all keys, sorted.
func (s *settings) keys() []string {
	keys := make([]string, 0, len(s.at))
	for key := range s.at {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// done reports a key that nobody asked for.
func (s *settings) done() {
	for _, key := range s.keys() {
		if !slices.Contains(s.asked, key) {
			s.fail(key, "unknown key, known are %s", strings.Join(s.asked, ", "))
		}
	}
}
