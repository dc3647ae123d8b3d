package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A form is how a value is written.
type form string

const (
	plain   form = "plain"
	quoted  form = "quoted"
	null    form = "null"
	list    form = "list"
	mapping form = "map"
)

// A value is what a file or an override says for a key, before it gets the key's type.
type value struct {
	form form
	// text is what a plain or quoted value says.
	text string
	// items are the values of a list or a map, names the map's keys.
	items []value
	names []string
}

func (v value) isScalar() bool { return v.form == plain || v.form == quoted }

// word is the text of the value, or "true" or "false" if it is one of the words for it.
func (v value) word() string {
	if truth, ok := booleans[strings.ToLower(v.text)]; ok && v.form == plain {
		return strconv.FormatBool(truth)
	}
	return v.text
}

// String describes the value in an error message. What is long is cut.
func (v value) String() string {
	switch v.form {
	case null:
		return "null"
	case list:
		return "a list"
	case mapping:
		return "a map"
	case quoted:
		return "the string " + strconv.Quote(shorten(v.text))
	}
	if v.text == "" {
		return "nothing"
	}
	return shorten(v.text)
}

func shorten(text string) string {
	const most = 60
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most]) + "..."
}

// assign converts the value to the key's type and stores it in field. It returns false if the value leaves the key at its
// default, as null and auto do, and a message if it does not fit.
func (k Key) assign(field reflect.Value, v value) (set bool, problem string) {
	if v.form == null || v.form == plain && v.text == "auto" && k.takesAuto() {
		return false, ""
	}
	if ok := k.convert(field, v); !ok {
		return false, fmt.Sprintf("got %s, expected %s", v, k.Expected())
	}
	return true, ""
}

// convert stores the value in field if it has the right type. Ranges and choices are checked later, by [Recipe.Validate].
func (k Key) convert(field reflect.Value, v value) bool {
	switch k.Kind {
	case String:
		if !v.isScalar() || v.form == plain && isBoolean(v.text) {
			return false
		}
		field.SetString(v.text)
	case Boolean:
		if v.form != plain || !isBoolean(v.text) {
			return false
		}
		field.SetBool(booleans[strings.ToLower(v.text)])
	case Integer:
		number, err := strconv.ParseInt(v.text, 10, 64)
		if v.form != plain || err != nil || field.OverflowInt(number) {
			return false
		}
		field.SetInt(number)
	case Number:
		number, err := strconv.ParseFloat(v.text, 64)
		if v.form != plain || err != nil || math.IsInf(number, 0) || math.IsNaN(number) {
			return false
		}
		field.SetFloat(number)
	case List:
		items, ok := k.listOf(v)
		if !ok {
			return false
		}
		field.Set(reflect.ValueOf(items))
	case Mapping:
		if v.form != mapping {
			return false
		}
		pairs := make(map[string]string, len(v.items))
		for i, item := range v.items {
			if !item.isScalar() {
				return false
			}
			pairs[v.names[i]] = item.text
		}
		field.Set(reflect.ValueOf(pairs))
	}
	return true
}

// listOf turns a list of scalars, or a single one, into strings. Where the items come from a fixed set, a string may hold
// several, separated by commas, and "all" or "all-linear" is the whole set; paths may hold commas and stay whole.
func (k Key) listOf(v value) ([]string, bool) {
	items := []value{v}
	if v.form == list {
		items = v.items
	}
	texts := []string{}
	for _, item := range items {
		if !item.isScalar() {
			return nil, false
		}
		if len(k.Choices) == 0 {
			texts = append(texts, item.text)
			continue
		}
		for text := range strings.SplitSeq(item.text, ",") {
			switch text = strings.TrimSpace(text); text {
			case "all", "all-linear":
				texts = append(texts, k.Choices...)
			default:
				texts = append(texts, text)
			}
		}
	}
	return texts, true
}

// booleans are the words of YAML 1.1, which other programs still read.
var booleans = map[string]bool{"true": true, "yes": true, "on": true, "false": false, "no": false, "off": false}

func isBoolean(text string) bool {
	_, ok := booleans[strings.ToLower(text)]
	return ok
}

// checkField returns a message if the field's value is not among the key's choices or outside its range.
func (k Key) checkField(field reflect.Value) string {
	wrong := func(got string) string { return fmt.Sprintf("got %s, expected %s", got, k.Expected()) }
	switch k.Kind {
	case String:
		if text := field.String(); len(k.Choices) > 0 && !slices.Contains(k.Choices, text) {
			if other, ok := nearest(text, k.Choices); ok {
				return wrong(strconv.Quote(shorten(text))) + "; did you mean " + other + "?"
			}
			return wrong(strconv.Quote(shorten(text)))
		}
	case Integer:
		if number := field.Int(); !k.limit.contains(float64(number)) {
			return wrong(strconv.FormatInt(number, 10))
		}
	case Number:
		if number := field.Float(); !k.limit.contains(number) {
			return wrong(formatNumber(number))
		}
	case List:
		items := field.Interface().([]string)
		for i, item := range items {
			switch {
			case len(k.Choices) > 0 && !slices.Contains(k.Choices, item):
				return wrong(strconv.Quote(shorten(item)))
			case item == "":
				return wrong("an empty string")
			case slices.Contains(items[:i], item):
				return fmt.Sprintf("%s is listed twice", shorten(item))
			}
		}
	}
	return ""
}
