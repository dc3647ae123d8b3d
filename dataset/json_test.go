package dataset

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzJSON holds the parser against encoding/json: what it accepts, it must read to the same values.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n",null,true],"b":{}}`, `[]`, `"\\\/"`, ` 0 `, `{"a":1,"a":2}`, `NaN`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parseJSON(data)
		python := strings.Contains(string(data), "NaN") || strings.Contains(string(data), "Infinity")
		if err != nil {
			// encoding/json repairs invalid UTF-8 and half surrogates and takes the last of duplicate fields.
			stricter := strings.Contains(err.Error(), "UTF-8") || strings.Contains(err.Error(), "surrogate") ||
				strings.Contains(err.Error(), "twice") || strings.Contains(err.Error(), "deep")
			if json.Valid(data) && !stricter {
				t.Fatalf("%q: %v, but it is valid", data, err)
			}
			return
		}
		if python {
			return
		}
		var want any
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("%q is accepted, encoding/json says %v", data, err)
		}
		same(t, &v, want)
	})
}

// same compares a parsed value with encoding/json's.
func same(t *testing.T, v *value, want any) {
	t.Helper()
	switch want := want.(type) {
	case nil:
		if v.kind != kindNull {
			t.Fatalf("%v, want null", v.kind)
		}
	case bool:
		if v.kind != kindBool || (v.text == "true") != want {
			t.Fatalf("%v %q, want %v", v.kind, v.text, want)
		}
	case json.Number:
		if v.kind != kindNumber || v.text != want.String() {
			t.Fatalf("%v %q, want %v", v.kind, v.text, want)
		}
	case string:
		if v.kind != kindString || v.text != want || !utf8.ValidString(v.text) {
			t.Fatalf("%v %q, want %q", v.kind, v.text, want)
		}
	case []any:
		if v.kind != kindList || len(v.list) != len(want) {
			t.Fatalf("%v of %d, want a list of %d", v.kind, len(v.list), len(want))
		}
		for i := range want {
			same(t, &v.list[i], want[i])
		}
	case map[string]any:
		if v.kind != kindObject || len(v.fields) != len(want) {
			t.Fatalf("%v of %d, want an object of %d", v.kind, len(v.fields), len(want))
		}
		for _, f := range v.fields {
			item, ok := want[f.name]
			if !ok {
				t.Fatalf("unexpected field %q", f.name)
			}
			same(t, &f.value, item)
		}
	}
}

// FuzzReadJSON reads any bytes as a file: no panic, and never both a row and an error for it.
func FuzzReadJSON(f *testing.F) {
	for _, s := range []string{
		"[\n{\"instruction\":\"a\",\"output\":\"b\"},\n {\"instruction\":\"a\",\"output\":null}]",
		"{\"text\":\"a\"}\n{\"text\":\"b\\\"]\"}\n", "[[],1,\"a,]\",{}]", "[\"\\\"\"", "\xef\xbb\xbf[]", "[1 2]",
		`{"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &collector{file: "f"}
		lim := limits{row: 1 << 16, total: 1 << 20, ratio: 100, slack: 1 << 20}
		err := readJSON(strings.NewReader(string(data)), "f", lim, c)
		lines := strings.Count(string(data), "\n") + 1
		for _, row := range c.rows {
			if row.Line < 1 || row.Line > lines {
				t.Fatalf("row on line %d of %d", row.Line, lines)
			}
		}
		for _, bad := range c.bad {
			if bad.Line < 1 || bad.Line > lines || bad.Problem == "" {
				t.Fatalf("bad row %+v in %d lines", bad, lines)
			}
		}
		// A list that reads without error is valid JSON, save for what Python adds and for bad rows.
		if err == nil && len(c.bad) == 0 && len(c.rows) > 0 && strings.HasPrefix(string(data), "[") &&
			!strings.Contains(string(data), "NaN") && !strings.Contains(string(data), "Infinity") && !json.Valid(data) {
			t.Fatalf("%q is read as %d rows, but is no valid JSON", data, len(c.rows))
		}
	})
}
