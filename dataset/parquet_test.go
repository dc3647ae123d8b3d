package dataset

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
)

type parquetInstruction struct {
	Instruction string  `parquet:"instruction"`
	Input       *string `parquet:"input,optional"`
	Output      *string `parquet:"output,optional"`
	Answer      float64 `parquet:"answer"`
	Tags        struct {
		Source string `parquet:"source"`
	} `parquet:"tags"`
}

type parquetTurn struct {
	Role    string  `parquet:"role"`
	Content *string `parquet:"content,optional"`
}

type parquetChat struct {
	ID       int64         `parquet:"id"`
	Messages []parquetTurn `parquet:"messages,list"`
	Labels   []string      `parquet:"labels,list"`
}

type parquetPlainChat struct {
	Messages []parquetTurn `parquet:"messages"` // a repeated group without the wrappers of a list
}

// parquetFile writes rows to a parquet file in memory, a few rows per page and row group.
func parquetFile[T any](t testing.TB, rows []T, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, options...)
	for i := range rows {
		if _, err := w.Write(rows[i : i+1]); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parquetRows(data []byte, columns map[string]string) (*collector, error) {
	c := &collector{file: "f.parquet", columns: columns}
	return c, parseParquet(bytes.NewReader(data), int64(len(data)), fileLimits, c)
}

func TestParquetInstructions(t *testing.T) {
	text := func(s string) *string { return &s }
	var rows []parquetInstruction
	var want []Row
	for i := range 250 {
		rows = append(rows, parquetInstruction{Instruction: strings.Repeat("é", i%7+1), Output: text("o"), Answer: 2.5})
		want = append(want, Row{Format: FormatInstruction, File: "f.parquet", Line: i + 1,
			Instruction: strings.Repeat("é", i%7+1), Output: "o", Answer: "2.5"})
	}
	rows[3].Input, want[3].Input = text("in"), "in"
	for name, codec := range map[string]parquet.WriterOption{
		"none": parquet.Compression(&parquet.Uncompressed), "snappy": parquet.Compression(&parquet.Snappy),
		"gzip": parquet.Compression(&parquet.Gzip), "zstd": parquet.Compression(&parquet.Zstd),
	} {
		for version := 1; version <= 2; version++ {
			data := parquetFile(t, rows, codec, parquet.DataPageVersion(version), parquet.PageBufferSize(256))
			c, err := parquetRows(data, nil)
			if err != nil || len(c.bad) > 0 {
				t.Fatalf("%s, version %d: bad %v, %v", name, version, c.bad, err)
			}
			if diff := cmp.Diff(want, c.rows); diff != "" {
				t.Fatalf("%s, version %d: %s", name, version, diff)
			}
		}
	}
	rows[7].Output = nil
	rows[9].Instruction = "\xff"
	c, err := parquetRows(parquetFile(t, rows), nil)
	if err != nil || len(c.rows) != 248 || len(c.bad) != 2 {
		t.Fatalf("%d rows, bad %v, %v", len(c.rows), c.bad, err)
	}
	for i, want := range []string{`dataset: f.parquet:8: field "output": expected string, got null`,
		`dataset: f.parquet:10: field "instruction": invalid UTF-8`} {
		if c.bad[i].Error() != want {
			t.Errorf("error %v, want %s", c.bad[i], want)
		}
	}
	if _, err := parquetRows(parquetFile(t, rows), map[string]string{"text": "instruction"}); err != nil {
		t.Error(err)
	}
}

func TestParquetChats(t *testing.T) {
	text := func(s string) *string { return &s }
	turns := []parquetTurn{{"user", text("u")}, {"assistant", text("a")}}
	want := []Row{{Format: FormatChat, File: "f.parquet", Line: 1, Messages: []Message{{Role: RoleUser, Content: "u"}, {Role: RoleAssistant, Content: "a"}}}}
	rows := []parquetChat{{1, turns, []string{"x", "y"}}, {2, nil, nil}, {3, []parquetTurn{{"user", nil}}, nil}}
	c, err := parquetRows(parquetFile(t, rows), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, c.rows); diff != "" {
		t.Error(diff)
	}
	if len(c.bad) != 2 || !strings.Contains(c.bad[0].Error(), `f.parquet:2: field "messages": empty`) ||
		!strings.Contains(c.bad[1].Error(), `f.parquet:3: field "messages[0].content": expected string, got null`) {
		t.Errorf("bad rows %v", c.bad)
	}
	c, err = parquetRows(parquetFile(t, []parquetPlainChat{{turns}}), nil)
	if diff := cmp.Diff(want, c.rows); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// TestParquetNestedMembers: a member that is a list itself, as tool calls are, does not hide the chat, wherever it stands.
func TestParquetNestedMembers(t *testing.T) {
	type call struct {
		Name string `parquet:"name"`
	}
	type first struct {
		Calls   []call `parquet:"a_calls,list"`
		Role    string `parquet:"role"`
		Content string `parquet:"content"`
	}
	type last struct {
		Role    string `parquet:"role"`
		Content string `parquet:"content"`
		Calls   []call `parquet:"tool_calls,list"`
	}
	type firstChat struct {
		Messages []first `parquet:"messages,list"`
	}
	type lastChat struct {
		Messages []last `parquet:"messages,list"`
	}
	want := []Row{{Format: FormatChat, File: "f.parquet", Line: 1, Messages: []Message{{Role: RoleUser, Content: "u"}, {Role: RoleAssistant, Content: "a"}}}}
	calls := []call{{"f"}}
	for name, file := range map[string][]byte{
		"first": parquetFile(t, []firstChat{{[]first{{nil, "user", "u"}, {calls, "assistant", "a"}}}, {}}),
		"last":  parquetFile(t, []lastChat{{[]last{{"user", "u", nil}, {"assistant", "a", calls}}}, {}}),
	} {
		c, err := parquetRows(file, nil)
		if diff := cmp.Diff(want, c.rows); err != nil || diff != "" {
			t.Errorf("%s: %v, %v %s", name, err, c.bad, diff)
		}
		if len(c.bad) != 1 || !strings.Contains(c.bad[0].Error(), `f.parquet:2: field "messages": empty`) {
			t.Errorf("%s: bad rows %v, expected the chat without messages", name, c.bad)
		}
	}
}

// TestParquetLongStatistics: page headers may repeat the longest texts in full.
func TestParquetLongStatistics(t *testing.T) {
	long := strings.Repeat("long ", 60_000)
	file := parquetFile(t, []parquetInstruction{{Instruction: "i", Output: &long}, {Instruction: "j", Output: &long}},
		parquet.DataPageStatistics(true), parquet.Compression(&parquet.Zstd))
	c, err := parquetRows(file, nil)
	if err != nil || len(c.rows) != 2 || c.rows[1].Output != long {
		t.Errorf("%d rows, %v, %v", len(c.rows), c.bad, err)
	}
}

// TestParquetShape: what cannot hold text says so.
func TestParquetShape(t *testing.T) {
	type other struct {
		Number int64                      `parquet:"number"`
		Flag   bool                       `parquet:"flag"`
		Struct struct{ Inner string }     `parquet:"struct"`
		Lists  []struct{ Inner []string } `parquet:"lists,list"`
	}
	file := parquetFile(t, []other{{Lists: []struct{ Inner []string }{{[]string{"a"}}}}})
	for field, kind := range map[string]string{"number": "number", "flag": "bool", "struct": "object", "lists": "object"} {
		c, err := parquetRows(file, map[string]string{"text": field})
		if err != nil || len(c.bad) != 1 || c.bad[0].Field != field || c.bad[0].Problem != "expected string, got "+kind {
			t.Errorf("%s: bad %v, %v; want a string expected, got %s", field, c.bad, err, kind)
		}
	}
	if _, err := parquetRows(parquetFile(t, []parquetInstruction{}), nil); err == nil || !strings.Contains(err.Error(), "no rows") {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := parquetRows(parquetFile(t, []struct{ A, B string }{{"x", "y"}}), nil); err == nil ||
		!strings.Contains(err.Error(), `f.parquet:1: the fields fit no row format: the row has "A", "B"`) {
		t.Errorf("unknown columns: %v", err)
	}
}

// TestBrokenParquet cuts and corrupts a file everywhere: always an error or rows, never a panic or a hang, and never
// memory for lengths that are not there.
func TestBrokenParquet(t *testing.T) {
	text := "output"
	var rows []parquetInstruction
	for range 20 {
		rows = append(rows, parquetInstruction{Instruction: "instruction", Output: &text})
	}
	for _, codec := range []parquet.WriterOption{parquet.Compression(&parquet.Uncompressed), parquet.Compression(&parquet.Zstd)} {
		good := parquetFile(t, rows, codec)
		for cut := 0; cut < len(good); cut += 7 {
			if _, err := parquetRows(good[:cut], nil); err == nil {
				t.Fatalf("cut at %d of %d: no error", cut, len(good))
			}
		}
		for at := range good {
			for _, flip := range []byte{0x01, 0x80, 0xff} {
				bad := bytes.Clone(good)
				bad[at] ^= flip
				_, _ = parquetRows(bad, nil) // an error or not: some bytes are nowhere checked
			}
		}
	}
}

func TestThriftLengths(t *testing.T) {
	list := func(size uint64, items ...byte) []byte {
		return append(binary.AppendUvarint([]byte{0x19, 0xfc}, size), items...)
	}
	for name, data := range map[string][]byte{
		"empty":                 {},
		"open struct":           {0x15, 0x02},
		"list longer than file": list(1<<30, 0, 0, 0),
		"string too long":       {0x18, 0xff, 0xff, 0x03, 'a'},
		"unknown type":          {0x1e, 0x00},
		"map":                   {0x1b, 0x00, 0x00},
		"deep":                  bytes.Repeat([]byte{0x1c}, 100),
		"endless number":        append([]byte{0x15}, bytes.Repeat([]byte{0x80}, 20)...),
		"lists in lists":        bytes.Repeat([]byte{0x19, 0x19}, 100),
	} {
		w := thriftWalker{data: data}
		if err := w.structure(0, 0, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	w := thriftWalker{data: append(list(2, 0, 0), 0)}
	if err := w.structure(0, 0, nil); err != nil {
		t.Errorf("a list of two empty structs: %v", err)
	}
}

func FuzzParquet(f *testing.F) {
	text := "o"
	turns := []parquetTurn{{"user", &text}, {"assistant", &text}}
	f.Add(parquetFile(f, []parquetInstruction{{Instruction: "i", Output: &text}, {Instruction: "j"}}))
	f.Add(parquetFile(f, []parquetInstruction{{Instruction: "i", Output: &text}}, parquet.Compression(&parquet.Gzip), parquet.DataPageVersion(1)))
	f.Add(parquetFile(f, []parquetChat{{1, turns, []string{"x"}}, {2, nil, nil}}, parquet.Compression(&parquet.Snappy)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &collector{file: "f"}
		lim := limits{row: 1 << 20, total: 1 << 24, ratio: 100, slack: 1 << 22}
		_ = parseParquet(bytes.NewReader(data), int64(len(data)), lim, c)
		for _, row := range c.rows {
			if row.Line < 1 {
				t.Fatalf("row %d", row.Line)
			}
		}
	})
}

func TestReadParquetFile(t *testing.T) {
	text := "o"
	path := filepath.Join(t.TempDir(), "a.parquet")
	if err := os.WriteFile(path, parquetFile(t, []parquetInstruction{{Instruction: "i", Output: &text}}), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := Load([]string{path}, ReadOptions{})
	if err != nil || len(rows) != 1 || rows[0].Output != "o" || rows[0].File != path {
		t.Errorf("%+v, %v", rows, err)
	}
}
