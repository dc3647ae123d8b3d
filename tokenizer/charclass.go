package tokenizer

import (
	"sync"
	"unicode"
)

// charClass is a set of bits that say what a character is, as far as splitting text needs it.
type charClass uint8

const (
	letter      charClass = 1 << iota // \p{L}
	number                            // \p{N}
	space                             // \s
	digit                             // what the Digits pre-tokenizer splits on
	punctuation                       // what the Punctuation pre-tokenizer splits on
	word                              // \w of Rust's regular expressions
	combining                         // what StripAccents removes
)

// classTable holds the class of every character: one page for 256 characters, equal pages stored once.
type classTable struct {
	ascii [256]charClass // classes of the characters below 128; 0 for other bytes
	index [(unicode.MaxRune + 1) / 256]uint8
	pages [][256]charClass
}

// of returns the class of r.
func (t *classTable) of(r rune) charClass {
	return t.pages[t.index[r>>8]][r&0xFF]
}

// classes returns the table, which takes about two milliseconds to build and is built once.
var classes = sync.OnceValue(func() *classTable {
	all := make([]charClass, unicode.MaxRune+1)
	add := func(class charClass, sets ...runeSet) {
		for _, r := range union(sets...) {
			for c := r.first; c <= r.last; c++ {
				all[c] |= class
			}
		}
	}
	ascii := runeSet{{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}
	add(letter, mustCategory("L"))
	add(number, mustCategory("N"))
	add(space, tables(unicode.White_Space))
	add(digit, mustCategory("N"), digits17)
	add(punctuation, mustCategory("P").minus(punctuation8Not), punctuation8, ascii)
	add(word, wordCharacters(), runeSet{{0x200C, 0x200D}})
	add(combining, mustCategory("M").minus(combining9Not), combining9)

	table := &classTable{}
	copy(table.ascii[:0x80], all)
	seen := map[[256]charClass]uint8{}
	for i := range table.index {
		page := [256]charClass(all[i<<8:])
		number, ok := seen[page]
		if !ok {
			// There are about 150 different pages; a test would see a number overflow.
			number = uint8(len(table.pages))
			seen[page] = number
			table.pages = append(table.pages, page)
		}
		table.index[i] = number
	}
	return table
})

// isCombining reports whether StripAccents removes r.
func isCombining(r rune) bool { return classes().of(r)&combining != 0 }

// isWord reports whether r is part of a word for added tokens with single_word.
func isWord(r rune) bool { return classes().of(r)&word != 0 }

// inert holds the characters that normalization forms leave alone although the tables of x/text know them.
var inert = sync.OnceValue(func() runeSet { return union(inertMarks, inertLigatures) })

// isInert reports whether r came after Unicode 9 and so neither moves nor decomposes.
func isInert(r rune) bool { return r >= 0x7FD && inert().contains(r) }

// toLower returns the lower case of r in Unicode 17.
func toLower(r rune) rune {
	for _, run := range lowercase17 {
		if r >= run.first && r <= run.last {
			return run.lower + r - run.first
		}
	}
	return unicode.ToLower(r)
}
