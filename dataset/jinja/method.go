package jinja

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pythonSpace is what Python's str.strip removes, as far as it occurs in text: ASCII whitespace, the separators
// 0x1c-0x1f, and the Unicode spaces.
const pythonSpace = " \t\n\v\f\r\x1c\x1d\x1e\x1f\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007" +
	"\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

// methodOf returns the method of a string or dict, or nil. Lists have none that leave them unchanged and that
// templates use.
func methodOf(object any, name string) function {
	switch object := object.(type) {
	case string:
		if method, ok := stringMethods[name]; ok {
			return func(r *render, args arguments) (any, error) {
				if err := r.charge(len(object) / bytesPerStep); err != nil {
					return nil, err
				}
				return method(r, object, args)
			}
		}
	case *Dict:
		if method, ok := dictMethods[name]; ok && !object.namespace {
			return func(r *render, args arguments) (any, error) {
				if err := r.charge(len(object.keys)); err != nil {
					return nil, err
				}
				return method(object, args)
			}
		}
	}
	return nil
}

var dictMethods = map[string]func(d *Dict, args arguments) (any, error){
	"get": func(d *Dict, args arguments) (any, error) {
		key, err := args.text(0, "key")
		if err != nil {
			return nil, err
		}
		if v, ok := d.values[key]; ok {
			return v, nil
		}
		return args.get(1, "default", nil), nil
	},
	"items": func(d *Dict, _ arguments) (any, error) { return d.items(), nil },
	"keys": func(d *Dict, _ arguments) (any, error) {
		keys := &List{}
		for _, key := range d.keys {
			keys.Items = append(keys.Items, key)
		}
		return keys, nil
	},
	"values": func(d *Dict, _ arguments) (any, error) {
		values := &List{}
		for _, key := range d.keys {
			values.Items = append(values.Items, d.values[key])
		}
		return values, nil
	},
}

func (d *Dict) items() *List {
	items := &List{}
	for _, key := range d.keys {
		items.Items = append(items.Items, NewList(key, d.values[key]))
	}
	return items
}

var stringMethods = map[string]func(r *render, s string, args arguments) (any, error){
	"strip":        stripMethod(strings.Trim),
	"lstrip":       stripMethod(strings.TrimLeft),
	"rstrip":       stripMethod(strings.TrimRight),
	"upper":        func(_ *render, s string, _ arguments) (any, error) { return strings.ToUpper(s), nil },
	"lower":        func(_ *render, s string, _ arguments) (any, error) { return strings.ToLower(s), nil },
	"title":        func(_ *render, s string, _ arguments) (any, error) { return title(s), nil },
	"capitalize":   func(_ *render, s string, _ arguments) (any, error) { return capitalize(s), nil },
	"startswith":   affixMethod(strings.HasPrefix),
	"endswith":     affixMethod(strings.HasSuffix),
	"removeprefix": cutMethod(strings.TrimPrefix),
	"removesuffix": cutMethod(strings.TrimSuffix),
	"find": func(_ *render, s string, args arguments) (any, error) {
		sub, err := args.text(0, "sub")
		return characterIndex(s, strings.Index(s, sub)), err
	},
	"rfind": func(_ *render, s string, args arguments) (any, error) {
		sub, err := args.text(0, "sub")
		return characterIndex(s, strings.LastIndex(s, sub)), err
	},
	"count": func(_ *render, s string, args arguments) (any, error) {
		sub, err := args.text(0, "sub")
		return strings.Count(s, sub), err
	},
	"isdigit": func(_ *render, s string, _ arguments) (any, error) {
		return s != "" && strings.IndexFunc(s, func(c rune) bool { return !unicode.IsDigit(c) }) < 0, nil
	},
	"isspace": func(_ *render, s string, _ arguments) (any, error) {
		return s != "" && strings.Trim(s, pythonSpace) == "", nil
	},
	"join": func(r *render, s string, args arguments) (any, error) { return r.joinList(args.get(0, "", nil), s) },
	"replace": func(r *render, s string, args arguments) (any, error) {
		return r.replace(s, args)
	},
	"split":  splitMethod(false),
	"rsplit": splitMethod(true),
	"splitlines": func(r *render, s string, _ arguments) (any, error) {
		lines := &List{}
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
		for line := range strings.Lines(s) {
			lines.Items = append(lines.Items, strings.TrimSuffix(line, "\n"))
		}
		return lines, r.charge(len(lines.Items))
	},
}

func stripMethod(trim func(s, cutset string) string) func(*render, string, arguments) (any, error) {
	return func(_ *render, s string, args arguments) (any, error) {
		if args.get(0, "chars", nil) == nil {
			return trim(s, pythonSpace), nil
		}
		cutset, err := args.text(0, "chars")
		if cutset == "" {
			return s, err
		}
		return trim(s, cutset), err
	}
}

