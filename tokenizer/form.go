package tokenizer

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// unicodeForm is one of the normalization forms of Unicode Standard Annex 15: NFD, NFC, NFKD, NFKC.
//
// The tables are those of golang.org/x/text, the algorithm is written out here for three reasons: each character of
// the result must know the characters it was made of; x/text puts U+034F into long runs of combining marks, which
// Hugging Face's library does not; and that library uses the tables of Unicode 9, to which newer marks and ligatures
// are characters like any other (see inertMarks and inertLigatures).
type unicodeForm struct{ compat, compose bool }

// formed is a character of the result, made of the bytes [i, j) of the piece.
type formed struct {
	r     rune
	class uint8 // canonical combining class
	i, j  int
}

func (n unicodeForm) normalize(p piece, track bool) piece {
	form := norm.NFD
	switch {
	case n.compat && n.compose:
		form = norm.NFKC
	case n.compat:
		form = norm.NFKD
	case n.compose:
		form = norm.NFC
	}
	// Most text is normal already. What is not is worked on from the last safe boundary before the first change: a
	// character that starts a new combination whatever follows.
	clean := form.QuickSpanString(p.text)
	if clean == len(p.text) {
		return p
	}
	if clean = lastStarter(form, p.text[:clean]); clean < 0 {
		clean = 0
	}
	w := newRewrite(p, track)
	w.keep(0, clean)
	for _, f := range n.apply(p.text, clean) {
		w.put(string(f.r), f.i, f.j)
	}
	return w.piece()
}

// lastStarter returns where the last character of text begins that never combines with one before it.
func lastStarter(form norm.Form, text string) int {
	for i := len(text); i > 0; {
		_, size := utf8.DecodeLastRuneInString(text[:i])
		i -= size
		if form.PropertiesString(text[i:]).BoundaryBefore() {
			return i
		}
	}
	return -1
}

// apply returns the normalized characters of text[from:].
func (n unicodeForm) apply(text string, from int) []formed {
	out := make([]formed, 0, len(text)-from)
	for i := from; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		out = n.decompose(out, r, i, i+size)
		i += size
	}
	order(out)
	if n.compose {
		out = compose(out)
	}
	return out
}

// decompose appends the full decomposition of r.
func (n unicodeForm) decompose(out []formed, r rune, i, j int) []formed {
	if r < utf8.RuneSelf {
		return append(out, formed{r: r, i: i, j: j})
	}
	form := norm.NFD
	if n.compat {
		form = norm.NFKD
	}
	if !isInert(r) {
		var buf [utf8.UTFMax]byte
		char := buf[:utf8.EncodeRune(buf[:], r)]
		// The decomposition of one character is at most 18 characters long, so nothing is put into it.
		if d := form.Properties(char).Decomposition(); d != nil {
			for len(d) > 0 {
				part, size := utf8.DecodeRune(d)
				out = append(out, formed{r: part, class: form.Properties(d).CCC(), i: i, j: j})
				d = d[size:]
			}
			return out
		}
		if hangul(r) {
			for _, jamo := range string(form.Bytes(char)) {
				out = append(out, formed{r: jamo, i: i, j: j})
			}
			return out
		}
		return append(out, formed{r: r, class: form.Properties(char).CCC(), i: i, j: j})
	}
	return append(out, formed{r: r, i: i, j: j})
}

// hangul reports whether r is a syllable, whose decomposition is computed and not in the tables.
func hangul(r rune) bool { return r >= 0xAC00 && r <= 0xD7A3 }

// order puts each run of combining marks into the order of their classes. Marks that changed places all stand for the
// whole run, so that offsets never go backwards.
func order(out []formed) {
	for i := 0; i < len(out); i++ {
		if out[i].class == 0 {
			continue
		}
		j := i
		for j < len(out) && out[j].class != 0 {
			j++
		}
		run := out[i:j]
		byClass := func(a, b formed) int { return int(a.class) - int(b.class) }
		if !slices.IsSortedFunc(run, byClass) {
			first, last := run[0].i, run[len(run)-1].j
			slices.SortStableFunc(run, byClass)
			for k := range run {
				run[k].i, run[k].j = first, last
			}
		}
		i = j
	}
}

// compose joins each starter with the marks and starters after it that it has a composite with (UAX 15, D117: nothing
// in between may block it).
func compose(in []formed) []formed {
	out, starter := in[:0], -1
	for _, f := range in {
		if starter >= 0 {
			last := &out[len(out)-1]
			blocked := len(out)-1 > starter && (last.class == 0 || last.class >= f.class)
			if r, ok := composite(out[starter].r, f.r); ok && !blocked {
				out[starter].r = r
				out[starter].j = max(out[starter].j, f.j)
				continue
			}
		}
		if f.class == 0 {
			starter = len(out)
		}
		out = append(out, f)
	}
	return out
}

// composite returns the character that a and b compose to. The tables of x/text look up only the lower 16 bits of each, so
// that U+10041 and an acute accent would become Á: what a composite decomposes to tells whether it is one.
func composite(a, b rune) (rune, bool) {
	if b < 0x300 || isInert(a) || isInert(b) {
		return 0, false
	}
	var buf [2 * utf8.UTFMax]byte
	pair := utf8.AppendRune(utf8.AppendRune(buf[:0], a), b)
	var joined [32]byte
	both := norm.NFC.Append(joined[:0], pair...)
	r, size := utf8.DecodeRune(both)
	if size != len(both) {
		return 0, false
	}
	var apart, back [32]byte
	return r, bytes.Equal(norm.NFD.Append(apart[:0], both...), norm.NFD.Append(back[:0], pair...))
}
