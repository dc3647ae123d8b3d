package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// shared is where the reference material lies beside the repository.
const shared = "../../shared"

var families = []string{"llama2", "llama3.1", "mistral-v0.1", "qwen3", "smollm2"}

// loaded keeps tokenizers for all tests, since loading takes longer than using them.
var loaded sync.Map

// load returns a tokenizer of the reference material, and skips the test where that is absent.
func load(t testing.TB, dir string) *Tokenizer {
	t.Helper()
	path := filepath.Join(shared, dir)
	if known, ok := loaded.Load(path); ok {
		return known.(*Tokenizer)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("reference tokenizers are not here: %v", err)
	}
	tok, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	loaded.Store(path, tok)
	return tok
}

// reference holds what Hugging Face's library made of some texts.
type reference struct {
	Texts   []string
	IDs     map[string][][]int32
	Decoded map[string][]string
}

func loadReference(t testing.TB) (r reference) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared, "tokenizers/reference.json"))
	if err != nil {
		t.Skipf("reference ids are not here: %v", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReference(t *testing.T) {
	ref := loadReference(t)
	if len(ref.Texts) == 0 {
		t.Fatal("no texts")
	}
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			tok := load(t, "tokenizers/"+family)
			if len(ref.IDs[family]) != len(ref.Texts) || len(ref.Decoded[family]) != len(ref.Texts) {
				t.Fatal("incomplete reference")
			}
			for i, text := range ref.Texts {
				got, want := tok.Encode(text, true), ref.IDs[family][i]
				if !slices.Equal(got, want) {
					t.Errorf("text %d %.60q: got %d, want %d", i, text, got, want)
				}
				if got, want := tok.Decode(want, true), ref.Decoded[family][i]; got != want {
					t.Errorf("text %d: decoded %.80q, want %.80q", i, got, want)
				}
				checkOffsets(t, tok, text)
			}
		})
	}
}

// checkOffsets checks that EncodeOffsets agrees with Encode, and that its spans are in order and in range and leave no
// byte of the text out.
func checkOffsets(t testing.TB, tok *Tokenizer, text string) {
	t.Helper()
	ids, offsets := tok.EncodeOffsets(text, true, nil, nil)
	if want := tok.Encode(text, true); !slices.Equal(ids, want) || len(offsets) != len(ids) {
		t.Fatalf("%.80q: EncodeOffsets gives %d ids %d and %d offsets, Encode %d", text, len(ids), ids, len(offsets), want)
	}
	begin, covered := 0, 0
	for i, span := range offsets {
		if span == (Span{-1, -1}) {
			continue
		}
		if span.Start < begin || span.End < span.Start || span.End > len(text) || span.Start > covered {
			t.Fatalf("%.80q: token %d of %v", text, i, offsets)
		}
		begin, covered = span.Start, max(covered, span.End)
	}
	if covered != len(text) {
		t.Fatalf("%.80q: covered %d of %d bytes: %v", text, covered, len(text), offsets)
	}
}