func affixMethod(has func(s, affix string) bool) func(*render, string, arguments) (any, error) {
	return func(_ *render, s string, args arguments) (any, error) {
		candidates := args.positional
		if list, ok := args.get(0, "", nil).(*List); ok {
			candidates = list.Items
		}
		if len(candidates) == 0 {
			return nil, errors.New("expected a string")
		}
		for _, candidate := range candidates {
			affix, ok := candidate.(string)
			if !ok {
				return nil, fmt.Errorf("expected a string, got %s", typeName(candidate))
			}
			if has(s, affix) {
				return true, nil
			}
		}
		return false, nil
	}
}

func cutMethod(cut func(s, affix string) string) func(*render, string, arguments) (any, error) {
	return func(_ *render, s string, args arguments) (any, error) {
		affix, err := args.text(0, "affix")
		return cut(s, affix), err
	}
}

// splitMethod is str.split and, from the right, str.rsplit.
func splitMethod(right bool) func(*render, string, arguments) (any, error) {
	return func(r *render, s string, args arguments) (any, error) {
		limit, ok := integer(args.get(1, "maxsplit", -1))
		if !ok {
			return nil, errors.New("maxsplit: expected an int")
		}
		var parts []string
		if args.get(0, "sep", nil) == nil {
			parts = splitSpace(s, limit, right)
		} else {
			separator, err := args.text(0, "sep")
			if err != nil {
				return nil, err
			}
			if separator == "" {
				return nil, errors.New("empty separator")
			}
			parts = splitSeparator(s, separator, limit, right)
		}
		list := &List{make([]any, len(parts))}
		for i, part := range parts {
			list.Items[i] = part
		}
		return list, r.charge(len(parts))
	}
}

func splitSeparator(s, separator string, limit int, right bool) []string {
	if limit < 0 {
		return strings.Split(s, separator)
	}
	if !right {
		return strings.SplitN(s, separator, limit+1)
	}
	parts := strings.Split(s, separator)
	if extra := len(parts) - limit - 1; extra > 0 {
		parts = append([]string{strings.Join(parts[:extra+1], separator)}, parts[extra+1:]...)
	}
	return parts
}

func splitSpace(s string, limit int, right bool) []string {
	isSpace := func(c rune) bool { return strings.ContainsRune(pythonSpace, c) }
	parts := strings.FieldsFunc(s, isSpace)
	if limit < 0 || len(parts) <= limit+1 {
		return parts
	}
	// With a limit the rest keeps its inner whitespace: cut the first (or last) words off one by one.
	cut := make([]string, 0, limit+1)
	if right {
		s = strings.TrimRightFunc(s, isSpace)
		for range limit {
			at := strings.LastIndexFunc(s, isSpace)
			_, width := utf8.DecodeRuneInString(s[at:])
			cut = append([]string{s[at+width:]}, cut...)
			s = strings.TrimRightFunc(s[:at], isSpace)
		}
		return append([]string{s}, cut...)
	}
	s = strings.TrimLeftFunc(s, isSpace)
	for range limit {
		at := strings.IndexFunc(s, isSpace)
		cut = append(cut, s[:at])
		s = strings.TrimLeftFunc(s[at:], isSpace)
	}
	return append(cut, s)
}

// replace is str.replace(old, new, count).
func (r *render) replace(s string, args arguments) (any, error) {
	before, err := args.text(0, "old")
	if err != nil {
		return nil, err
	}
	after, err := args.text(1, "new")
	if err != nil {
		return nil, err
	}
	count, ok := integer(args.get(2, "count", -1))
	if args.get(2, "count", nil) == nil {
		count, ok = -1, true
	}
	if !ok {
		return nil, errors.New("count: expected an int")
	}
	found := strings.Count(s, before)
	if count >= 0 {
		found = min(found, count)
	}
	if grown := len(after) - len(before); grown > 0 && found > 0 && grown > (r.limits.Output-len(s))/found {
		return nil, r.fits(r.limits.Output + 1)
	}
	return strings.Replace(s, before, after, count), r.charge((len(s) + found*len(after)) / bytesPerStep)
}

// joinList is separator.join(list). The filter also joins values that are not strings.
func (r *render) joinList(list any, separator string) (any, error) {
	items, err := r.iterate(list)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, item := range items {
		s, err := r.str(item)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(separator)
		}
		if err := r.fits(b.Len() + len(s)); err != nil {
			return nil, err
		}
		b.WriteString(s)
	}
	return b.String(), r.charge(b.Len() / bytesPerStep)
}

// characterIndex turns a byte offset into a count of characters, as Python counts.
func characterIndex(s string, at int) int {
	if at < 0 {
		return -1
	}
	return utf8.RuneCountInString(s[:at])
}

// title is str.title: a capital wherever a letter follows something that is not one.
func title(s string) string {
	inWord := false
	return strings.Map(func(c rune) rune {
		started := inWord
		inWord = unicode.IsLetter(c)
		if started {
			return unicode.ToLower(c)
		}
		return unicode.ToTitle(c)
	}, s)
}

func capitalize(s string) string {
	first, width := utf8.DecodeRuneInString(s)
	if width == 0 {
		return s
	}
	return string(unicode.ToTitle(first)) + strings.ToLower(s[width:])
}
