package progress

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteTable(t *testing.T) {
	var out bytes.Buffer
	err := WriteTable(&out, "Memory", []string{"class", "bytes", "share"}, [][]string{
		{"weights, mapped", "1,234", "9.5%"}, {"Σ gradients", "12 MiB", "-"}, {"short"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `Memory
class             bytes  share
---------------  ------  -----
weights, mapped   1,234   9.5%
Σ gradients      12 MiB      -
short
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.Reset()
	WriteTable(&out, "", nil, [][]string{{"a", "b", "1"}, {"long", "", "10", "more"}})
	if want := "a     b   1\nlong     10  more\n"; out.String() != want {
		t.Errorf("no header: got %q, want %q", out.String(), want)
	}
	out.Reset()
	WriteTable(&out, "Empty", []string{"a"}, nil)
	if want := "Empty\na\n-\n"; out.String() != want {
		t.Errorf("no rows: got %q", out.String())
	}
}
