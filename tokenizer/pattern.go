package tokenizer

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// pattern finds matches in a text, from the left and without overlaps. They may be empty.
type pattern interface {
	find(text string, match func(start, end int))
}

// readPattern reads the key pattern: {"String": text} or {"Regex": expression}.
func readPattern(s *settings) pattern {
	child := s.child("pattern")
	if child == nil {
		s.fail("pattern", `expected {"String": ...} or {"Regex": ...}, got nothing`)
		return nil
	}
	defer child.done()
	if text, ok := child.optional("String"); ok {
		if text == "" {
			child.fail("String", "expected a text, got an empty string")
		}
		return literal(text)
	}
	expression := child.text("Regex")
	if s.failed() {
		return nil
	}
	p, err := compile(expression)
	if err != nil {
		child.fail("Regex", "%s in %q", err, expression)
	}
	if search, ok := p.(*backtracking); ok {
		search.expression = expression
		s.file.searches = append(s.file.searches, search)
	}
	return p
}

// compile returns the pattern for an expression of Oniguruma's syntax: a scanner where there is one, else Go's own
// engine, which takes linear time, else regexp2, which can look around and steps back.
func compile(expression string) (pattern, error) {
	if scan := scannerFor(expression); scan != nil {
		return scan, nil
	}
	return compileGeneral(expression)
}

func compileGeneral(expression string) (pattern, error) {
	translated, lookaround, err := translate(expression)
	if err != nil {
		return nil, err
	}
	if !lookaround {
		if re, err := regexp.Compile(translated); err == nil {
			return linear{re}, nil
		}
	}
	re, err := regexp2.Compile(translated, regexp2.None)
	if err != nil {
		// The engine's own message would quote the translated expression, which may be long.
		return nil, fmt.Errorf("the regular expression cannot be compiled")
	}
	re.MatchTimeout = matchLimit
	return &backtracking{re: re}, nil
}

func (scan scanner) find(text string, match func(start, end int)) {
	for i := 0; i < len(text); {
		end := scan(text, i)
		match(i, end)
		i = end
	}
}

// literal matches one text.
type literal string

func (p literal) find(text string, match func(start, end int)) {
	for from := 0; ; {
		i := strings.Index(text[from:], string(p))
		if i < 0 {
			return
		}
		match(from+i, from+i+len(p))
		from += i + len(p)
	}
}

// class matches one character that has any of the bits.
type class charClass

func (p class) find(text string, match func(start, end int)) {
	table := classes()
	for i := 0; i < len(text); {
		c, size := table.at(text, i)
		if c&charClass(p) != 0 {
			match(i, i+size)
		}
		i += size
	}
}

// runs matches the longest run of word characters, or of characters that are neither of words nor white space.
type runs struct{}

func (runs) find(text string, match func(start, end int)) {
	table := classes()
	for i := 0; i < len(text); {
		c, size := table.at(text, i)
		end := i + size
		switch {
		case c&word != 0:
			end = table.run(text, end, word, word)
			match(i, end)
		case c&space == 0:
			end = table.run(text, end, word|space, 0)
			match(i, end)
		}
		i = end
	}
}

// linear is an expression that Go's engine can run. Its translation looks at nothing outside a match, so that each
// search may begin on a cut text.
type linear struct{ re *regexp.Regexp }

func (p linear) find(text string, match func(start, end int)) {
	last := -1
	for from := 0; from <= len(text); {
		found := p.re.FindStringIndex(text[from:])
		if found == nil {
			return
		}
		start, end := from+found[0], from+found[1]
		// An empty match where the one before ended does not count; the search goes on one character later.
		if start == end && start == last {
			_, size := utf8.DecodeRuneInString(text[from:])
			from += max(size, 1)
			continue
		}
		match(start, end)
		from, last = end, end
	}
}

// Limits of a search with regexp2, which takes exponential time on some expressions: for one match, and for one text.
// Well-meant expressions need microseconds for a match.
const (
	matchLimit  = 2 * time.Second
	textLimit   = 10 * time.Second
	textLimitMB = 20 * time.Second // more for each 1e6 characters
)

// backtracking is an expression that needs regexp2.
type backtracking struct {
	expression string
	re         *regexp2.Regexp
	stopped    atomic.Bool // a search ran past its limit: the expression is not searched for again
}

func (p *backtracking) find(text string, match func(start, end int)) {
	characters := []rune(text)
	limit := textLimit + time.Duration(float64(textLimitMB)*float64(len(characters))/1e6)
	began := time.Now()
	at, offset, last := 0, 0, -1 // text[offset:] begins with characters[at]
	byteOf := func(character int) int {
		for ; at < character; at++ {
			offset += utf8.RuneLen(characters[at])
		}
		return offset
	}
	for from := 0; from <= len(characters) && !p.stopped.Load(); {
		found, err := p.re.FindRunesMatchStartingAt(characters, from)
		if err != nil || time.Since(began) > limit {
			p.stopped.Store(true)
			return
		}
		if found == nil {
			return
		}
		start, end := found.Index, found.Index+found.Length
		if start == end && start == last {
			from++
			continue
		}
		first := byteOf(start)
		match(first, byteOf(end))
		from, last = end, end
	}
}
