package jinja

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// filters are the filters that chat templates use.
var filters map[string]func(r *render, v any, args arguments) (any, error)

// The table is filled here because map and select look other filters and tests up in it.
func init() {
	filters = map[string]func(r *render, v any, args arguments) (any, error){
		"tojson":     toJSON,
		"trim":       filterTrim,
		"length":     filterLength,
		"count":      filterLength,
		"string":     func(r *render, v any, _ arguments) (any, error) { return r.str(v) },
		"safe":       func(_ *render, v any, _ arguments) (any, error) { return v, nil },
		"list":       filterList,
		"items":      filterItems,
		"dictsort":   filterDictSort,
		"first":      func(r *render, v any, _ arguments) (any, error) { return filterEnd(r, v, 0) },
		"last":       func(r *render, v any, _ arguments) (any, error) { return filterEnd(r, v, -1) },
		"reverse":    filterReverse,
		"join":       filterJoin,
		"default":    filterDefault,
		"d":          filterDefault,
		"map":        filterMap,
		"select":     filterSelect(true, false),
		"reject":     filterSelect(false, false),
		"selectattr": filterSelect(true, true),
		"rejectattr": filterSelect(false, true),
		"unique":     filterUnique,
		"int":        filterInt,
		"float":      filterFloat,
		"abs":        filterAbs,
		"indent":     filterIndent,
		"replace":    textFilter(func(r *render, s string, args arguments) (any, error) { return r.replace(s, args) }),
		"upper":      textFilter(stringMethods["upper"]),
		"lower":      textFilter(stringMethods["lower"]),
		"title":      textFilter(stringMethods["title"]),
		"capitalize": textFilter(stringMethods["capitalize"]),
	}
}

// textFilter applies a string method to anything, as a string.
func textFilter(method func(*render, string, arguments) (any, error)) func(*render, any, arguments) (any, error) {
	return func(r *render, v any, args arguments) (any, error) {
		s, err := r.str(v)
		if err != nil {
			return nil, err
		}
		if err := r.charge(len(s) / bytesPerStep); err != nil {
			return nil, err
		}
		return method(r, s, args)
	}
}

func filterTrim(r *render, v any, args arguments) (any, error) {
	return textFilter(stripMethod(strings.Trim))(r, v, args)
}

func filterLength(r *render, v any, _ arguments) (any, error) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), r.charge(len(v) / bytesPerStep)
	case *List:
		return len(v.Items), nil
	case *Dict:
		return len(v.keys), nil
	case undefined:
		return 0, nil
	}
	return nil, fmt.Errorf("%s has no length", typeName(v))
}

func filterList(r *render, v any, _ arguments) (any, error) {
	items, err := r.iterate(v)
	return &List{items}, err
}

func filterItems(r *render, v any, _ arguments) (any, error) {
	switch v := v.(type) {
	case *Dict:
		return v.items(), r.charge(len(v.keys))
	case undefined:
		return &List{}, nil
	}
	return nil, fmt.Errorf("expected a dict, got %s", typeName(v))
}

// filterDictSort lists a dict's items by key; the default order ignores case.
func filterDictSort(r *render, v any, args arguments) (any, error) {
	d, ok := v.(*Dict)
	if !ok || len(args.positional)+len(args.keywords) > 0 {
		return nil, errors.New("expected a dict and no arguments")
	}
	folded := map[string]*List{}
	for _, item := range d.items().Items {
		pair := item.(*List)
		key := strings.ToLower(pair.Items[0].(string))
		if folded[key] == nil {
			folded[key] = &List{}
		}
		folded[key].Items = append(folded[key].Items, pair)
	}
	sorted := &List{}
	for _, key := range sortedKeys(folded) {
		sorted.Items = append(sorted.Items, folded[key].Items...)
	}
	return sorted, r.charge(len(d.keys))
}

func filterEnd(r *render, v any, at int) (any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	return index(&List{items}, at)
}

func filterReverse(r *render, v any, _ arguments) (any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	reversed := &List{make([]any, len(items))}
	for i, item := range items {
		reversed.Items[len(items)-1-i] = item
	}
	if _, ok := v.(string); ok {
		return r.joinList(reversed, "")
	}
	return reversed, nil
}

func filterJoin(r *render, v any, args arguments) (any, error) {
	separator, ok := args.get(0, "d", "").(string)
	if !ok {
		return nil, errors.New("expected a string as separator")
	}
	if name, ok := args.get(1, "attribute", nil).(string); ok {
		mapped, err := filterMap(r, v, arguments{keywords: map[string]any{"attribute": name}})
		if err != nil {
			return nil, err
		}
		v = mapped
	}
	return r.joinList(v, separator)
}

