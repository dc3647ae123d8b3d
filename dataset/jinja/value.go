package jinja

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A template's values are these Go types: nil (None), bool, int, float64, string, *List, *Dict, and inside the engine
// undefined, *loopState and function. Nothing else can be reached from a template: no Go method, no struct field.

// List is a Python list or tuple. Templates cannot change it.
type List struct{ Items []any }

// NewList wraps items, which must hold the types a template may see.
func NewList(items ...any) *List { return &List{Items: items} }

// Dict is a Python dict with string keys, in the order of insertion.
type Dict struct {
	keys   []string
	values map[string]any
	// namespace is set for the result of namespace(): the only value whose attributes a template may assign.
	namespace bool
}

// NewDict returns an empty dict.
func NewDict() *Dict { return &Dict{values: map[string]any{}} }

// Set stores value under key and keeps the place of a key that is already there.
func (d *Dict) Set(key string, value any) *Dict {
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = value
	return d
}

// undefined is what a missing variable, attribute or item evaluates to. It prints as nothing and is false; using it
// for anything else is an error that says which name was missing.
type undefined struct{ name string }

// function is a callable: a global, a macro, or a method bound to its object.
type function func(r *render, args arguments) (any, error)

// arguments are the evaluated arguments of a call. Keyword arguments keep the order of the call's sorted names.
type arguments struct {
	positional []any
	keywords   map[string]any
}

// get returns the argument at position i or with the given name, else def.
func (a arguments) get(i int, name string, def any) any {
	if i < len(a.positional) {
		return a.positional[i]
	}
	if v, ok := a.keywords[name]; ok {
		return v
	}
	return def
}

// text returns the string argument at position i or with the given name.
func (a arguments) text(i int, name string) (string, error) {
	v := a.get(i, name, undefined{name})
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("argument %q: expected a string, got %s", name, typeName(v))
	}
	return s, nil
}

// typeName names a value's type the way Python does, for errors.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case undefined:
		return fmt.Sprintf("undefined %q", v.name)
	case bool:
		return "a bool"
	case int:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "a string"
	case *List:
		return "a list"
	case *Dict:
		return "a dict"
	case *loopState:
		return "the loop"
	}
	return "a function"
}

// truth is Python's bool(v).
func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *List:
		return len(v.Items) > 0
	case *Dict:
		return v.namespace || len(v.keys) > 0
	}
	return true
}

// number returns v as a float when it is an int, a float or a bool.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// integer returns v as an int when it is an int or a bool.
func integer(v any) (int, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int:
		return v, true
	}
	return 0, false
}

// equal is Python's a == b. It charges the budget for every element it visits, because lists may share elements and
// then describe far more of them than the memory they take.
func (r *render) equal(a, b any) (bool, error) {
	if err := r.enter(); err != nil {
		return false, err
	}
	defer r.leave()
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y, nil
	}
	switch a := a.(type) {
	case nil:
		return b == nil, nil
	case undefined:
		_, ok := b.(undefined)
		return ok, nil
	case string:
		s, ok := b.(string)
		return ok && a == s, nil
	case *List:
		other, ok := b.(*List)
		if !ok || len(a.Items) != len(other.Items) {
			return false, nil
		}
		for i := range a.Items {
			if same, err := r.equal(a.Items[i], other.Items[i]); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *Dict:
		other, ok := b.(*Dict)
		if !ok || len(a.keys) != len(other.keys) {
			return false, nil
		}
		for _, key := range a.keys {
			value, ok := other.values[key]
			if !ok {
				return false, nil
			}
			if same, err := r.equal(a.values[key], value); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *loopState:
		return a == b, nil
	}
	return false, nil // functions are equal to nothing
}

// contains is Python's item in container.
func (r *render) contains(container, item any) (bool, error) {
	switch c := container.(type) {
	case string:
		s, ok := item.(string)
		if !ok {
			return false, fmt.Errorf("'in' a string: expected a string on the left, got %s", typeName(item))
		}
		return strings.Contains(c, s), r.charge(1 + len(c)/bytesPerStep)
	case *Dict:
		s, ok := item.(string)
		if !ok {
			return false, nil
		}
		_, ok = c.values[s]
		return ok, nil
	case *List:
		for _, element := range c.Items {
			if same, err := r.equal(element, item); same || err != nil {
				return same, err
			}
		}
		return false, nil
	case undefined:
		return false, nil
	}
	return false, fmt.Errorf("'in' needs a string, list or dict on the right, got %s", typeName(container))
}

// iterate returns what a for loop over v goes through: a list's items, a dict's keys, a string's characters.
func (r *render) iterate(v any) ([]any, error) {
	switch v := v.(type) {
	case *List:
		return v.Items, r.charge(len(v.Items))
	case *Dict:
		items := make([]any, len(v.keys))
		for i, key := range v.keys {
			items[i] = key
		}
		return items, r.charge(len(items))
	case string:
		if err := r.charge(len(v)); err != nil {
			return nil, err
		}
		items := make([]any, 0, utf8.RuneCountInString(v))
		for _, c := range v {
			items = append(items, string(c))
		}
		return items, nil
	case undefined:
		return nil, nil
	}
	return nil, fmt.Errorf("expected something to iterate over, got %s", typeName(v))
}

// str is Python's str(v), what {{ v }} prints.
func (r *render) str(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case undefined:
		return "", nil
	case function, *loopState:
		return "", fmt.Errorf("cannot print %s", typeName(v))
	}
	var b strings.Builder
	if err := r.repr(&b, v); err != nil {
		return "", err
	}
	return b.String(), nil
}

// repr appends Python's repr(v).
func (r *render) repr(b *strings.Builder, v any) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	if err := r.fits(b.Len()); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		if v {
			b.WriteString("True")
		} else {
			b.WriteString("False")
		}
	case int:
		b.WriteString(strconv.Itoa(v))
	case float64:
		b.WriteString(formatFloat(v))
	case string:
		b.WriteString(quotePython(v))
	case *List:
		b.WriteByte('[')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := r.repr(b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case *Dict:
		b.WriteByte('{')
		for i, key := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(quotePython(key))
			b.WriteString(": ")
			if err := r.repr(b, v.values[key]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default:
		return fmt.Errorf("cannot print %s", typeName(v))
	}
	return nil
}

// formatFloat is Python's repr of a float: the shortest digits that read back the same, exponent form outside
// 1e-4 .. 1e16, and always a point or an exponent.
func formatFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if magnitude := math.Abs(f); magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quotePython is Python's repr of a string.
func quotePython(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	for _, c := range s {
		switch {
		case c == rune(quote) || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < 0x20 || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte(quote)
	return b.String()
}

// sortedKeys returns a map's keys in order, so that nothing depends on Go's map order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
