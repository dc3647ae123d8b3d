package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// The expressions in tokenizer.json are written for Oniguruma with its default syntax. They are translated into the
// few constructs that Go's regexp and regexp2 both understand in the same way: character classes written out as
// ranges (so that \s, \p{L} and (?i) have Oniguruma's meaning and Unicode 16), groups, quantifiers, and for regexp2
// look-around and atomic groups. What is not listed here is refused.

// Limits of an expression, which comes from a file that nobody vouches for.
const (
	maxExpression  = 10_000    // characters
	maxTranslation = 4_000_000 // bytes
	maxGroups      = 50        // groups inside each other
)

// translate returns the translation of an expression, and whether it looks around or has atomic groups.
func translate(expression string) (translation string, lookaround bool, err error) {
	t := &translator{src: []rune(expression)}
	if len(t.src) > maxExpression {
		return "", false, fmt.Errorf("expression of %d characters, the limit is %d", len(t.src), maxExpression)
	}
	out := t.alternatives(flags{})
	if t.err == nil && t.pos < len(t.src) {
		t.fail("unmatched )")
	}
	return out, t.lookaround, t.err
}

// flags are the options that (?i) and (?m) switch.
type flags struct{ fold, dotAll bool }

type translator struct {
	src        []rune
	pos        int
	depth      int
	size       int // of what was written so far
	lookaround bool
	err        error
}

func (t *translator) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf("at character %d: %s", t.pos, fmt.Sprintf(format, args...))
		t.pos = len(t.src)
	}
}

// more reports whether text is left and no error was met.
func (t *translator) more() bool { return t.err == nil && t.pos < len(t.src) }

// accept passes over s if it comes next.
func (t *translator) accept(s string) bool {
	if end := t.pos + len(s); end <= len(t.src) && string(t.src[t.pos:end]) == s {
		t.pos = end
		return true
	}
	return false
}

// until returns what stands before the next stop, and passes over both.
func (t *translator) until(stop rune) string {
	for end := t.pos; end < len(t.src); end++ {
		if t.src[end] == stop {
			text := string(t.src[t.pos:end])
			t.pos = end + 1
			return text
		}
	}
	t.fail("no closing %c", stop)
	return ""
}

// alternatives reads up to the end of a group or of the expression.
func (t *translator) alternatives(f flags) string {
	var out strings.Builder
	for t.more() && t.src[t.pos] != ')' {
		if t.accept("|") {
			out.WriteByte('|')
			continue
		}
		// (?i) without a colon holds for the rest of the group, later alternatives included.
		if set, ok := t.bareFlags(f); ok {
			f = set
			out.WriteString("(?:" + t.alternatives(f) + ")")
			break
		}
		out.WriteString(t.quantified(t.atom(f)))
	}
	return out.String()
}

// bareFlags reads a group such as (?i) or (?m-i).
func (t *translator) bareFlags(f flags) (flags, bool) {
	start := t.pos
	if t.accept("(?") {
		if set, ok := t.options(f); ok && t.accept(")") {
			return set, true
		}
	}
	t.pos = start
	return f, false
}

// options reads letters such as im-i.
func (t *translator) options(f flags) (flags, bool) {
	on, some := true, false
	for ; t.pos < len(t.src); t.pos++ {
		switch t.src[t.pos] {
		case 'i':
			f.fold = on
		case 'm':
			f.dotAll = on
		case '-':
			on = false
		default:
			return f, some
		}
		some = true
	}
	return f, false
}

