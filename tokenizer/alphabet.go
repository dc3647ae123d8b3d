package tokenizer

import (
	"unicode/utf8"
)

// Byte-level models (GPT-2) write every byte of a text as one printable character, so that tokens can stand in a text
// file: bytes that are printable in Latin-1 as themselves, the other 68 as U+0100 and up, in order. Here the model
// works on the bytes themselves, and its tokens are translated once, when they are read.

// runeBytes maps a character below U+0144 to its byte, or to -1.
var _, runeBytes = byteAlphabet()

func byteAlphabet() (runes [256]rune, bytes [0x144]int16) {
	for i := range bytes {
		bytes[i] = -1
	}
	next := rune(0x100)
	for b := range runes {
		r := rune(b)
		printable := b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE
		if !printable {
			r = next
			next++
		}
		runes[b] = r
		bytes[r] = int16(b)
	}
	return runes, bytes
}

// appendRaw appends the bytes that a byte-level token stands for. It reports false where the token holds a character
// which stands for no byte; what it then returns is of no use.
func appendRaw[T string | []byte](dst []byte, token T) ([]byte, bool) {
	for i := 0; i < len(token); {
		b := token[i]
		if b < utf8.RuneSelf {
			if b < '!' || b > '~' {
				return dst, false
			}
			dst = append(dst, b)
			i++
			continue
		}
		// Every character of the alphabet beyond ASCII has two bytes of UTF-8.
		if b&0xE0 != 0xC0 || i+1 >= len(token) {
			return dst, false
		}
		r := rune(b&0x1F)<<6 | rune(token[i+1]&0x3F)
		if int(r) >= len(runeBytes) || runeBytes[r] < 0 {
			return dst, false
		}
		dst = append(dst, byte(runeBytes[r]))
		i += 2
	}
	return dst, true
}
