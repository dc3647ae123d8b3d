// Package tokenizer reads a Hugging Face tokenizer.json and encodes text into exactly the ids that Hugging Face's
// tokenizers library gives, for the byte-pair encodings of language models: byte-level ones (GPT-2, Llama 3, Qwen,
// SmolLM) and those with byte fallback (Llama 1 and 2, Mistral, TinyLlama).
//
// A text passes through the stages in this order, each a file of this package:
//
//	added tokens -> normalizer -> pre-tokenizer -> model (bpe, merge) -> post-processor
//
// and ids become text again through the decoder. What a file asks for and this package does not know is an error when
// it is loaded, never a different token. "Exactly" is measured: see bench/tokenizer.
package tokenizer

import (
	"fmt"
	"strings"
)

// Tokenizer encodes and decodes text. It is safe for use by many goroutines at once.
type Tokenizer struct {
	name       string
	added      *addedVocabulary
	normalizer normalizer // nil: none
	splitters  []splitter
	model      *bpe
	template   template
	decoder    decoder // nil: tokens are joined with spaces
	config     config
	size       int
	tracks     bool            // a splitter needs to know where its piece begins in the text
	searches   []*backtracking // expressions of the file that may run past their limit
}

// Encode returns the ids of a text. With addSpecial the post-processor of the file adds its tokens, such as the one
// for the beginning of a text; added tokens that stand in the text itself are found in both cases. Bytes of the text
// that are not UTF-8 are read as U+FFFD.
func (t *Tokenizer) Encode(text string, addSpecial bool) []int32 {
	ids, _ := t.encode(text, addSpecial, false, make([]int32, 0, len(text)/3+4), nil)
	return ids
}

// EncodeOffsets is Encode with the origin of every token. It appends the ids to ids and, for each, the bytes of text
// that the token stands for to offsets, and returns both.
//
// Starts never decrease, and every byte of the text that a token came from is in some span. Tokens that share a
// character, as the bytes of a rare one do, all have the span of the whole character. What a normalizer put before a
// text belongs to its first character. Tokens of the post-processor have Start = End = -1. Unlike Hugging Face's
// library this never trims spaces off (trim_offsets), so that the spans leave no gaps.
func (t *Tokenizer) EncodeOffsets(text string, addSpecial bool, ids []int32, offsets []Span) ([]int32, []Span) {
	return t.encode(text, addSpecial, true, ids, offsets)
}

func (t *Tokenizer) encode(text string, addSpecial, want bool, ids []int32, offsets []Span) ([]int32, []Span) {
	e := encoders.Get().(*encoder)
	e.t, e.ids, e.offsets, e.want, e.track = t, ids, offsets, want, want || t.tracks
	if addSpecial {
		e.surround(t.template.before)
	}
	e.run(text)
	if addSpecial {
		e.surround(t.template.after)
	}
	ids, offsets = e.ids, e.offsets
	e.release()
	return ids, offsets
}

// Decode returns the text of ids; ids without a token are left out. With skipSpecial, special tokens are left out too.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		token, ok := t.model.vocab.token(id)
		if added := t.added.byID[id]; added != nil {
			token, ok = added.pattern, true
		}
		if ok && !(skipSpecial && t.added.special[token]) {
			tokens = append(tokens, token)
		}
	}
	if t.decoder == nil {
		return strings.Join(tokens, " ")
	}
	return strings.Join(t.decoder.decode(tokens), "")
}

// Token returns the token with an id as it stands in the file: in a byte-level vocabulary a space is written Ġ.
func (t *Tokenizer) Token(id int32) (string, bool) {
	if added := t.added.byID[id]; added != nil {
		return added.content, true
	}
	return t.model.vocab.token(id)
}

// ID returns the id of a token as it stands in the file.
func (t *Tokenizer) ID(token string) (int32, bool) {
	if id, ok := t.added.ids[token]; ok {
		return id, true
	}
	return t.model.vocab.id(token)
}

// VocabSize returns the number of ids, added tokens included: every id is below it. Ids may have gaps.
func (t *Tokenizer) VocabSize() int { return t.size }

// IsSpecial reports whether an id is that of a special token, which Decode can leave out.
func (t *Tokenizer) IsSpecial(id int32) bool {
	added := t.added.byID[id]
	return added != nil && t.added.special[added.content]
}

// Err returns an error if a regular expression of the file ever took longer than its limit (two seconds for one
// match, where usual expressions need microseconds). The expression is not used from then on, so that ids may differ
// from the right ones. It can only happen for expressions other than those of the common tokenizers.
func (t *Tokenizer) Err() error {
	for _, search := range t.searches {
		if search.stopped.Load() {
			return fmt.Errorf("tokenizer: %s: the regular expression %q took too long on some text and was given up: the "+
				"ids are not reliable", t.name, search.expression)
		}
	}
	return nil
}