// quantified reads the quantifiers after an atom.
func (t *translator) quantified(atom string) string {
	for quantifiers := 0; t.more(); quantifiers++ {
		least, most, interval := 0, -1, false
		switch t.src[t.pos] {
		case '?':
			most = 1
			t.pos++
		case '*':
			t.pos++
		case '+':
			least = 1
			t.pos++
		case '{':
			var ok bool
			if least, most, ok = t.interval(); !ok {
				return atom
			}
			interval = true
		default:
			return atom
		}
		if atom == "" {
			t.fail("nothing to repeat")
		}
		if quantifiers > 0 {
			atom = "(?:" + atom + ")"
		}
		switch {
		case interval && most >= 0 && most < least:
			t.fail("repetition {%d,%d}", least, most)
		case most < 0 && least < 2:
			atom += string("*+"[least])
		case most == 1 && least == 0 && !interval:
			atom += "?"
		case most < 0:
			atom += fmt.Sprintf("{%d,}", least)
		default:
			atom += fmt.Sprintf("{%d,%d}", least, most)
		}
		switch {
		case interval && least == most && t.more() && t.src[t.pos] == '?':
			t.fail("{n}? is not supported")
		case t.accept("?"):
			atom += "?"
		case !interval && t.accept("+"):
			t.lookaround = true
			atom = "(?>" + atom + ")"
		}
		if quantifiers > 8 || len(atom) > maxTranslation {
			t.fail("too many quantifiers")
		}
	}
	return atom
}

// interval reads {n}, {n,}, {,m} or {n,m}; most is -1 without a limit. Anything else after a brace is plain text.
func (t *translator) interval() (least, most int, ok bool) {
	start := t.pos
	t.pos++
	number := func(absent int) int {
		from := t.pos
		for t.pos < len(t.src) && t.src[t.pos] >= '0' && t.src[t.pos] <= '9' {
			t.pos++
		}
		if from == t.pos {
			return absent
		}
		n, err := strconv.Atoi(string(t.src[from:t.pos]))
		if err != nil || n > 1000 {
			t.fail("repetition of more than 1000")
		}
		return n
	}
	least = number(-1)
	most = least
	if t.accept(",") {
		most = number(-1)
		if least < 0 && most < 0 {
			t.pos = start
			return 0, 0, false
		}
		least = max(least, 0)
	}
	if least < 0 || !t.accept("}") {
		if t.err == nil {
			t.pos = start
		}
		return 0, 0, false
	}
	return least, most, true
}

// atom reads one character, class, group or assertion.
func (t *translator) atom(f flags) string {
	c := t.src[t.pos]
	t.pos++
	switch c {
	case '(':
		return t.group(f)
	case '[':
		return t.write(t.class(f))
	case '.':
		if f.dotAll {
			return t.write(runeSet(nil).complement())
		}
		return t.write(runeSet{{'\n', '\n'}}.complement())
	case '^':
		t.lookaround = true
		return `(?:\A|(?<=\n)(?!\z))`
	case '$':
		t.lookaround = true
		return `(?:(?=\n)|\z)`
	case '\\':
		return t.escape(f)
	case '*', '+', '?':
		t.fail("nothing to repeat before %c", c)
		return ""
	}
	return t.char(c, f)
}

// char returns one character, or all that differ only by case.
func (t *translator) char(c rune, f flags) string {
	set := runeSet{{c, c}}
	if f.fold {
		set = set.folded()
	}
	return t.write(set)
}

// group reads what follows an opening parenthesis.
func (t *translator) group(f flags) string {
	if t.depth++; t.depth > maxGroups {
		t.fail("groups nest more than %d deep", maxGroups)
	}
	defer func() { t.depth-- }()
	open := "(?:"
	switch {
	case t.accept("?:"):
	case t.accept("?#"):
		t.until(')')
		return ""
	case t.accept("?="), t.accept("?!"), t.accept("?>"):
		t.lookaround = true
		open = "(?" + string(t.src[t.pos-1])
	case t.accept("?<="), t.accept("?<!"):
		t.lookaround = true
		open = "(?<" + string(t.src[t.pos-1])
	case t.accept("?<"):
		if name := t.until('>'); strings.ContainsFunc(name, func(r rune) bool { return !isWord(r) }) {
			t.fail("bad group name %q", name)
		}
	case t.accept("?"):
		set, ok := t.options(f)
		if !ok || !t.accept(":") {
			t.fail("group (?%s is not supported", string(t.src[t.pos:min(t.pos+1, len(t.src))]))
		}
		f = set
	}
	inside := t.alternatives(f)
	if !t.accept(")") {
		t.fail("no closing )")
	}
	return open + inside + ")"
}

