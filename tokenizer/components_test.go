package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
)

// TestComponents compares small tokenizers, each of which shows what one component does, with what Hugging Face's library
// made of them (see bench/tokenizer/golden.py): every normalizer, pre-tokenizer, split behaviour, decoder and kind of
// added token, and the expressions of the common tokenizers.
func TestComponents(t *testing.T) {
	var cases []struct {
		Name           string
		Tokenizer      json.RawMessage
		Texts, Decoded []string
		IDs            [][]int32
		Offsets        [][]Span
	}
	text, err := os.ReadFile("testdata/components.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 100 {
		t.Fatalf("only %d tokenizers", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			tok, err := Parse(c.Name, c.Tokenizer, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, text := range c.Texts {
				ids, spans := tok.EncodeOffsets(text, true, nil, nil)
				if !slices.Equal(ids, c.IDs[i]) {
					t.Errorf("%q: got ids %d, expected %d", text, ids, c.IDs[i])
				}
				if got := tok.Decode(c.IDs[i], true); got != c.Decoded[i] {
					t.Errorf("%q: decoded %q, expected %q", text, got, c.Decoded[i])
				}
				if c.Offsets != nil && !slices.Equal(spans, c.Offsets[i]) {
					t.Errorf("%q: got offsets %v, expected %v", text, spans, c.Offsets[i])
				}
			}
			if err := tok.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPostProcessorDecides: add_bos_token and add_eos_token change nothing. The ids are those of transformers 5.23 for such files.
func TestPostProcessorDecides(t *testing.T) {
	const file = `{"version":"1.0","added_tokens":[{"id":0,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
		"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"post_processor":%s,
		"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
		"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"vocab":{"<s>":0,"</s>":1,"a":2},"merges":[]}}`
	const template = `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
		"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}}`
	for _, class := range []string{"LlamaTokenizerFast", "PreTrainedTokenizerFast"} {
		for processor, want := range map[string][]int32{"null": {2}, template: {0, 2}} {
			for _, add := range []string{"true", "false"} {
				config := fmt.Sprintf(`{"tokenizer_class":%q,"bos_token":"<s>","eos_token":"</s>","add_bos_token":%s,"add_eos_token":%[2]s}`, class, add)
				tok, err := Parse("file", fmt.Appendf(nil, file, processor), []byte(config))
				if err != nil {
					t.Fatal(err)
				}
				if got := tok.Encode("a", true); !slices.Equal(got, want) {
					t.Errorf("%s, post-processor %.30s, add %s: ids %d, expected %d", class, processor, add, got, want)
				}
			}
		}
	}
}

// UnmarshalJSON reads [start, end].
func (s *Span) UnmarshalJSON(text []byte) error {
	var ends [2]int
	err := json.Unmarshal(text, &ends)
	s.Start, s.End = ends[0], ends[1]
	return err
}

// TestCompositesOfHighCharacters has pairs whose lower 16 bits are those of a letter and an accent, but not the rest.
func TestCompositesOfHighCharacters(t *testing.T) {
	for _, text := range []string{"\U00010041\u0301", "\U00010061\u0308e\U00010327"} {
		form := unicodeForm{compose: true}
		if got := form.normalize(cleaned(text, 0), false).text; got != text {
			t.Errorf("%+q: got %+q, expected it as it is", text, got)
		}
	}
	form := unicodeForm{compose: true}
	if got := form.normalize(cleaned("A\u0301\U000110A5\U000110BA", 0), false).text; got != "\u00C1\U000110AB" {
		t.Errorf("got %+q, expected the two composites", got)
	}
}
