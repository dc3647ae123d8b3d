package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Kind is the type of a key's value.
type Kind string

// The kinds of values.
const (
	String  Kind = "string"
	Integer Kind = "integer"
	Number  Kind = "number"
	Boolean Kind = "boolean"
	List    Kind = "list"
	Mapping Kind = "map"
)

// A Key is one row of the table that everything derives from: a field of [Recipe] as its tags describe it.
type Key struct {
	Name string
	// Group is the name of one of [Groups].
	Group string
	Kind  Kind
	// Default is the default as a recipe would write it; "auto" if it depends on other keys, empty for empty.
	Default string
	// Choices are the values that are allowed, if they can be listed.
	Choices []string
	// Help is one line without a full stop.
	Help string
	// Aliases are the names by which other programs know the key.
	Aliases []string

	field int
	limit interval
}

// A Group is a set of keys that belong together.
type Group struct{ Name, Title string }

// groups are in the order of the fields of [Recipe].
var groups = []Group{
	{"model", "Model"},
	{"data", "Data"},
	{"method", "Method"},
	{"training", "Training"},
	{"smt", "Sparse Matrix Tuning"},
	{"lora", "LoRA and DoRA"},
	{"evaluation", "Validation"},
	{"output", "Output and checkpoints"},
	{"machine", "Machine"},
}

// table holds a row for each field of [Recipe], in the order of the fields; byName finds its rows.
var (
	table  = readTable()
	byName = indexTable()
)

// Groups lists the groups of keys in the order in which they are shown.
func Groups() []Group { return slices.Clone(groups) }

// Keys lists all keys in the order in which they are shown, or those of some groups.
func Keys(groups ...string) []Key {
	if len(groups) == 0 {
		return slices.Clone(table)
	}
	var keys []Key
	for _, key := range table {
		if slices.Contains(groups, key.Group) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Lookup finds a key by its name or one of its aliases.
func Lookup(name string) (Key, bool) {
	if other, ok := aliasNamed(name); ok {
		name = other.key
	}
	row, ok := byName[name]
	if !ok {
		return Key{}, false
	}
	return table[row], true
}

// readTable reads the tags of [Recipe]. A mistake in them is a programmer's error and panics when the program starts.
func readTable() []Key {
	var keys []Key
	group := ""
	recipe := reflect.TypeFor[Recipe]()
	for i := range recipe.NumField() {
		field := recipe.Field(i)
		if !field.IsExported() {
			continue
		}
		if first, ok := field.Tag.Lookup("group"); ok {
			group = first
		}
		key := Key{
			Name:    field.Tag.Get("key"),
			Group:   group,
			Kind:    kindOf(field.Type),
			Default: field.Tag.Get("default"),
			Help:    field.Tag.Get("help"),
			field:   i,
		}
		if choices := field.Tag.Get("choices"); choices != "" {
			key.Choices = strings.Split(choices, "|")
		}
		if key.Kind == Integer || key.Kind == Number {
			key.limit = mustInterval(field.Tag.Get("range"))
		}
		for _, alias := range aliases {
			if alias.key == key.Name {
				key.Aliases = append(key.Aliases, alias.name)
			}
		}
		keys = append(keys, key)
	}
	return keys
}

func indexTable() map[string]int {
	rows := make(map[string]int, len(table))
	for i, key := range table {
		rows[key.Name] = i
	}
	return rows
}

func kindOf(t reflect.Type) Kind {
	switch t.Kind() {
	case reflect.String:
		return String
	case reflect.Int, reflect.Int64:
		return Integer
	case reflect.Float64:
		return Number
	case reflect.Bool:
		return Boolean
	case reflect.Slice:
		return List
	case reflect.Map:
		return Mapping
	}
	panic(fmt.Sprintf("config: a recipe cannot hold a %s", t))
}

// Expected describes in a few words what values the key takes, as in "an integer, 1 or more".
func (k Key) Expected() string {
	switch k.Kind {
	case Boolean:
		return "true or false"
	case Integer:
		return "an integer, " + k.limit.String() + k.orAuto()
	case Number:
		return "a number, " + k.limit.String() + k.orAuto()
	case List:
		if len(k.Choices) > 0 {
			return "a list of " + strings.Join(k.Choices, ", ")
		}
		return "a string or a list of strings"
	case Mapping:
		return "a map of strings"
	}
	if len(k.Choices) > 1 {
		last := len(k.Choices) - 1
		if k.takesAuto() {
			return strings.Join(k.Choices, ", ") + " or auto"
		}
		return strings.Join(k.Choices[:last], ", ") + " or " + k.Choices[last]
	}
	if len(k.Choices) == 1 {
		return k.Choices[0]
	}
	return "a string"
}

func (k Key) orAuto() string {
	if k.takesAuto() {
		return ", or auto"
	}
	return ""
}

// takesAuto reports whether "auto" may stand for the default of a key, and is not a value of its own. For the block size and the
// warm-up, 0 means the same.
func (k Key) takesAuto() bool {
	return k.Default == "auto" && !slices.Contains(k.Choices, "auto") || k.Name == "block_size" || k.Name == "warmup_full_steps"
}
