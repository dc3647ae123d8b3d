package tokenizer

import "unicode/utf8"

// Span is a range of bytes, Start included and End excluded, of the text that was given to EncodeOffsets. A token that
// the post-processor added has Start = End = -1.
type Span struct{ Start, End int }

// piece is a stretch of text on its way through the tokenizer. Normalizers and some pre-tokenizers rewrite text, so a
// piece remembers which bytes of the original each of its own bytes stands for. The text is always valid UTF-8.
type piece struct {
	text string
	base int    // without from: text[i] is byte base+i of the original
	from []Span // one for each byte of text, or nil where the text was not rewritten
}

// slice returns the part [i, j) of p, which must lie on character boundaries.
func (p piece) slice(i, j int) piece {
	if p.from == nil {
		return piece{text: p.text[i:j], base: p.base + i}
	}
	return piece{text: p.text[i:j], from: p.from[i:j]}
}

// span returns the bytes of the original that [i, j) of p stands for. A part that begins or ends inside a character
// has the whole of that character's bytes.
func (p piece) span(i, j int) Span {
	if p.from != nil {
		if i < j {
			return Span{p.from[i].Start, p.from[j-1].End}
		}
		if i < len(p.from) {
			return Span{p.from[i].Start, p.from[i].Start}
		}
		if i > 0 {
			return Span{p.from[i-1].End, p.from[i-1].End}
		}
		return Span{p.base, p.base}
	}
	for i > 0 && i < len(p.text) && !utf8.RuneStart(p.text[i]) {
		i--
	}
	for j < len(p.text) && !utf8.RuneStart(p.text[j]) {
		j++
	}
	return Span{p.base + i, p.base + j}
}

// start returns where p begins in the original.
func (p piece) start() int { return p.span(0, 0).Start }

// rewrite builds a new piece out of an old one. Where nobody will ask for offsets, track is false and only the text is
// built.
type rewrite struct {
	old   piece
	track bool
	text  []byte
	from  []Span
}

func newRewrite(p piece, track bool) *rewrite {
	w := &rewrite{old: p, track: track, text: make([]byte, 0, len(p.text)+len(p.text)/4+8)}
	if track {
		w.from = make([]Span, 0, cap(w.text))
	}
	return w
}

// keep copies [i, j) of the old piece, which must lie on character boundaries.
func (w *rewrite) keep(i, j int) {
	w.text = append(w.text, w.old.text[i:j]...)
	if !w.track {
		return
	}
	if w.old.from != nil {
		w.from = append(w.from, w.old.from[i:j]...)
		return
	}
	for i < j {
		size := 1
		if w.old.text[i] >= utf8.RuneSelf {
			_, size = utf8.DecodeRuneInString(w.old.text[i:j])
		}
		origin := Span{w.old.base + i, w.old.base + i + size}
		for range size {
			w.from = append(w.from, origin)
		}
		i += size
	}
}

// put appends s, which stands for [i, j) of the old piece.
func (w *rewrite) put(s string, i, j int) {
	w.text = append(w.text, s...)
	if !w.track {
		return
	}
	origin := w.old.span(i, j)
	for range len(s) {
		w.from = append(w.from, origin)
	}
}

// piece returns what was built.
func (w *rewrite) piece() piece {
	p := piece{text: string(w.text), base: w.old.start()}
	if w.track {
		p.from = w.from
	}
	return p
}

// cleaned turns the text of a caller into a piece. Bytes that are not UTF-8 become U+FFFD, one for each maximal part of
// a well-formed sequence, as Python's errors="replace" and Rust's from_utf8_lossy do it (Unicode 16, section 3.9,
// "U+FFFD Substitution of Maximal Subparts").
func cleaned(text string, base int) piece {
	p := piece{text: text, base: base}
	if utf8.ValidString(text) {
		return p
	}
	w := newRewrite(p, true)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r != utf8.RuneError || size > 1 {
			w.text = append(w.text, text[i:i+size]...)
		} else {
			size = illFormed(text[i:])
			w.text = append(w.text, "\uFFFD"...)
		}
		for len(w.from) < len(w.text) {
			w.from = append(w.from, Span{base + i, base + i + size})
		}
		i += size
	}
	return w.piece()
}

// validUTF8 returns s with every ill-formed part replaced, as cleaned does it.
func validUTF8(s []byte) string {
	if utf8.Valid(s) {
		return string(s)
	}
	return cleaned(string(s), 0).text
}

// illFormed returns how many bytes at the start of s, which does not begin with a well-formed character, one U+FFFD
// replaces: as many as could still have become a character.
func illFormed(s string) int {
	low, high, want := byte(0x80), byte(0xBF), 0
	switch lead := s[0]; {
	case lead >= 0xC2 && lead <= 0xDF:
		want = 2
	case lead >= 0xE0 && lead <= 0xEF:
		want = 3
		if lead == 0xE0 {
			low = 0xA0
		} else if lead == 0xED {
			high = 0x9F
		}
	case lead >= 0xF0 && lead <= 0xF4:
		want = 4
		if lead == 0xF0 {
			low = 0x90
		} else if lead == 0xF4 {
			high = 0x8F
		}
	}
	n := 1
	for n < want && n < len(s) && s[n] >= low && s[n] <= high {
		low, high = 0x80, 0xBF
		n++
	}
	return n
}
