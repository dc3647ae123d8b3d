package tokenizer

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// wordCache remembers the tokens of words that were merged before. Texts repeat their words, so that nine of ten
// words are found here. It has a fixed number of places: a word goes to the place its hash says, and puts out the one
// that was there. All goroutines share it without locks, because an entry never changes.
type wordCache struct {
	seed   maphash.Seed
	places [1 << cacheBits]atomic.Pointer[cachedWord]
}

const (
	cacheBits  = 15
	cachedSize = 64 // bytes of the longest word that is remembered
)

type cachedWord struct {
	word    string
	symbols []symbol
}

func newWordCache() *wordCache { return &wordCache{seed: maphash.MakeSeed()} }

// place returns where a word goes, nil if it is too long.
func (c *wordCache) place(word string) *atomic.Pointer[cachedWord] {
	if len(word) > cachedSize {
		return nil
	}
	return &c.places[maphash.String(c.seed, word)>>(64-cacheBits)]
}

// put remembers the tokens of a word; both are copied, since they are parts of something larger.
func put(place *atomic.Pointer[cachedWord], word string, symbols []symbol) {
	place.Store(&cachedWord{strings.Clone(word), append([]symbol(nil), symbols...)})
}
