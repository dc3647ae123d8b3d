package evaluate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"smt/dataset"
	"smt/device/reference"
	"smt/model"
)

// openReference opens one of the tiny random models of the reference material on the float64 device.
func openReference(t testing.TB, name string) *model.Decoder {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "reference", name)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not there", dir)
	}
	base, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { base.Close() })
	d, err := model.New(reference.New(), base)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// bytesTokenizer has a token for every byte, and one for the word "correct"; it adds one token before and one behind.
type bytesTokenizer struct{}

const bosID, eosID, wordID, firstByte = 1, 2, 3, 4

// eosText is the text of the end-of-sequence token.
const eosText = "\x00"

func (bytesTokenizer) Err() error { return nil }

func (bytesTokenizer) EncodeOffsets(text string, addSpecial bool, ids []int32, offsets []dataset.Span) ([]int32, []dataset.Span) {
	if addSpecial {
		ids, offsets = append(ids, bosID), append(offsets, dataset.Span{Start: -1, End: -1})
	}
	const word = "correct"
	for i := 0; i < len(text); {
		id, n := firstByte+int32(text[i]), 1
		if text[i] == eosText[0] {
			id = eosID
		}
		if len(text)-i >= len(word) && text[i:i+len(word)] == word {
			id, n = wordID, len(word)
		}
		ids, offsets = append(ids, id), append(offsets, dataset.Span{Start: i, End: i + n})
		i += n
	}
	if addSpecial {
		ids, offsets = append(ids, eosID), append(offsets, dataset.Span{Start: -1, End: -1})
	}
	return ids, offsets
}

func (bytesTokenizer) BOS() (int32, bool) { return bosID, true }
func (bytesTokenizer) EOS() (int32, bool) { return eosID, true }

func (bytesTokenizer) Decode(ids []int32, skipSpecial bool) string {
	var text []byte
	for _, id := range ids {
		switch {
		case id == wordID:
			text = append(text, "correct"...)
		case id >= firstByte && id < firstByte+256:
			text = append(text, byte(id-firstByte))
		case !skipSpecial:
			text = append(text, '?')
		}
	}
	return string(text)
}
