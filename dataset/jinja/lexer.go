package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/tokens"
)

// lexer splits a template into gonja's tokens by Jinja2's rules for whitespace (trim_blocks and lstrip_blocks on) and
// for string literals. Whitespace control is applied to the literal text here, so the tokens carry no trace of it.
type lexer struct {
	source string
	at     int // the next byte
	line   int
	tokens []*tokens.Token
	// lineStart says that what stood before the literal text ended with a newline: then the text starts a line.
	lineStart bool
}

// lex returns the tokens of a template.
func lex(source string) ([]*tokens.Token, error) {
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	l := &lexer{source: strings.TrimSuffix(source, "\n"), line: 1, lineStart: true}
	for l.at < len(l.source) {
		if err := l.literal(); err != nil {
			return nil, fmt.Errorf("line %d: %w", l.line, err)
		}
	}
	return l.tokens, nil
}

func (l *lexer) rest() string { return l.source[l.at:] }

// advance moves over n bytes.
func (l *lexer) advance(n int) string {
	passed := l.source[l.at : l.at+n]
	l.at += n
	l.line += strings.Count(passed, "\n")
	return passed
}

func (l *lexer) emit(kind tokens.Type, value string) {
	l.tokens = append(l.tokens, &tokens.Token{Type: kind, Val: value, Pos: l.at, Line: l.line, Col: 1})
}

// literal reads the text up to the next tag and that tag.
func (l *lexer) literal() error {
	opener := len(l.rest())
	for i := 0; i+1 < len(l.rest()); i++ {
		if l.rest()[i] == '{' && strings.IndexByte("{%#", l.rest()[i+1]) >= 0 {
			opener = i
			break
		}
	}
	startsLine := l.lineStart
	data := l.advance(opener)
	if l.at == len(l.source) {
		l.data(data)
		return nil
	}
	kind := l.advance(2)
	l.data(stripBefore(data, l.control(), kind, startsLine))
	switch kind {
	case "{#":
		return l.comment()
	case "{{":
		l.emit(tokens.VariableBegin, kind)
		return l.expression("}}")
	}
	if end, body, ok := rawBody(l.rest()); ok {
		return l.raw(end, body)
	}
	l.emit(tokens.BlockBegin, kind)
	return l.expression("%}")
}

func (l *lexer) data(text string) {
	if text != "" {
		l.emit(tokens.Data, text)
	}
}

// control reads the sign that may follow an opening delimiter.
func (l *lexer) control() byte {
	if l.at < len(l.source) && (l.source[l.at] == '-' || l.source[l.at] == '+') {
		return l.advance(1)[0]
	}
	return 0
}

// stripBefore applies the whitespace control of the tag that follows data.
func stripBefore(data string, control byte, kind string, startsLine bool) string {
	if control == '-' {
		return strings.TrimRight(data, pythonSpace)
	}
	if control == '+' || kind == "{{" {
		return data
	}
	line := strings.LastIndexByte(data, '\n') + 1
	if (line > 0 || startsLine) && strings.Trim(data[line:], pythonSpace) == "" {
		return data[:line]
	}
	return data
}

// after applies the whitespace control of the closing delimiter that was just read.
func (l *lexer) after(control byte, closer string) {
	rest := l.rest()
	n := 0
	switch {
	case control == '-':
		n = len(rest) - len(strings.TrimLeft(rest, pythonSpace))
	case control == 0 && closer != "}}" && strings.HasPrefix(rest, "\n"):
		n = 1
	}
	l.lineStart = strings.HasSuffix(l.advance(n), "\n")
}

func (l *lexer) comment() error {
	end := strings.Index(l.rest(), "#}")
	if end < 0 {
		return fmt.Errorf("comment is not closed")
	}
	var control byte
	if text := l.advance(end); text != "" && strings.IndexByte("-+", text[len(text)-1]) >= 0 {
		control = text[len(text)-1]
	}
	l.advance(2)
	l.after(control, "#}")
	return nil
}

