package evaluate

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"smt/dataset"
)

// A number as the scripts of LLM-Adapters find it. Their \d means any Unicode decimal digit, so does this.
var numbers = regexp.MustCompile(`-?\p{Nd}+\.?\p{Nd}*`)

// tolerance is how far a number may be from the right one.
const tolerance = 0.001

// Extract returns the answer that a text gives: the first option that it names, the first capital letter A to E, or the
// last number after all commas are removed. It is empty if there is none, which is always wrong.
//
// The rules are crude on purpose: published figures were made with them. "10-5" ends in -5, "5." is 5, the A of "An
// apple" is an answer, and "untrue" is true.
func (t Task) Extract(text string) string {
	switch t.kind {
	case choice:
		if t.pattern != nil {
			return t.pattern.FindString(text)
		}
	case letter:
		if i := strings.IndexAny(text, "ABCDE"); i >= 0 {
			return text[i : i+1]
		}
	case number:
		if all := numbers.FindAllString(strings.ReplaceAll(text, ",", ""), -1); len(all) > 0 {
			return all[len(all)-1]
		}
	}
	return ""
}

// extract is Extract for any task: where the options are a row's own, it is the one whose whole words come first in the
// text, in any case, and of two that begin at the same place the longer.
func (t Task) extract(text string, row *dataset.Row) string {
	switch {
	case t.kind == translation:
		return strings.TrimSpace(text)
	case t.kind == code:
		return program(text)
	case t.pattern != nil || !t.HasOptions():
		return t.Extract(text)
	}
	options, err := t.options(row)
	if err != nil {
		return "" // the row was checked before
	}
	return firstOption(text, options)
}

// firstOption returns the option that comes first in text as whole words, the longest if several begin there.
func firstOption(text string, options []string) string {
	at, found := len(text), ""
	for _, o := range options {
		i := indexWords(text, o)
		if i >= 0 && (i < at || i == at && len(o) > len(found)) {
			at, found = i, o
		}
	}
	return found
}

// indexWords is the place of words in text in any case, with no letter or digit directly before or behind where the words
// begin or end with one themselves; -1 if there is none.
func indexWords(text, words string) int {
	if words == "" {
		return -1
	}
	expression := regexp.MustCompile(`(?i)` + regexp.QuoteMeta(words))
	first, _ := utf8.DecodeRuneInString(words)
	last, _ := utf8.DecodeLastRuneInString(words)
	for start := 0; start < len(text); {
		m := expression.FindStringIndex(text[start:])
		if m == nil {
			return -1
		}
		from, to := start+m[0], start+m[1]
		before, _ := utf8.DecodeLastRuneInString(text[:from])
		behind, _ := utf8.DecodeRuneInString(text[to:])
		if !(inWord(first) && inWord(before)) && !(inWord(last) && inWord(behind)) {
			return from
		}
		_, size := utf8.DecodeRuneInString(text[from:])
		start = from + size
	}
	return -1
}

func inWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

// Correct compares an extracted answer with the row's: numbers as such, within 0.001, everything else as text.
func (t Task) Correct(extracted, answer string) bool {
	if extracted == "" || t.kind != number {
		return extracted != "" && extracted == answer
	}
	got, ok := parseNumber(extracted)
	want, known := parseNumber(strings.TrimSpace(answer))
	return ok && known && math.Abs(want-got) <= tolerance
}

// parseNumber reads a decimal number in digits of any script. One too large for a float64 is infinite, as in Python.
func parseNumber(s string) (float64, bool) {
	ascii := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII && unicode.Is(unicode.Nd, r) {
			return '0' + digit(r)
		}
		return r
	}, s)
	v, err := strconv.ParseFloat(ascii, 64)
	if err != nil && !math.IsInf(v, 0) {
		return 0, false
	}
	return v, !math.IsNaN(v)
}

// digit is the value of a decimal digit. Unicode encodes the ten digits of a script one after the other, so that every
// range of them begins with a zero.
func digit(r rune) rune {
	for _, in := range unicode.Nd.R16 {
		if r <= rune(in.Hi) {
			return (r - rune(in.Lo)) % 10
		}
	}
	for _, in := range unicode.Nd.R32 {
		if r <= rune(in.Hi) {
			return (r - rune(in.Lo)) % 10
		}
	}
	return 0
}
