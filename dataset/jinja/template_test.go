package jinja

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

var (
	testLimits = Limits{Steps: 1 << 20, Output: 1 << 20, Time: 10 * time.Second}
	testClock  = time.Date(2024, 7, 26, 9, 5, 3, 0, time.UTC)
)

// TestSnippets compares one template per rule of the language with what Jinja2 3.1.6, set up as transformers 5 sets
// it up for chat templates, gives for it.
func TestSnippets(t *testing.T) {
	data, err := os.ReadFile("testdata/snippets.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Messages json.RawMessage
		Cases    []struct{ Template, Want, Fails string }
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	variables := map[string]any{
		"messages":              fromJSON(t, json.NewDecoder(strings.NewReader(string(file.Messages)))),
		"tools":                 nil,
		"documents":             nil,
		"add_generation_prompt": true,
		"bos_token":             "<s>",
	}
	for _, c := range file.Cases {
		got, err := renderString(c.Template, variables)
		switch {
		case c.Fails != "" && err == nil:
			t.Errorf("%q gives %q, want an error: %s", c.Template, got, c.Fails)
		case c.Fails == "" && err != nil:
			t.Errorf("%q: %v, want %q", c.Template, err, c.Want)
		case got != c.Want:
			t.Errorf("%q\n got %q\nwant %q", c.Template, got, c.Want)
		}
	}
}

func renderString(source string, variables map[string]any) (string, error) {
	template, err := Parse(source)
	if err != nil {
		return "", err
	}
	return template.Render(variables, testClock, testLimits)
}

// fromJSON reads one JSON value, keeping the order of keys.
func fromJSON(t *testing.T, d *json.Decoder) any {
	t.Helper()
	d.UseNumber()
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			list := NewList()
			for d.More() {
				list.Items = append(list.Items, fromJSON(t, d))
			}
			_, _ = d.Token()
			return list
		}
		dict := NewDict()
		for d.More() {
			key := fromJSON(t, d).(string)
			dict.Set(key, fromJSON(t, d))
		}
		_, _ = d.Token()
		return dict
	case json.Number:
		if i, err := token.Int64(); err == nil {
			return int(i)
		}
		f, _ := token.Float64()
		return f
	default:
		return token
	}
}
