package dataset

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// write puts content into a file of this name in a fresh directory.
func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstandard(t testing.TB, content string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(content), nil))
}

func TestReadFormats(t *testing.T) {
	instruction := []Row{
		{Format: FormatInstruction, Line: 1, Instruction: "add 1 and 2", Output: "3", Answer: "3"},
		{Format: FormatInstruction, Line: 3, Instruction: "é\n\"q\" 😀", Input: "in", Output: "out", Answer: "2.50"},
	}
	lines := `{"instruction": "add 1 and 2", "input": "", "output": "3", "answer": "3"}` + "\n\n" +
		`{"output":"out","instruction":"é\n\"q\" \ud83d\ude00","input":"in","answer":2.50,"extra":[1,{"a":null}]}`
	shifted := func(rows []Row, lines ...int) []Row {
		rows = append([]Row(nil), rows...)
		for i := range rows {
			rows[i].Line = lines[i]
		}
		return rows
	}
	list := "\n [" + strings.Replace(lines, "\n\n", ",\n\n", 1) + "\n]\n\n"
	tests := []struct {
		name, file, content string
		columns             map[string]string
		want                []Row
	}{
		{"lines", "a.jsonl", lines, nil, instruction},
		{"lines with a final newline and CRLF", "a.jsonl", strings.ReplaceAll(lines, "\n", "\r\n") + "\r\n", nil, instruction},
		{"lines named json", "a.json", lines, nil, instruction},
		{"list", "a.json", list, nil, shifted(instruction, 2, 4)},
		{"list named jsonl", "a.jsonl", list, nil, shifted(instruction, 2, 4)},
		{"byte order mark", "a.jsonl", "\ufeff" + lines, nil, instruction},
		{"gzip", "a.jsonl.gz", gzipped(t, lines), nil, instruction},
		{"gzip without the ending", "a.jsonl", gzipped(t, lines), nil, instruction},
		{"zstandard", "a.json.zst", zstandard(t, list), nil, shifted(instruction, 2, 4)},
		{"null input", "a.json", `[{"instruction":"a","input":null,"output":"b"}]`, nil,
			[]Row{{Format: FormatInstruction, Line: 1, Instruction: "a", Output: "b"}}},
		{"Python's NaN beside the text", "a.jsonl", `{"instruction":"a","output":"b","score":NaN,"x":-Infinity}`, nil,
			[]Row{{Format: FormatInstruction, Line: 1, Instruction: "a", Output: "b"}}},
		{"completion", "a.jsonl", `{"prompt":"","completion":" c"}`, nil,
			[]Row{{Format: FormatCompletion, Line: 1, Completion: " c"}}},
		{"text", "a.jsonl", `{"text":"once"}`, nil, []Row{{Format: FormatText, Line: 1, Text: "once"}}},
		{"messages", "a.jsonl", `{"messages":[{"role":"system","content":""},{"role":"user","content":"u"},` +
			`{"role":"assistant","content":"a"}]}`, nil, []Row{{Format: FormatChat, Line: 1, Messages: []Message{
			{Role: RoleSystem, Content: ""}, {Role: RoleUser, Content: "u"}, {Role: RoleAssistant, Content: "a"}}}}},
		{"ShareGPT", "a.jsonl", `{"id":"1","conversations":[{"from":"human","value":"u"},{"from":"gpt","value":"a"}]}`, nil,
			[]Row{{Format: FormatChat, Line: 1, Messages: []Message{{Role: RoleUser, Content: "u"}, {Role: RoleAssistant, Content: "a"}}}}},
		{"columns", "a.jsonl", `{"question":"q","response":"r","answer":"x"}`,
			map[string]string{"instruction": "question", "output": "response"},
			[]Row{{Format: FormatInstruction, Line: 1, Instruction: "q", Output: "r", Answer: "x"}}},
		{"columns over a field of that name", "a.jsonl", `{"text":"no","story":"yes"}`, map[string]string{"text": "story"},
			[]Row{{Format: FormatText, Line: 1, Text: "yes"}}},
		{"columns over messages", "a.jsonl", `{"problem":"p","solution":"s","messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]}`,
			map[string]string{"instruction": "problem", "output": "solution"}, []Row{{Format: FormatInstruction, Line: 1, Instruction: "p", Output: "s"}}},
		{"columns over conversations", "a.jsonl", `{"conversations":[],"q":"p","a":"s"}`, map[string]string{"prompt": "q", "completion": "a"},
			[]Row{{Format: FormatCompletion, Line: 1, Prompt: "p", Completion: "s"}}},
		{"the answer says nothing about the format", "a.jsonl", `{"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a"}],"gold":"g"}`,
			map[string]string{"answer": "gold"}, []Row{{Format: FormatChat, Line: 1, Answer: "g", Messages: []Message{
				{Role: RoleUser, Content: "u"}, {Role: RoleAssistant, Content: "a"}}}}},
		{"one field of the file is two of ours", "a.jsonl", `{"question":"q","gold":"g"}`,
			map[string]string{"instruction": "question", "output": "gold", "answer": "gold"},
			[]Row{{Format: FormatInstruction, Line: 1, Instruction: "q", Output: "g", Answer: "g"}}},
		{"ShareGPT with a system message", "a.jsonl", `{"system":"s","conversations":[{"from":"human","value":"u"},{"from":"gpt","value":"a"}]}`, nil,
			[]Row{{Format: FormatChat, Line: 1, Messages: []Message{{Role: RoleSystem, Content: "s"}, {Role: RoleUser, Content: "u"}, {Role: RoleAssistant, Content: "a"}}}}},
		{"a system message twice", "a.jsonl", `{"system":"s","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"a"}]}`, nil,
			[]Row{{Format: FormatChat, Line: 1, Messages: []Message{{Role: RoleSystem, Content: "s"}, {Role: RoleUser, Content: "u"}, {Role: RoleAssistant, Content: "a"}}}}},
		{"weights", "a.jsonl", `{"messages":[{"role":"user","content":"u","weight":0},{"role":"assistant","content":"a","weight":0},` +
			`{"role":"user","content":"v"},{"role":"assistant","content":"b","weight":1.0}]}`, nil,
			[]Row{{Format: FormatChat, Line: 1, Messages: []Message{{Role: RoleUser, Content: "u"}, {Role: RoleAssistant, Content: "a", Masked: true},
				{Role: RoleUser, Content: "v"}, {Role: RoleAssistant, Content: "b"}}}}},
		{"neither system nor history", "a.jsonl", `{"instruction":"i","output":"o","system":" ","history":[]}`, nil,
			[]Row{{Format: FormatInstruction, Line: 1, Instruction: "i", Output: "o"}}},
		{"instruction wins over text", "a.jsonl", `{"instruction":"i","output":"o","text":"### whole"}`, nil,
			[]Row{{Format: FormatInstruction, Line: 1, Instruction: "i", Output: "o"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, test.file, test.content)
			rows, bad, err := Read(path, ReadOptions{Columns: test.columns})
			if err != nil || len(bad) > 0 {
				t.Fatalf("bad %v, error %v", bad, err)
			}
			for i := range rows {
				if rows[i].File != path {
					t.Errorf("row %d comes from %q, want %q", i, rows[i].File, path)
				}
				rows[i].File = ""
			}
			if diff := cmp.Diff(test.want, rows); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestBrokenInputs lists what can be wrong with a file or a row, and what the error must say. FILE stands for the path.
func TestBrokenInputs(t *testing.T) {
	chat := func(messages string) string { return `{"messages":[` + messages + `]}` }
	const good = `{"instruction":"i","output":"o"}`
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	tests := []struct {
		file, content, want string
	}{
		// The file as a whole.
		{"a.json", "", "FILE: empty file"},
		{"a.jsonl", " \n\t\n", "FILE: empty file"},
		{"a.txt", good, `FILE: unknown kind of file ".txt"`},
		{"a", good, `FILE: unknown kind of file ""`},
		{"a.csv.gz", gzipped(t, good), `unknown kind of file ".csv"`},
		{"a.jsonl.gz", good, "FILE: not compressed as its name says"},
		{"a.json.zst", "[", "FILE: not compressed as its name says"},
		{"a.jsonl.gz", gzipped(t, good)[:25], "FILE:1: unexpected EOF"},
		{"a.jsonl.gz", "\x1f\x8b\x00", "FILE: unexpected EOF"},
		{"a.jsonl.gz", "\x1f\x8b\x00\x00\x00\x00\x00\x00\x00\x00", "FILE: gzip: invalid header"},
		{"a.jsonl.zst", zstandard(t, good)[:12], "FILE: unexpected EOF"},
		{"a.jsonl.zst", "\x28\xb5\x2f\xfd\xff\xff\xff\xff", "FILE: reserved bit set"},
		{"a.jsonl", "\xff\xfe{\x00}\x00", "FILE: the file is UTF-16, expected UTF-8"},
		{"a.json", "\xfe\xff\x00[", "FILE: the file is UTF-16, expected UTF-8"},
		{"a.parquet", "", "FILE: not a parquet file: too short"},
		{"a.parquet", good + "\n" + good, "FILE: not a parquet file, or truncated"},
		{"a.parquet", "PAR1\xff\xff\xff\x7fPAR1", "FILE: metadata of 2147483647 bytes in a file of 12"},
		{"a.parquet", "PAR1\x00\x00\x00\x00PAR1", "FILE: malformed metadata"},

		// Lists.
		{"a.json", "[", "FILE:1: the list is not closed; the file may be truncated"},
		{"a.json", "[" + good, "FILE:1: the list is not closed"},
		{"a.json", "[\n" + good + ",\n", "FILE:3: the list is not closed"},
		{"a.json", "[" + good + ",]", "FILE:1: expected a row, got ']'"},
		{"a.json", "[,]", "FILE:1: expected a row, got ','"},
		{"a.json", "[" + good + " " + good + "]", "FILE:1: expected ',' or ']' after a row, got '{'"},
		{"a.json", "[" + good + "] x", "FILE:1: unexpected 'x' after the list"},
		{"a.json", "[" + good + "]\n[", "FILE:2: unexpected '[' after the list"},
		{"a.json", "[\n" + good + ",\n{\"instruction\":\n\"open", "FILE:4: the row that starts on line 3 is not closed"},
		{"a.json", "[1]", "FILE:1: expected an object, got number"},
		{"a.json", "[null]", "FILE:1: expected an object, got null"},
		{"a.json", "[\"a\"]", "FILE:1: expected an object, got string"},
		{"a.json", "[[]]", "FILE:1: expected an object, got list"},
		{"a.json", "[" + good + ",true]", "FILE:1: expected an object, got bool"},
		{"a.json", "[tru]", "FILE:1: column 1: expected a value, got 't'"},
		{"a.json", "[}]", "FILE:1: expected a row, got '}'"},
		{"a.json", "[\n{\"instruction\":\n  oops}]", "FILE:3: column 3: expected a value, got 'o'"},

		// The first row decides the format.
		{"a.jsonl", `{}`, "FILE:1: the fields fit no row format: the row has no fields"},
		{"a.jsonl", `{"question":"q","answer":"a"}`,
			`FILE:1: the fields fit no row format: the row has "question", "answer"; expected instruction and output, prompt ` +
				`and completion, messages, or text; try columns: {instruction: question, output: answer}`},
		{"a.jsonl", `{"Problem":"q","context":"c","solution":"a"}`, "try columns: {instruction: Problem, input: context, output: solution}"},
		{"a.jsonl", `{"instruction":"q","response":"a"}`, "try columns: {output: response}"},
		{"a.jsonl", `{"prompt":"q","response":"a"}`, "try columns: {instruction: prompt, output: response}"},
		{"a.jsonl", `{"dialogue":[]}`, `the rows seem to be inside "dialogue"`},
		{"a.jsonl", `{"id":1,"dialogue":[]}`, "try columns: {messages: dialogue}"},
		{"a.jsonl", `{"content":"c"}`, "try columns: {text: content}"},
		{"a.jsonl", `{"data":[{"instruction":"i","output":"o"}]}`, `the rows seem to be inside "data": write that list alone to the file`},
		{"a.jsonl", `{"a":1,"b":2}`, "name them with columns: {our name: their name}"},
		{"a.jsonl", `{"a1":1,"a2":1,"a3":1,"a4":1,"a5":1,"a6":1,"a7":1,"a8":1,"a9":1,"b1":1,"b2":1,"b3":1,"b4":1}`, "... (13 fields)"},

		// Malformed JSON in a line.
		{"a.jsonl", `{"instruction":"i","output":"o"`, "FILE:1: column 32: expected ',' or '}' in an object, got end of text"},
		{"a.jsonl", `{"instruction":"i" "output":"o"}`, "FILE:1: column 20: expected ',' or '}' in an object, got '\"'"},
		{"a.jsonl", `{"instruction" "i"}`, "FILE:1: column 16: expected ':' after the field name \"instruction\""},
		{"a.jsonl", `{instruction:"i"}`, "FILE:1: column 2: expected a field name in quotes, got 'i'"},
		{"a.jsonl", `{'instruction':'i'}`, "FILE:1: column 2: expected a field name in quotes"},
		{"a.jsonl", `{"instruction":"i",}`, "FILE:1: column 20: expected a field name in quotes, got '}'"},
		{"a.jsonl", `{"a":[1,]}`, "FILE:1: column 9: expected a value, got ']'"},
		{"a.jsonl", `{"a":[1 2]}`, "FILE:1: column 9: expected ',' or ']' in a list"},
		{"a.jsonl", `{"a":01}`, "malformed number"},
		{"a.jsonl", `{"a":1.}`, "malformed number"},
		{"a.jsonl", `{"a":1e}`, "malformed number"},
		{"a.jsonl", `{"a":-}`, "malformed number"},
		{"a.jsonl", `{"a":.5}`, "expected a value, got '.'"},
		{"a.jsonl", `{"a":"x}`, "string is not closed"},
		{"a.jsonl", `{"a":"x\`, "string is not closed"},
		{"a.jsonl", `{"a":"\n\`, "string is not closed"},
		{"a.jsonl", `{"a":"\x41"}`, `unknown escape \x`},
		{"a.jsonl", `{"a":"\u12"}`, `malformed \u escape`},
		{"a.jsonl", `{"a":"\ud83d"}`, `\ud83d is half of a surrogate pair`},
		{"a.jsonl", `{"a":"\ude00\ud83d"}`, `\ude00 is half of a surrogate pair`},
		{"a.jsonl", `{"a":"\ud83d\u0041"}`, `\ud83d is half of a surrogate pair`},
		{"a.jsonl", "{\"a\":\"x\ty\"}", "column 8: control character 0x09 inside a string"},
		{"a.jsonl", "{\"a\":\"\\n\x00\"}", "control character 0x00 inside a string"},
		{"a.jsonl", "{\"a\":\"x\xffy\"}", "column 8: invalid UTF-8 (byte 0xff)"},
		{"a.jsonl", "{\"a\":\"\\t\xc3\"}", "invalid UTF-8 (byte 0xc3)"},
		{"a.jsonl", "{\"\xed\xa0\x80\":1}", "invalid UTF-8 (byte 0xed)"},
		{"a.jsonl", "\xc3\x28", "FILE:1: column 1: expected a value, got byte 0xc3"},
		{"a.jsonl", `{"a":1}{"a":2}`, "unexpected '{' after the value"},
		{"a.jsonl", `{"a":1} // x`, "unexpected '/' after the value"},
		{"a.jsonl", `{"a":1,"a":2}`, `column 8: field "a" stands twice in one object`},
		{"a.jsonl", `{"a":` + deep + `}`, "nested more than 100 deep"},
		{"a.jsonl", "hello", "FILE:1: column 1: expected a value, got 'h'"},

		// Fields of a later row.
		{"a.jsonl", good + "\n" + `{"instruction":"i","output":null}`, `FILE:2: field "output": expected string, got null`},
		{"a.jsonl", good + "\n\n" + `{"instruction":"i","output":3}`, `FILE:3: field "output": expected string, got number`},
		{"a.jsonl", good + "\n" + `{"instruction":"i","output":["o"]}`, `field "output": expected string, got list`},
		{"a.jsonl", good + "\n" + `{"instruction":{},"output":"o"}`, `field "instruction": expected string, got object`},
		{"a.jsonl", good + "\n" + `{"instruction":"i","input":false,"output":"o"}`, `field "input": expected string, got bool`},
		{"a.jsonl", good + "\n" + `{"instruction":"i"}`, `FILE:2: field "output": missing; the row has "instruction"`},
		{"a.jsonl", good + "\n" + `{"text":"t"}`, `FILE:2: field "instruction": missing; the row has "text"`},
		{"a.jsonl", good + "\n" + `{"instruction":"i","output":""}`, `field "output": empty, so there is nothing to learn`},
		{"a.jsonl", good + "\n" + `{"instruction":"i","output":" \n "}`, `field "output": empty, so there is nothing to learn`},
		{"a.jsonl", `{"instruction":" ","input":"","output":"o"}`, `field "instruction": empty, and so is the input`},
		{"a.jsonl", `{"prompt":null,"completion":"c"}`, `field "prompt": expected string, got null`},
		{"a.jsonl", `{"prompt":"p","completion":""}`, `field "completion": empty`},
		{"a.jsonl", `{"prompt":[{"role":"user"}],"completion":[]}`, `field "prompt": expected string, got list`},
		{"a.jsonl", `{"text":""}`, `field "text": empty`},
		{"a.jsonl", `{"text":7}`, `field "text": expected string, got number`},

		{"a.jsonl", `{"instruction":"i","output":"o","system":"Be brief."}`, `field "system": is not empty, but instruction rows have no place for it; write the row as messages`},
		{"a.jsonl", `{"instruction":"i","output":"o","history":[["a","b"]]}`, `field "history": is not empty, but instruction rows`},
		{"a.jsonl", `{"prompt":"i","completion":"o","history":[["a","b"]]}`, `field "history": is not empty, but completion rows`},

		// Chats.
		{"a.jsonl", `{"system":"s","messages":[{"role":"system","content":"t"},{"role":"user","content":"u"},{"role":"assistant","content":"a"}]}`,
			`field "system": the messages begin with another system message`},
		{"a.jsonl", `{"system":1,"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]}`, `field "system": expected string, got number`},
		{"a.jsonl", chat(`{"role":"user","content":"a"},{"role":"assistant","content":"b","weight":0.5}`),
			`field "messages[1].weight": expected the number 0 or 1, got number 0.5`},
		{"a.jsonl", `{"messages":"hi"}`, `field "messages": expected a list of messages, got string`},
		{"a.jsonl", `{"messages":null}`, `field "messages": expected a list of messages, got null`},
		{"a.jsonl", `{"messages":[]}`, `field "messages": empty`},
		{"a.jsonl", chat(`"hi"`), `field "messages[0]": expected an object, got string`},
		{"a.jsonl", chat(`{}`), `field "messages[0].role": missing; the row has no fields`},
		{"a.jsonl", chat(`{"role":"user"}`), `field "messages[0].content": missing; the row has "role"`},
		{"a.jsonl", chat(`{"role":1,"content":"a"}`), `field "messages[0].role": expected string, got number`},
		{"a.jsonl", chat(`{"role":"tool","content":"a"}`), `field "messages[0].role": unsupported role "tool", expected system, user or assistant`},
		{"a.jsonl", chat(`{"role":"user","content":null}`), `field "messages[0].content": expected string, got null`},
		{"a.jsonl", chat(`{"role":"user","content":[{"type":"text","text":"a"}]}`), `field "messages[0].content": expected string, got list`},
		{"a.jsonl", chat(`{"role":"user","content":"a"}`), `field "messages": the last message is from user, expected assistant`},
		{"a.jsonl", chat(`{"role":"assistant","content":"a"}`), `field "messages[0].role": expected role user first, got assistant`},
		{"a.jsonl", chat(`{"role":"system","content":"s"},{"role":"assistant","content":"a"}`), `field "messages[1].role": expected role user after system`},
		{"a.jsonl", chat(`{"role":"user","content":"a"},{"role":"user","content":"b"}`), `field "messages[1].role": expected role assistant after user`},
		{"a.jsonl", chat(`{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"assistant","content":"c"}`),
			`field "messages[2].role": expected role user after assistant`},
		{"a.jsonl", chat(`{"role":"user","content":"a"},{"role":"system","content":"b"}`), `field "messages[1].role": a system message must be the first`},
		{"a.jsonl", chat(`{"role":"user","content":"a"},{"role":"assistant","content":" "}`), `field "messages[1].content": empty`},
		{"a.jsonl", `{"conversations":[{"from":"human","value":3}]}`, `field "conversations[0].value": expected string, got number`},
		{"a.jsonl", `{"conversations":[{"from":"bot","value":"a"}]}`, `field "conversations[0].from": unsupported role "bot"`},
	}
	for i, test := range tests {
		t.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			path := write(t, test.file, test.content)
			_, err := Load([]string{path}, ReadOptions{})
			if err == nil {
				t.Fatalf("%.80q: no error, want %s", test.content, test.want)
			}
			got := strings.ReplaceAll(err.Error(), path, "FILE")
			if !strings.HasPrefix(got, "dataset: ") || !strings.Contains(got, test.want) {
				t.Errorf("%.80q:\n got %s\nwant %s", test.content, got, test.want)
			}
		})
	}
}

// TestBadRowsAreAllFound checks that one pass reports every bad row and keeps every good one.
func TestBadRowsAreAllFound(t *testing.T) {
	var lines []string
	for i := range 40 {
		switch {
		case i%4 == 1:
			lines = append(lines, `{"instruction":"i","output":null}`)
		case i%4 == 2:
			lines = append(lines, `{"instruction":`)
		default:
			lines = append(lines, fmt.Sprintf(`{"instruction":"i%d","output":"o"}`, i))
		}
	}
	path := write(t, "a.jsonl", strings.Join(lines, "\n"))
	rows, bad, err := Read(path, ReadOptions{})
	if err != nil || len(rows) != 20 || len(bad) != 20 {
		t.Fatalf("%d rows, %d bad, %v; want 20, 20", len(rows), len(bad), err)
	}
	for i, b := range bad {
		if want := i/2*4 + i%2 + 2; b.Line != want {
			t.Errorf("bad row %d is on line %d, want %d", i, b.Line, want)
		}
	}
	if _, err := Load([]string{path}, ReadOptions{SkipBadRows: 19}); err == nil || !strings.Contains(err.Error(), "20 bad rows") ||
		!strings.Contains(err.Error(), "and 10 more") {
		t.Errorf("error %v, want one about 20 bad rows of which 10 are shown", err)
	}
	if rows, err := Load([]string{path}, ReadOptions{SkipBadRows: 20}); err != nil || len(rows) != 20 {
		t.Errorf("%d rows, %v; want 20", len(rows), err)
	}
}

func TestReadEvaluation(t *testing.T) {
	for content, want := range map[string]Row{
		`{"instruction":"i","output":"","answer":"4"}`: {Format: FormatInstruction, Instruction: "i", Answer: "4"},
		`{"instruction":"i"}`:                          {Format: FormatInstruction, Instruction: "i"},
		`{"instruction":"i","task":"t","test_list":["assert a","b"],"test_setup_code":"import m"}`: {Format: FormatInstruction,
			Instruction: "i", Task: "t", Tests: []string{"assert a", "b"}, Setup: "import m"},
		`{"prompt":"p","completion":null}`:                 {Format: FormatCompletion, Prompt: "p"},
		`{"messages":[{"role":"user","content":"u"}]}`:     {Format: FormatChat, Messages: []Message{{Role: RoleUser, Content: "u"}}},
		`{"conversations":[{"from":"human","value":"u"}]}`: {Format: FormatChat, Messages: []Message{{Role: RoleUser, Content: "u"}}},
	} {
		path := write(t, "a.jsonl", content)
		want.File, want.Line = path, 1
		rows, bad, err := Read(path, ReadOptions{Evaluation: true})
		if err != nil || len(bad) > 0 {
			t.Fatalf("%s: bad %v, %v", content, bad, err)
		}
		if diff := cmp.Diff([]Row{want}, rows); diff != "" {
			t.Error(diff)
		}
	}
}

// The fields that evaluation alone reads are checked there, and are nobody's business in training.
func TestEvaluationFields(t *testing.T) {
	for content, want := range map[string]string{
		`{"instruction":"i","output":"o","task":3}`:               `field "task": expected string, got number`,
		`{"instruction":"i","output":"o","test_list":"assert a"}`: `field "test_list": expected a list of strings, got string`,
		`{"instruction":"i","output":"o","test_list":["a",1]}`:    `field "test_list[1]": expected string, got number`,
	} {
		path := write(t, "a.jsonl", content)
		if _, err := Load([]string{path}, ReadOptions{Evaluation: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, expected %q in it", content, err, want)
		}
		if rows, err := Load([]string{path}, ReadOptions{}); err != nil || rows[0].Task != "" || rows[0].Tests != nil {
			t.Errorf("%s: in training %+v, %v", content, rows, err)
		}
	}
}

func TestMissingFiles(t *testing.T) {
	if _, _, err := Read(filepath.Join(t.TempDir(), "no.json"), ReadOptions{}); err == nil || !os.IsNotExist(err) && !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing file: error %v", err)
	}
	if _, _, err := Read(t.TempDir(), ReadOptions{}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: error %v", err)
	}
}
