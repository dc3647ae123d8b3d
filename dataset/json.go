package dataset

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deeply a row's lists and objects may be nested.
const maxDepth = 100

// kind is the type of a JSON value.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindList
	kindObject
)

var kindNames = [...]string{"null", "bool", "number", "string", "list", "object"}

func (k kind) String() string { return kindNames[k] }

// value is a JSON value, or a parquet value in the same shape.
type value struct {
	kind   kind
	text   string   // of a string; of a number or bool, as written
	list   []value  // of a list
	fields []member // of an object, in the file's order
}

type member struct {
	name  string
	value value
}

// field returns the named field of an object.
func (v *value) field(name string) (*value, bool) {
	for i := range v.fields {
		if v.fields[i].name == name {
			return &v.fields[i].value, true
		}
	}
	return nil, false
}

// syntaxError is malformed JSON at a byte offset of the parsed text.
type syntaxError struct {
	offset  int
	problem string
}

func (e *syntaxError) Error() string { return e.problem }

// jsonParser parses one JSON text. Compared with encoding/json it keeps the order of fields, refuses duplicate fields,
// invalid UTF-8 and half surrogate pairs instead of repairing them, and accepts the NaN and Infinity that Python writes.
type jsonParser struct {
	data []byte
	at   int
}

// parseJSON parses data, which must hold exactly one value.
func parseJSON(data []byte) (value, error) {
	p := jsonParser{data: data}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return value{}, err
	}
	p.space()
	if p.at < len(data) {
		return value{}, p.fail("unexpected %s after the value", p.here())
	}
	return v, nil
}

func (p *jsonParser) fail(format string, args ...any) error {
	return &syntaxError{p.at, fmt.Sprintf(format, args...)}
}

// here describes the next character for an error.
func (p *jsonParser) here() string {
	if p.at >= len(p.data) {
		return "end of text"
	}
	c, width := utf8.DecodeRune(p.data[p.at:])
	if c == utf8.RuneError && width == 1 {
		return fmt.Sprintf("byte 0x%02x", p.data[p.at])
	}
	return strconv.QuoteRune(c)
}

