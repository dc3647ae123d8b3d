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

// TestBounds runs templates that would take all time or memory, or the process's stack, if they were let.
func TestBounds(t *testing.T) {
	grow := func(step, use string) string {
		return "{% set ns = namespace(x=['aaaaaaaa'], s='aaaaaaaa') %}{% for i in range(100) %}" + step + "{% endfor %}" + use
	}
	tests := []struct{ source, want string }{
		{"{% for i in range(1000000000000) %}{% endfor %}", "needs more than"},
		{"{% for i in range(2000) %}{% for j in range(2000) %}{% endfor %}{% endfor %}", "needs more than"},
		{"{{ 'a' * 10000000000 }}", "builds a value"},
		{"{{ 10000000000 * 'a' }}", "builds a value"},
		{"{{ 'a'.replace('', 'aaaaaaaa') | replace('a', 'b' * 1000000) }}", "builds a value"},
		{"{{ range(100000) | join('a' * 1000) }}", "builds a value"},
		{"{{ ('\\n' * 100000) | indent(1000) }}", "builds a value"},
		{grow("{% set ns.s = ns.s + ns.s %}", ""), "builds a value"},
		{grow("{% set ns.s = ns.s ~ ns.s %}", ""), "builds a value"},
		{grow("{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}", ""), "builds a value"},
		{grow("{% set ns.x = ns.x + ns.x %}", ""), "needs more than"},
		{grow("{% set ns.x = [ns.x, ns.x] %}", "{{ ns.x }}"), "builds a value"},
		{grow("{% set ns.x = [ns.x, ns.x] %}", "{{ ns.x == ns.x }}"), "needs more than"},
		{grow("{% set ns.x = [ns.x, ns.x] %}", "{{ ns.x | tojson }}"), "nested too deeply"},
		{"{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}", "nested more than 1000 deep"},
		{"{% for i in range(100000) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}", "builds a value"},
		{"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nested more than 64 deep"},
		{"{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}", "needs more than"},
		{"{{ " + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000) + " }}", "nested more than 64 deep"},
		{strings.Repeat("{% if true %}", 1000) + strings.Repeat("{% endif %}", 1000), "nested more than 64 deep"},
		{"{{ 9223372036854775807 + 1 }}", "integer overflow"},
		{"{{ 9223372036854775807 * 9223372036854775807 }}", "integer overflow"},
		{"{{ 10 ** 100 }}", "integer overflow"},
		{"{% for i in range(9223372036854775800, 9223372036854775807, 5) %}{{ i }};{% endfor %}", ""},
		{"{{ 'abc'[::9223372036854775807] }}{{ 'abc'[::-9223372036854775807] }}", ""},
		{"{{ " + strings.Repeat("1 + ", 50000) + "1 }}", ""},
	}
	for _, test := range tests {
		_, err := renderString(test.source, nil)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%.80q: %v", test.source, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%.80q: error %v, want %s", test.source, err, test.want)
		}
	}
}

// TestMalformed: a template that is no template is an error when it is parsed.
func TestMalformed(t *testing.T) {
	for _, source := range []string{
		"{{ }}", "{{ in x }}", "{{ 1 + }}", "{{ + }}", "{{ x[] }}", "{{ x. }}", "{{ (1 }}", "{{ 1) }}", "{{ [1,, 2] }}", "{{ {1} }}",
		"{{ 'a }}", "{{ x", "{% if %}{% endif %}", "{% if x %}", "{% endif %}", "{% for x %}{% endfor %}", "{% for in y %}{% endfor %}",
		"{% set %}", "{% set x = %}", "{% set 1 = 2 %}", "{% macro %}{% endmacro %}", "{% macro f( %}{% endmacro %}", "{% unknown %}",
		"{% %}", "{#", "{% raw %}", "{{ x | }}", "{{ x | f(in y) }}", "{{ f(a=in y) }}", "{{ x is }}", "{{ 1 if }}", "{{ ? }}",
		"{{ '\\x4' }}", "{{ not }}", "{% if in x %}{% endif %}", "{% for x in in y %}{% endfor %}", "{{ -in x }}", "{{ a if in x else b }}",
	} {
		if out, err := renderString(source, nil); err == nil {
			t.Errorf("%q gives %q, want an error", source, out)
		}
	}
}

// TestSandbox: nothing but the template's own values can be reached.
func TestSandbox(t *testing.T) {
	for _, source := range []string{
		"{% include '/etc/passwd' %}", "{% import '/etc/passwd' as x %}", "{% extends '/etc/passwd' %}", "{% from 'a' import b %}",
		"{{ messages.append(1) }}", "{{ ''.__class__.__mro__ }}", "{{ self.x }}", "{{ messages.Items() }}", "{{ ''.format(1) }}",
		"{% set messages[0] = 1 %}", "{% set messages.x = 1 %}", "{% call f() %}{% endcall %}", "{{ lipsum() }}", "{{ namespace }}",
	} {
		if out, err := renderString(source, map[string]any{"messages": NewList("a")}); err == nil {
			t.Errorf("%q gives %q, want an error", source, out)
		}
	}
}