func filterDefault(_ *render, v any, args arguments) (any, error) {
	_, missing := v.(undefined)
	if missing || truth(args.get(1, "boolean", false)) && !truth(v) {
		return args.get(0, "default_value", ""), nil
	}
	return v, nil
}

// filterMap is map(attribute="name") or map("filter", arguments...).
func filterMap(r *render, v any, args arguments) (any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	mapped := &List{make([]any, len(items))}
	name, byAttribute := args.keywords["attribute"].(string)
	var apply func(*render, any, arguments) (any, error)
	if !byAttribute {
		filter, err := args.text(0, "filter")
		if err != nil {
			return nil, err
		}
		var ok bool
		if apply, ok = filters[filter]; !ok {
			return nil, fmt.Errorf("no filter named %q", filter)
		}
		args.positional = args.positional[1:]
	}
	for i, item := range items {
		if err := r.charge(1); err != nil {
			return nil, err
		}
		if byAttribute {
			mapped.Items[i], err = attribute(item, name)
			if _, missing := mapped.Items[i].(undefined); missing {
				if instead, ok := args.keywords["default"]; ok {
					mapped.Items[i] = instead
				}
			}
		} else {
			mapped.Items[i], err = apply(r, item, args)
		}
		if err != nil {
			return nil, err
		}
	}
	return mapped, nil
}

// filterSelect is select, reject, selectattr and rejectattr: the items whose test gives want.
func filterSelect(want, byAttribute bool) func(*render, any, arguments) (any, error) {
	return func(r *render, v any, args arguments) (any, error) {
		items, err := r.iterate(v)
		if err != nil {
			return nil, err
		}
		name := ""
		if byAttribute {
			if name, err = args.text(0, "attribute"); err != nil {
				return nil, err
			}
			args.positional = args.positional[1:]
		}
		test := ""
		if len(args.positional) > 0 {
			if test, err = args.text(0, "test"); err != nil {
				return nil, err
			}
			args.positional = args.positional[1:]
		}
		chosen := &List{}
		for _, item := range items {
			if err := r.charge(1); err != nil {
				return nil, err
			}
			value := item
			if byAttribute {
				if value, err = attribute(item, name); err != nil {
					return nil, err
				}
			}
			holds := truth(value)
			if test != "" {
				if holds, err = r.test(test, value, args); err != nil {
					return nil, err
				}
			}
			if holds == want {
				chosen.Items = append(chosen.Items, item)
			}
		}
		return chosen, nil
	}
}

func filterUnique(r *render, v any, _ arguments) (any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	kept := &List{}
	for _, item := range items {
		seen, err := r.contains(kept, item)
		if err != nil {
			return nil, err
		}
		if !seen {
			kept.Items = append(kept.Items, item)
		}
	}
	return kept, nil
}

func filterInt(_ *render, v any, args arguments) (any, error) {
	if i, ok := integer(v); ok {
		return i, nil
	}
	switch v := v.(type) {
	case float64:
		if math.Abs(v) < 1<<53 {
			return int(v), nil
		}
	case string:
		if i, err := strconv.Atoi(strings.Trim(v, pythonSpace)); err == nil {
			return i, nil
		}
	}
	return args.get(0, "default", 0), nil
}

func filterFloat(_ *render, v any, args arguments) (any, error) {
	if f, ok := number(v); ok {
		return f, nil
	}
	if s, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(strings.Trim(s, pythonSpace), 64); err == nil {
			return f, nil
		}
	}
	return args.get(0, "default", 0.0), nil
}

func filterAbs(_ *render, v any, _ arguments) (any, error) {
	if i, ok := integer(v); ok {
		return max(i, -i), nil
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fmt.Errorf("expected a number, got %s", typeName(v))
}

// filterIndent indents every line but the first by width spaces; empty lines stay empty.
func filterIndent(r *render, v any, args arguments) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	width, ok := integer(args.get(0, "width", 4))
	if !ok || width < 0 || width > 1024 {
		return nil, errors.New("width: expected an int from 0 to 1024")
	}
	prefix := strings.Repeat(" ", width)
	first, blank := truth(args.get(1, "first", false)), truth(args.get(2, "blank", false))
	if err := r.fits(len(s) + width*(1+strings.Count(s, "\n"))); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		if (i > 0 || first) && (line != "" || blank) {
			b.WriteString(prefix)
		}
		b.WriteString(line)
	}
	return b.String(), r.charge(b.Len() / bytesPerStep)
}