func (p *jsonParser) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonParser) value(depth int) (value, error) {
	if depth > maxDepth {
		return value{}, p.fail("nested more than %d deep", maxDepth)
	}
	if p.at >= len(p.data) {
		return value{}, p.fail("expected a value, got end of text")
	}
	switch c := p.data[p.at]; {
	case c == '"':
		s, err := p.string()
		return value{kind: kindString, text: s}, err
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.list(depth)
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, word := range [...]struct {
		text string
		kind kind
	}{{"null", kindNull}, {"true", kindBool}, {"false", kindBool}, {"NaN", kindNumber}, {"Infinity", kindNumber}} {
		if p.word(word.text) {
			return value{kind: word.kind, text: word.text}, nil
		}
	}
	return value{}, p.fail("expected a value, got %s", p.here())
}

// word passes over text if it comes next.
func (p *jsonParser) word(text string) bool {
	if len(p.data)-p.at < len(text) || string(p.data[p.at:p.at+len(text)]) != text {
		return false
	}
	p.at += len(text)
	return true
}

func (p *jsonParser) list(depth int) (value, error) {
	v := value{kind: kindList}
	p.at++
	p.space()
	if p.word("]") {
		return v, nil
	}
	for {
		p.space()
		item, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		v.list = append(v.list, item)
		p.space()
		switch {
		case p.word(","):
		case p.word("]"):
			return v, nil
		default:
			return v, p.fail("expected ',' or ']' in a list, got %s", p.here())
		}
	}
}

func (p *jsonParser) object(depth int) (value, error) {
	v := value{kind: kindObject}
	p.at++
	p.space()
	if p.word("}") {
		return v, nil
	}
	var seen map[string]bool // only for objects so large that a search of the fields would be slow
	for {
		p.space()
		if p.at >= len(p.data) || p.data[p.at] != '"' {
			return v, p.fail("expected a field name in quotes, got %s", p.here())
		}
		start := p.at
		name, err := p.string()
		if err != nil {
			return v, err
		}
		duplicate := seen[name]
		if seen == nil {
			_, duplicate = v.field(name)
		}
		if duplicate {
			p.at = start
			return v, p.fail("field %q stands twice in one object", name)
		}
		p.space()
		if !p.word(":") {
			return v, p.fail("expected ':' after the field name %q, got %s", name, p.here())
		}
		p.space()
		item, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		v.fields = append(v.fields, member{name, item})
		if seen != nil {
			seen[name] = true
		} else if len(v.fields) == 32 {
			seen = make(map[string]bool)
			for _, f := range v.fields {
				seen[f.name] = true
			}
		}
		p.space()
		switch {
		case p.word(","):
		case p.word("}"):
			return v, nil
		default:
			return v, p.fail("expected ',' or '}' in an object, got %s", p.here())
		}
	}
}

func (p *jsonParser) number() (value, error) {
	start := p.at
	p.word("-")
	if p.word("Infinity") {
		return value{kind: kindNumber, text: "-Infinity"}, nil
	}
	digits := func() int {
		n := 0
		for p.at < len(p.data) && p.data[p.at] >= '0' && p.data[p.at] <= '9' {
			p.at++
			n++
		}
		return n
	}
	leadingZero := p.at < len(p.data) && p.data[p.at] == '0'
	if n := digits(); n == 0 || leadingZero && n > 1 {
		return value{}, p.fail("malformed number")
	}
	if p.word(".") && digits() == 0 {
		return value{}, p.fail("malformed number")
	}
	if p.word("e") || p.word("E") {
		if !p.word("+") {
			p.word("-")
		}
		if digits() == 0 {
			return value{}, p.fail("malformed number")
		}
	}
	return value{kind: kindNumber, text: string(p.data[start:p.at])}, nil
}

// string reads a string; p.at is on its opening quote.
func (p *jsonParser) string() (string, error) {
	p.at++
	start := p.at
	for ; p.at < len(p.data); p.at++ {
		switch c := p.data[p.at]; {
		case c == '"':
			text := p.data[start:p.at]
			if err := p.checkUTF8(start, p.at); err != nil {
				return "", err
			}
			p.at++
			return string(text), nil
		case c == '\\':
			return p.escapedString(start)
		case c < 0x20:
			return "", p.fail("control character 0x%02x inside a string; write it as \\u%04x", c, c)
		}
	}
	return "", p.fail("string is not closed")
}

func (p *jsonParser) checkUTF8(start, end int) error {
	text := p.data[start:end]
	if utf8.Valid(text) {
		return nil
	}
	for i := 0; i < len(text); {
		c, width := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && width == 1 {
			p.at = start + i
			return p.fail("invalid UTF-8 (byte 0x%02x)", text[i])
		}
		i += width
	}
	return nil
}

// escapedString reads the rest of a string that has escapes; the text since start has none.
func (p *jsonParser) escapedString(start int) (string, error) {
	// The closing quote is not known yet; most strings with escapes are little longer than what has been read.
	buffer := make([]byte, 0, 2*(p.at-start)+64)
	for p.at < len(p.data) {
		switch c := p.data[p.at]; {
		case c == '"':
			if err := p.checkUTF8(start, p.at); err != nil {
				return "", err
			}
			buffer = append(buffer, p.data[start:p.at]...)
			p.at++
			return string(buffer), nil
		case c == '\\':
			if err := p.checkUTF8(start, p.at); err != nil {
				return "", err
			}
			buffer = append(buffer, p.data[start:p.at]...)
			character, err := p.escape()
			if err != nil {
				return "", err
			}
			buffer = utf8.AppendRune(buffer, character)
			start = p.at
		case c < 0x20:
			return "", p.fail("control character 0x%02x inside a string; write it as \\u%04x", c, c)
		default:
			p.at++
		}
	}
	return "", p.fail("string is not closed")
}

// escape reads one escape sequence; p.at is on its backslash.
func (p *jsonParser) escape() (rune, error) {
	const letters, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if p.at+1 >= len(p.data) {
		return 0, p.fail("string is not closed")
	}
	c := p.data[p.at+1]
	if i := strings.IndexByte(letters, c); i >= 0 {
		p.at += 2
		return rune(meanings[i]), nil
	}
	if c != 'u' {
		return 0, p.fail("unknown escape \\%c", c)
	}
	first, ok := p.hex(p.at + 2)
	if !ok {
		return 0, p.fail("malformed \\u escape")
	}
	if !utf16.IsSurrogate(first) {
		p.at += 6
		return first, nil
	}
	// Characters beyond U+FFFF are written as two escapes.
	if p.at+7 < len(p.data) && p.data[p.at+6] == '\\' && p.data[p.at+7] == 'u' {
		if second, ok := p.hex(p.at + 8); ok {
			if c := utf16.DecodeRune(first, second); c != utf8.RuneError {
				p.at += 12
				return c, nil
			}
		}
	}
	return 0, p.fail("\\u%04x is half of a surrogate pair; no text can hold it", first)
}

func (p *jsonParser) hex(at int) (rune, bool) {
	if at+4 > len(p.data) {
		return 0, false
	}
	code, err := strconv.ParseUint(string(p.data[at:at+4]), 16, 16)
	if err != nil || code > math.MaxUint16 {
		return 0, false
	}
	return rune(code), true
}
