package tokenizer

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"unicode/utf8"
)

// FuzzEncode encodes any bytes: the spans cover the text in order, and what decodes to text again is the text.
func FuzzEncode(f *testing.F) {
	for _, pool := range pools {
		f.Add(pool)
	}
	f.Add("the \xff\xfe the<|end|>ing \u2581")
	var tokenizers []*Tokenizer
	for _, text := range [][]byte{byteLevelJSON(), fallbackJSON()} {
		tok, err := Parse("fuzz", text, nil)
		if err != nil {
			f.Fatal(err)
		}
		tokenizers = append(tokenizers, tok)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i, tok := range tokenizers {
			checkOffsets(t, tok, text)
			if got := tok.Decode(tok.Encode(text, false), false); i == 0 && utf8.ValidString(text) && got != text {
				t.Errorf("%+q came back as %+q", text, got)
			}
		}
	})
}

// FuzzParse reads any tokenizer.json: it is refused with an error, or it encodes.
func FuzzParse(f *testing.F) {
	f.Add(byteLevelJSON())
	f.Add(fallbackJSON())
	text, err := os.ReadFile("testdata/components.json")
	if err != nil {
		f.Fatal(err)
	}
	var cases []struct{ Tokenizer json.RawMessage }
	if err := json.Unmarshal(text, &cases); err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		if len(c.Tokenizer) < 2000 {
			f.Add([]byte(c.Tokenizer))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tok, err := Parse("fuzz", text, text)
		if err != nil {
			return
		}
		const sample = "The the  12 é\u0301 <s>\n"
		ids := tok.Encode(sample, true)
		if again := tok.Encode(sample, true); !slices.Equal(ids, again) {
			t.Errorf("got %d, then %d", ids, again)
		}
		tok.Decode(ids, false)
		tok.EncodeOffsets(sample, true, nil, nil)
	})
}

// FuzzExpression searches with any expression that compiles: matches lie in the text, in order.
func FuzzExpression(f *testing.F) {
	for _, expression := range []string{`\s+`, `\p{N}{1,3}`, `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++`, `(?<=a)b|[[:alpha:]&&[^x]]+`, `(?i)straße|\bx?`, `a{2,1}`, `[`} {
		f.Add(expression, "The 12 straßen don't ab x\n ")
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		if len(expression) > 60 || len(text) > 60 || !utf8.ValidString(text) || !utf8.ValidString(expression) {
			return
		}
		p, err := compile(expression)
		if err != nil {
			return
		}
		last := 0
		p.find(text, func(start, end int) {
			if start < last || end < start || end > len(text) {
				t.Fatalf("%q in %q: match [%d, %d) after %d", expression, text, start, end, last)
			}
			last = end
		})
	})
}
