package tokenizer

import "unicode/utf8"

// scanner is a pattern that leaves no gaps, written by hand: it returns the end of the match that begins at i, which
// is always past i. The scanners below stand for regular expressions that nearly every byte-level tokenizer uses one
// of; each is at least ten times as fast as the expression, and tested against it.
type scanner func(text string, i int) int

// The expressions that scanners stand for.
const (
	gpt2Expression = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

	cl100kHead       = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`
	cl100kTail       = `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	llama3Expression = cl100kHead + `\p{N}{1,3}` + cl100kTail
	qwen2Expression  = cl100kHead + `\p{N}` + cl100kTail
)

// scannerFor returns the scanner that stands for an expression, nil if there is none.
func scannerFor(expression string) scanner {
	switch expression {
	case gpt2Expression:
		return scanGPT2(classes())
	case llama3Expression:
		return scanCl100k(classes(), 3)
	case qwen2Expression:
		return scanCl100k(classes(), 1)
	}
	return nil
}

// at returns the class and the size of the character at i; the size is 0 at the end of the text.
func (t *classTable) at(text string, i int) (charClass, int) {
	if i >= len(text) {
		return 0, 0
	}
	if b := text[i]; b < utf8.RuneSelf {
		return t.ascii[b], 1
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	return t.of(r), size
}

// run returns where the run of characters at i ends whose classes, masked, are want.
func (t *classTable) run(text string, i int, mask, want charClass) int {
	for i < len(text) {
		if b := text[i]; b < utf8.RuneSelf {
			if t.ascii[b]&mask != want {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if t.of(r)&mask != want {
			return i
		}
		i += size
	}
	return i
}

// blanks returns the end of the match of \s+(?!\S)|\s+ in the white space [i, end): all of it at the end of the text,
// else all but its last character, which belongs to the word after it, unless it is the only one.
func blanks(text string, i, end int) int {
	if end == len(text) {
		return end
	}
	_, size := utf8.DecodeLastRuneInString(text[i:end])
	if end-size > i {
		return end - size
	}
	return end
}

// other masks the classes of which characters that are no letter, number or white space have none.
const other = letter | number | space

// scanGPT2 returns the scanner for gpt2Expression.
func scanGPT2(t *classTable) scanner {
	return func(text string, i int) int {
		if text[i] == '\'' {
			if end := contraction(text, i, false); end > i {
				return end
			}
		}
		start := i
		if text[i] == ' ' {
			i++
		}
		class, size := t.at(text, i)
		switch {
		case size == 0:
		case class&letter != 0:
			return t.run(text, i+size, letter, letter)
		case class&number != 0:
			return t.run(text, i+size, number, number)
		case class&space == 0:
			return t.run(text, i+size, other, 0)
		}
		return blanks(text, start, t.run(text, start, space, space))
	}
}

// scanCl100k returns the scanner for llama3Expression (three digits) and qwen2Expression (one).
func scanCl100k(t *classTable, digits int) scanner {
	return func(text string, i int) int {
		first := text[i]
		if first == '\'' {
			if end := contraction(text, i, true); end > i {
				return end
			}
		}
		class, size := t.at(text, i)
		switch {
		case class&letter != 0:
			return t.run(text, i+size, letter, letter)
		case class&number != 0:
			end := i + size
			for range digits - 1 {
				class, size := t.at(text, end)
				if class&number == 0 {
					break
				}
				end += size
			}
			return end
		}
		next, nextSize := t.at(text, i+size)
		if next&letter != 0 && first != '\r' && first != '\n' {
			return t.run(text, i+size+nextSize, letter, letter)
		}
		marks := i + size
		if first == ' ' && nextSize > 0 && next&other == 0 {
			class, marks = next, marks+nextSize
		}
		if class&space == 0 {
			end := t.run(text, marks, other, 0)
			for end < len(text) && (text[end] == '\r' || text[end] == '\n') {
				end++
			}
			return end
		}
		end := t.run(text, i, space, space)
		for last := end; last > i; last-- {
			if text[last-1] == '\r' || text[last-1] == '\n' {
				return last
			}
		}
		return blanks(text, i, end)
	}
}

// contraction returns the end of the 's, 't, 're, 've, 'm, 'll or 'd at i, or i. With fold the case does not matter,
// and the long s counts as an s.
func contraction(text string, i int, fold bool) int {
	lower := func(k int) byte {
		if k >= len(text) {
			return 0
		}
		if fold && text[k] >= 'A' && text[k] <= 'Z' {
			return text[k] + 'a' - 'A'
		}
		return text[k]
	}
	switch lower(i + 1) {
	case 's', 't', 'm', 'd':
		return i + 2
	case 'r', 'v':
		if lower(i+2) == 'e' {
			return i + 3
		}
	case 'l':
		if lower(i+2) == 'l' {
			return i + 3
		}
	case 0xC5:
		if fold && lower(i+2) == 0xBF {
			return i + 3
		}
	}
	return i
}
