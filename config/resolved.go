package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Resolved writes the recipe as YAML with every key, defaults included, in the order of the groups. It loads again to an
// equal recipe.
func (r Recipe) Resolved() []byte {
	var out bytes.Buffer
	fields := reflect.ValueOf(r)
	for i, group := range groups {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "# %s\n", group.Title)
		for _, key := range Keys(group.Name) {
			fmt.Fprintf(&out, "%s: %s\n", key.Name, writeValue(fields.Field(key.field)))
		}
	}
	return out.Bytes()
}

// writeValue writes a field as a YAML value on one line.
func writeValue(field reflect.Value) string {
	switch field.Kind() {
	case reflect.Float64:
		return formatNumber(field.Float())
	case reflect.String:
		return writeString(field.String())
	case reflect.Slice:
		items := field.Interface().([]string)
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = writeString(item)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	case reflect.Map:
		pairs := field.Interface().(map[string]string)
		texts := make([]string, 0, len(pairs))
		for _, name := range slices.Sorted(maps.Keys(pairs)) {
			texts = append(texts, writeString(name)+": "+writeString(pairs[name]))
		}
		return "{" + strings.Join(texts, ", ") + "}"
	}
	return fmt.Sprint(field.Interface())
}

// plainText is text that YAML reads as a string without quotes; reserved words are the exception.
var plainText = regexp.MustCompile(`^(?:[A-Za-z/]|\.{1,2}/)[A-Za-z0-9_./-]*$`)

func writeString(text string) string {
	if plainText.MatchString(text) && !isBoolean(text) && !strings.EqualFold(text, "null") {
		return text
	}
	return strconv.Quote(text)
}