// rawBody recognizes "raw %}" and returns the offset just behind it.
func rawBody(rest string) (end int, control byte, ok bool) {
	trimmed := strings.TrimLeft(rest, pythonSpace)
	name, found := strings.CutPrefix(trimmed, "raw")
	if !found {
		return 0, 0, false
	}
	name = strings.TrimLeft(name, pythonSpace)
	if name != "" && (name[0] == '-' || name[0] == '+') {
		control, name = name[0], name[1:]
	}
	if !strings.HasPrefix(name, "%}") {
		return 0, 0, false
	}
	return len(rest) - len(name) + 2, control, true
}

// raw reads the text up to {% endraw %}.
func (l *lexer) raw(end int, control byte) error {
	l.advance(end)
	l.after(control, "%}")
	startsLine, body := l.lineStart, l.rest()
	for i := strings.Index(body, "{%"); i >= 0 && i < len(body); {
		inner := body[i+2:]
		var open byte
		if inner != "" && (inner[0] == '-' || inner[0] == '+') {
			open, inner = inner[0], inner[1:]
		}
		tag, found := strings.CutPrefix(strings.TrimLeft(inner, pythonSpace), "endraw")
		tag = strings.TrimLeft(tag, pythonSpace)
		var shut byte
		if tag != "" && (tag[0] == '-' || tag[0] == '+') {
			shut, tag = tag[0], tag[1:]
		}
		if found && strings.HasPrefix(tag, "%}") {
			l.data(stripBefore(body[:i], open, "{%", startsLine))
			l.advance(len(body) - len(tag) + 2)
			l.after(shut, "%}")
			return nil
		}
		next := strings.Index(body[i+2:], "{%")
		if next < 0 {
			break
		}
		i += 2 + next
	}
	return fmt.Errorf("raw block is not closed")
}

// expression reads the inside of a tag up to and with its closer.
func (l *lexer) expression(closer string) error {
	depth := 0
	for {
		l.advance(len(l.rest()) - len(strings.TrimLeft(l.rest(), pythonSpace)))
		rest := l.rest()
		if rest == "" {
			return fmt.Errorf("tag is not closed, expected %s", closer)
		}
		if depth == 0 {
			if control, n, ok := closes(rest, closer); ok {
				kind := tokens.BlockEnd
				if closer == "}}" {
					kind = tokens.VariableEnd
				}
				l.emit(kind, closer)
				l.advance(n)
				l.after(control, closer)
				return nil
			}
		}
		switch c := rest[0]; {
		case c == '\'' || c == '"':
			if err := l.text(c); err != nil {
				return err
			}
		case c >= '0' && c <= '9':
			l.number()
		case isName(c):
			l.name()
		default:
			operator := rest[:1]
			if len(rest) > 1 {
				if _, ok := operators[rest[:2]]; ok {
					operator = rest[:2]
				}
			}
			kind, ok := operators[operator]
			if !ok {
				character, _ := utf8.DecodeRuneInString(rest)
				return fmt.Errorf("unexpected character %q", character)
			}
			depth += strings.Count("([{", operator) - strings.Count(")]}", operator)
			if depth < 0 || depth > maxDepth {
				return fmt.Errorf("brackets do not match, or are nested more than %d deep", maxDepth)
			}
			l.emit(kind, operator)
			l.advance(len(operator))
		}
	}
}

// closes recognizes a closing delimiter and its sign at the start of rest.
func closes(rest, closer string) (control byte, n int, ok bool) {
	if strings.HasPrefix(rest, closer) {
		return 0, len(closer), true
	}
	if sign := rest[0]; (sign == '-' || sign == '+' && closer == "%}") && strings.HasPrefix(rest[1:], closer) {
		return sign, 1 + len(closer), true
	}
	return 0, 0, false
}

