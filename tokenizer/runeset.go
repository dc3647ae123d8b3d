package tokenizer

import (
	"slices"
	"strings"
	"unicode"
)

// runeSet is a set of characters: sorted ranges that neither overlap nor touch.
type runeSet []runeRange

// newRuneSet returns the set of what the given ranges hold.
func newRuneSet(ranges ...runeRange) runeSet {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b runeRange) int { return int(a.first) - int(b.first) })
	var set runeSet
	for _, r := range sorted {
		if n := len(set); n > 0 && r.first <= set[n-1].last+1 {
			set[n-1].last = max(set[n-1].last, r.last)
		} else {
			set = append(set, r)
		}
	}
	return set
}

// union returns what is in any of the sets.
func union(sets ...runeSet) runeSet {
	return newRuneSet(slices.Concat(sets...)...)
}

// complement returns all other characters; surrogates are none.
func (s runeSet) complement() runeSet {
	var set runeSet
	next := rune(0)
	for _, r := range union(s, runeSet{{0xD800, 0xDFFF}}) {
		if next < r.first {
			set = append(set, runeRange{next, r.first - 1})
		}
		next = r.last + 1
	}
	if next <= unicode.MaxRune {
		set = append(set, runeRange{next, unicode.MaxRune})
	}
	return set
}

// minus returns what is in s and not in t.
func (s runeSet) minus(t runeSet) runeSet {
	return union(s.complement(), t).complement()
}

// contains reports whether r is in the set.
func (s runeSet) contains(r rune) bool {
	i, _ := slices.BinarySearchFunc(s, r, func(e runeRange, r rune) int { return int(e.last) - int(r) })
	return i < len(s) && s[i].first <= r
}

// folded returns the set with every character that differs from one in it only by case.
func (s runeSet) folded() runeSet {
	all := slices.Clone(s)
	for _, r := range s {
		for c := r.first; c <= r.last; c++ {
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				all = append(all, runeRange{f, f})
			}
		}
	}
	return newRuneSet(all...)
}

// tables returns the set of what the tables of Go's unicode package hold.
func tables(list ...*unicode.RangeTable) runeSet {
	var ranges []runeRange
	add := func(first, last, stride rune) {
		if stride == 1 {
			ranges = append(ranges, runeRange{first, last})
			return
		}
		for r := first; r <= last; r += stride {
			ranges = append(ranges, runeRange{r, r})
		}
	}
	for _, table := range list {
		for _, r := range table.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range table.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return newRuneSet(ranges...)
}

// categoryNames holds the general categories of Unicode by their first letters; C, which has the unassigned
// characters, is what all others leave over.
var categoryNames = map[string]string{
	"L": "Lu Ll Lt Lm Lo", "M": "Mn Mc Me", "N": "Nd Nl No", "P": "Pc Pd Ps Pe Pi Pf Po", "S": "Sm Sc Sk So",
	"Z": "Zs Zl Zp",
}

// category returns a general category of Unicode 16, such as Lu or L.
func category(name string) (runeSet, bool) {
	if name == "C" {
		var sets []runeSet
		for _, major := range []string{"L", "M", "N", "P", "S", "Z"} {
			set, _ := category(major)
			sets = append(sets, set)
		}
		return union(sets...).complement(), true
	}
	if members, ok := categoryNames[name]; ok {
		var sets []runeSet
		for _, member := range strings.Fields(members) {
			set, _ := category(member)
			sets = append(sets, set)
		}
		return union(sets...), true
	}
	table, ok := unicode.Categories[name]
	if !ok || len(name) != 2 || name == "LC" {
		return nil, false
	}
	set := tables(table)
	if name == "Mn" {
		set = set.minus(unicode16Moved)
	}
	return union(set, unicode16[name]), true
}

// mustCategory is category for names that are known to exist.
func mustCategory(name string) runeSet {
	set, _ := category(name)
	return set
}

// scriptNames holds the scripts that patterns may name: those whose characters were compared with Oniguruma's.
var scriptNames = []string{
	"Arabic", "Bengali", "Cyrillic", "Devanagari", "Greek", "Han", "Hangul", "Hebrew", "Hiragana", "Katakana", "Latin",
	"Thai",
}

// longNames maps the long names of general categories to the short ones, written without separators.
var longNames = map[string]string{
	"letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm",
	"otherletter": "Lo", "mark": "M", "nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me",
	"number": "N", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No", "punctuation": "P",
	"connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps", "closepunctuation": "Pe",
	"initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po", "symbol": "S", "mathsymbol": "Sm",
	"currencysymbol": "Sc", "modifiersymbol": "Sk", "othersymbol": "So", "separator": "Z", "spaceseparator": "Zs",
	"lineseparator": "Zl", "paragraphseparator": "Zp", "other": "C", "control": "Cc", "format": "Cf",
}

// property returns the set that \p{name} stands for in Oniguruma; case, spaces, hyphens and underscores in the name do
// not count.
func property(name string) (runeSet, bool) {
	key := strings.ToLower(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(name))
	if short, ok := longNames[key]; ok {
		return category(short)
	}
	for _, script := range scriptNames {
		if key == strings.ToLower(script) {
			return union(tables(unicode.Scripts[script]), unicode16[script]), true
		}
	}
	switch key {
	case "any":
		return runeSet(nil).complement(), true
	case "ascii":
		return runeSet{{0, 0x7F}}, true
	case "word":
		return onigWord(), true
	case "punct":
		return category("P")
	}
	if set, ok := bracket(key); ok {
		return set, true
	}
	if key == "" || len(key) > 2 {
		return nil, false
	}
	return category(strings.ToUpper(key[:1]) + key[1:])
}

// bracket returns the set that [:name:] stands for inside a class.
func bracket(name string) (runeSet, bool) {
	switch name {
	case "alpha", "alphabetic":
		return alphabetic(), true
	case "alnum":
		return union(alphabetic(), mustCategory("Nd")), true
	case "digit":
		return category("Nd")
	case "xdigit":
		return runeSet{{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, true
	case "space", "whitespace":
		return tables(unicode.White_Space), true
	case "upper", "uppercase":
		return union(mustCategory("Lu"), tables(unicode.Other_Uppercase)), true
	case "lower", "lowercase":
		return union(mustCategory("Ll"), tables(unicode.Other_Lowercase)), true
	case "punct":
		return union(mustCategory("P"), mustCategory("S")), true
	case "word":
		return wordCharacters(), true
	}
	return nil, false
}

// alphabetic returns the characters with the property Alphabetic.
func alphabetic() runeSet {
	return union(mustCategory("L"), mustCategory("Nl"), tables(unicode.Other_Alphabetic), unicode16["Other_Alphabetic"])
}

// wordCharacters returns what words are made of, after Unicode Technical Standard 18, without its two joiners.
func wordCharacters() runeSet {
	return union(alphabetic(), mustCategory("M"), mustCategory("Nd"), mustCategory("Pc"))
}

// onigWord returns what \w matches in Oniguruma, which counts the superscripts and fractions of Latin-1 in.
func onigWord() runeSet {
	return union(wordCharacters(), runeSet{{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}})
}