// escape reads what follows a backslash outside a class.
func (t *translator) escape(f flags) string {
	if !t.more() {
		t.fail(`\ at the end`)
		return ""
	}
	switch c := t.src[t.pos]; c {
	case 'A', 'z':
		t.pos++
		t.lookaround = true
		return `\` + string(c)
	case 'Z':
		t.pos++
		t.lookaround = true
		return `(?=\n?\z)`
	case 'b', 'B':
		t.pos++
		t.lookaround = true
		w := t.write(onigWord())
		if c == 'b' {
			return "(?:(?<=" + w + ")(?!" + w + ")|(?<!" + w + ")(?=" + w + "))"
		}
		return "(?:(?<=" + w + ")(?=" + w + ")|(?<!" + w + ")(?!" + w + "))"
	}
	set, single := t.escapedSet()
	if single {
		return t.char(set[0].first, f)
	}
	if f.fold {
		set = set.folded()
	}
	return t.write(set)
}

// escapedSet reads what follows a backslash inside or outside a class: a set, or a single character.
func (t *translator) escapedSet() (set runeSet, single bool) {
	one := func(r rune) (runeSet, bool) { return runeSet{{r, r}}, true }
	c := t.src[t.pos]
	t.pos++
	switch c {
	case 't':
		return one('\t')
	case 'n':
		return one('\n')
	case 'r':
		return one('\r')
	case 'f':
		return one('\f')
	case 'v':
		return one('\v')
	case 'a':
		return one('\a')
	case 'e':
		return one(0x1B)
	case 'x', 'u':
		return one(t.code(c))
	case 's', 'S':
		set = tables(unicode.White_Space)
	case 'd', 'D':
		set = mustCategory("Nd")
	case 'w', 'W':
		set = onigWord()
	case 'h', 'H':
		set, _ = bracket("xdigit")
	case 'p', 'P':
		return t.property(c == 'P'), false
	default:
		if c < 0x80 && (unicode.IsLetter(c) || unicode.IsDigit(c)) {
			t.fail(`\%c is not supported`, c)
		}
		return one(c)
	}
	if unicode.IsUpper(c) {
		set = set.complement()
	}
	return set, false
}

// code reads the digits of \xHH, \x{H...} or \uHHHH.
func (t *translator) code(kind rune) rune {
	var digits string
	switch {
	case kind == 'x' && t.accept("{"):
		digits = t.until('}')
	default:
		end := min(t.pos+2, len(t.src))
		if kind == 'u' {
			end = min(t.pos+4, len(t.src))
		}
		digits = string(t.src[t.pos:end])
		t.pos = end
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || n > unicode.MaxRune || n >= 0xD800 && n < 0xE000 || kind == 'x' && n >= 0x80 && len(digits) == 2 {
		// \x80 to \xff are single bytes to Oniguruma, which cannot match in UTF-8.
		t.fail(`bad character \%c%s`, kind, digits)
		return 0
	}
	return rune(n)
}

// property reads what follows \p or \P.
func (t *translator) property(negate bool) runeSet {
	if !t.accept("{") {
		t.fail(`\p without {`)
		return nil
	}
	name := t.until('}')
	if rest, ok := strings.CutPrefix(name, "^"); ok {
		name, negate = rest, !negate
	}
	set, ok := property(name)
	if !ok {
		t.fail(`unknown property \p{%s}`, name)
	}
	if negate {
		set = set.complement()
	}
	return set
}

// write returns a set of characters as the class that both engines read alike.
func (t *translator) write(set runeSet) string {
	if t.err != nil {
		return ""
	}
	if len(set) == 0 {
		t.fail("a class that matches nothing")
		return ""
	}
	var out strings.Builder
	put := func(r rune) {
		switch {
		case r < ' ' || r == 0x7F:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r < 0x80 && strings.ContainsRune(`\[](){}^$.|*+?-&~#`, r):
			out.WriteByte('\\')
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	if len(set) == 1 && set[0].first == set[0].last {
		put(set[0].first)
	} else {
		out.WriteByte('[')
		for _, r := range set {
			put(r.first)
			if r.last > r.first {
				out.WriteByte('-')
				put(r.last)
			}
		}
		out.WriteByte(']')
	}
	if t.size += out.Len(); t.size > maxTranslation {
		t.fail("its classes are too long when written out")
	}
	return out.String()
}