var operators = map[string]tokens.Type{
	"+": tokens.Addition, "-": tokens.Subtraction, "*": tokens.Multiply, "**": tokens.Power, "/": tokens.Division,
	"//": tokens.FloorDivision, "%": tokens.Modulo, "~": tokens.Tilde, "|": tokens.Pipe, ".": tokens.Dot,
	",": tokens.Comma, ":": tokens.Colon, "=": tokens.Assign, "==": tokens.Equals, "!=": tokens.Ne,
	"<": tokens.LowerThan, "<=": tokens.LowerThanOrEqual, ">": tokens.GreaterThan, ">=": tokens.GreaterThanOrEqual,
	"(": tokens.LeftParenthesis, ")": tokens.RightParenthesis, "[": tokens.LeftBracket, "]": tokens.RightBracket,
	"{": tokens.LeftBrace, "}": tokens.RightBrace,
}

var keywords = map[string]tokens.Type{
	"and": tokens.And, "or": tokens.Or, "not": tokens.Not, "in": tokens.In, "is": tokens.Is,
}

func isName(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (l *lexer) name() {
	rest := l.rest()
	n := 0
	for n < len(rest) && (isName(rest[n]) || rest[n] >= '0' && rest[n] <= '9') {
		n++
	}
	kind, ok := keywords[rest[:n]]
	if !ok {
		kind = tokens.Name
	}
	l.emit(kind, rest[:n])
	l.advance(n)
}

func (l *lexer) number() {
	rest := l.rest()
	digits := func(n int) int {
		for n < len(rest) && (unicode.IsDigit(rune(rest[n])) || rest[n] == '_') {
			n++
		}
		return n
	}
	kind, n := tokens.Integer, digits(0)
	// A point or an exponent belongs to the number only if digits follow, and never after "name.".
	afterDot := len(l.tokens) > 0 && l.tokens[len(l.tokens)-1].Type == tokens.Dot
	if !afterDot && n < len(rest) && rest[n] == '.' && digits(n+1) > n+1 {
		kind, n = tokens.Float, digits(n+1)
	}
	if !afterDot && n < len(rest) && (rest[n] == 'e' || rest[n] == 'E') {
		exponent := n + 1
		if exponent < len(rest) && (rest[exponent] == '+' || rest[exponent] == '-') {
			exponent++
		}
		if end := digits(exponent); end > exponent {
			kind, n = tokens.Float, end
		}
	}
	l.emit(kind, rest[:n])
	l.advance(n)
}

// text reads a string literal. gonja's parser interprets backslashes in a token's value once more, so they are
// doubled; adjacent literals are one string, as in Python.
func (l *lexer) text(quote byte) error {
	rest := l.rest()
	end := 1
	for end < len(rest) && rest[end] != quote {
		if rest[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(rest) {
		return fmt.Errorf("string is not closed")
	}
	value, err := unescape(rest[1:end])
	if err != nil {
		return err
	}
	value = strings.ReplaceAll(value, `\`, `\\`)
	if n := len(l.tokens); n > 0 && l.tokens[n-1].Type == tokens.String {
		l.tokens[n-1].Val += value
	} else {
		l.emit(tokens.String, value)
	}
	l.advance(end + 1)
	return nil
}

// unescape resolves the escapes of a Python string literal. Unknown escapes stay as they are.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	simple := map[byte]string{
		'n': "\n", 't': "\t", 'r': "\r", '\\': `\`, '\'': "'", '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v",
		'\n': "",
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if to, ok := simple[s[i]]; ok {
			b.WriteString(to)
			continue
		}
		width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		if width == 0 {
			b.WriteByte('\\')
			b.WriteByte(s[i])
			continue
		}
		if i+width >= len(s) {
			return "", fmt.Errorf("truncated escape in string %q", s)
		}
		code, err := strconv.ParseUint(s[i+1:i+1+width], 16, 32)
		if err != nil || !utf8.ValidRune(rune(code)) {
			return "", fmt.Errorf("malformed escape in string %q", s)
		}
		b.WriteRune(rune(code))
		i += width
	}
	return b.String(), nil
}
