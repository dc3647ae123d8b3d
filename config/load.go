package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// An Override is a key and a value from the command line, in the form of a YAML value. Overrides win over the file, and
// later ones over earlier ones; those of a list or map key gather, so that --dataset a --dataset b are two files. A list
// may be written [a, b]; a map is {name: value}, or name=value for one of its pairs.
type Override struct {
	Key, Value string
	// Source is what messages call the override's place, such as "--learning_rate"; the key if empty.
	Source string
}

// Notices are what the user should be told about a recipe that is good: a name that was read as another, or a key that has
// no effect. Each is one line.
type Notices []string

// Load reads the recipe of a run: the YAML file at path, if path is not empty, then the overrides, then defaults. An [Error]
// holds all problems; a file that cannot be read gives the error of the operating system.
func Load(path string, overrides []Override) (Recipe, Notices, error) {
	var data []byte
	if path != "" {
		var err error
		if data, err = readFile(path); err != nil {
			return Recipe{}, nil, err
		}
	}
	return Parse(path, data, overrides)
}

// Parse is [Load] for a recipe in memory; name is what messages call it.
func Parse(name string, data []byte, overrides []Override) (Recipe, Notices, error) {
	l := loading{recipe: blank(), written: map[string]string{}, read: map[string]string{}}
	entries, problem := readYAML(name, data)
	if problem != nil {
		return Recipe{}, nil, errorOf([]Problem{*problem})
	}
	for _, e := range entries {
		l.file(e)
	}
	l.overrides(overrides)
	l.checkIterations()
	if modules := l.impliedModules(); modules != nil {
		l.recipe.TargetModules = modules
		l.notices = append(l.notices, "target_modules: "+strings.Join(modules, ", ")+": the budget is given by keys of the SMT reference code, which mean these; target_modules says otherwise")
	}
	l.recipe.fillIn(&l.notices)
	if len(l.problems) > 0 {
		l.problems = append(l.problems, l.recipe.outOfRange()...)
		return Recipe{}, nil, errorOf(l.problems)
	}
	if err := l.recipe.Validate(); err != nil {
		return Recipe{}, nil, err
	}
	l.recipe.noteUnused(&l.notices)
	return l.recipe, l.notices, nil
}

// Default is the recipe that says nothing.
func Default() Recipe {
	recipe := blank()
	recipe.fillIn(new(Notices))
	return recipe
}

// blank is a recipe with the defaults of the table. Those that depend on other keys are filled in later.
func blank() Recipe {
	var recipe Recipe
	recipe.places = map[string]string{}
	fields := reflect.ValueOf(&recipe).Elem()
	for _, key := range table {
		if key.Default == "" {
			continue
		}
		if _, problem := key.assign(fields.Field(key.field), value{form: plain, text: key.Default}); problem != "" {
			panic("config: default of " + key.Name + ": " + problem)
		}
	}
	return recipe
}

// A loading is a recipe that is being read, with what there is to say about it.
type loading struct {
	recipe   Recipe
	written  map[string]string // the place where the file sets a key
	read     map[string]string // the place where an alias was last read
	notices  Notices
	problems []Problem
}

func (l *loading) problem(place, key, format string, args ...any) {
	l.problems = append(l.problems, Problem{place, shorten(key), fmt.Sprintf(format, args...)})
}

// file takes one key of the file.
func (l *loading) file(e entry) {
	key, v, ok := l.find(e.place, e.name, e.value)
	if !ok {
		return
	}
	if first, twice := l.written[key.Name]; twice {
		l.problem(e.place, e.name, "sets %s, which %s does already", key.Name, first)
		return
	}
	l.written[key.Name] = e.place
	l.set(e.place, e.name, key, v)
}

// overrides takes those of the command line.
func (l *loading) overrides(overrides []Override) {
	gathered := map[string]value{}
	for _, o := range overrides {
		place := o.Source
		if place == "" {
			place = o.Key
		}
		if !utf8.ValidString(o.Value) {
			l.problem(place, "", "is not UTF-8 text")
			continue
		}
		row, known := Lookup(o.Key)
		v, err := overrideValue(row.Kind, o.Value)
		if err != nil {
			l.problem(place, "", "%s %v", shorten(o.Value), err)
			continue
		}
		key, v, ok := l.find(place, o.Key, v)
		if !ok || !known {
			continue
		}
		if earlier, again := gathered[key.Name]; again {
			v = gather(earlier, v)
		}
		if key.Kind == List || key.Kind == Mapping {
			gathered[key.Name] = v
		}
		l.set(place, "", key, v)
		l.giveWay(place, key.Name)
	}
}

// giveWay clears the keys of the file that the override of another key replaces, so that a recipe with trainable_ratio can
// be run with --num_blocks.
func (l *loading) giveWay(place, key string) {
	if l.recipe.isZero(key) {
		return
	}
	for _, set := range exclusive {
		if !slices.Contains(set.keys, key) {
			continue
		}
		for _, other := range set.keys {
			written, inFile := l.written[other]
			if other == key || !inFile || l.recipe.places[other] != written || l.recipe.isZero(other) {
				continue
			}
			l.note(written, "%s gives way to %s", other, place)
			reflect.ValueOf(&l.recipe).Elem().Field(table[byName[other]].field).SetZero()
		}
	}
}

// overrideValue reads the text of an override. Whether it needs YAML depends on the kind of the key: a path may begin with
// a bracket.
func overrideValue(kind Kind, text string) (value, error) {
	switch {
	case kind == List && strings.HasPrefix(text, "["), kind == Mapping && strings.HasPrefix(text, "{"):
		return readFlow(text)
	case kind == Mapping:
		name, to, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return value{}, fmt.Errorf("is no name=value pair")
		}
		return value{form: mapping, names: []string{name}, items: []value{{form: quoted, text: to}}}, nil
	case kind == List && text == "":
		return value{form: list}, nil
	}
	return value{form: plain, text: text}, nil
}

// gather appends the values of an override to those of an earlier one of the same key.
func gather(earlier, v value) value {
	switch {
	case earlier.form == mapping && v.form == mapping:
		return value{form: mapping, names: append(earlier.names, v.names...), items: append(earlier.items, v.items...)}
	case earlier.form == mapping || v.form == mapping:
		return v
	}
	return value{form: list, items: append(earlier.asItems(), v.asItems()...)}
}

func (v value) asItems() []value {
	if v.form == list {
		return v.items
	}
	return []value{v}
}

// find looks up a key by name or alias and gives the value the meaning that it has under that name. It returns false where there is no
// such key, and for values that say nothing.
func (l *loading) find(place, name string, v value) (Key, value, bool) {
	if a, ok := aliasNamed(name); ok {
		if a.silent != "" && v.isScalar() && v.word() == a.silent {
			l.note(place, "%s: %s says nothing about %s", name, v.text, a.key)
			return Key{}, v, false
		}
		l.read[a.name] = place
		to := a.translate(v)
		if to.text != v.text {
			l.note(place, "%s: %s is read as %s: %s", name, v.text, a.key, to.text)
		} else {
			l.note(place, "%s is read as %s", name, a.key)
		}
		return table[byName[a.key]], to, true
	}
	row, ok := byName[name]
	if !ok {
		message := "unknown key"
		if near, ok := Nearest(name); ok {
			message += "; did you mean " + near + "?"
		}
		l.problem(place, name, "%s", message)
		return Key{}, v, false
	}
	if to, ok := spellings[name][v.word()]; ok && v.isScalar() {
		if to != "" && to != "0" {
			l.note(place, "%s: %s is read as %s", name, v.text, to)
		}
		// The translation is a string, even where the word was a boolean.
		v = value{form: plain, text: to}
	}
	return table[row], v, true
}

func (l *loading) note(place, format string, args ...any) {
	l.notices = append(l.notices, place+": "+fmt.Sprintf(format, args...))
}

// set stores the value of a key and remembers where it came from. written is the name as the place does not tell it.
func (l *loading) set(place, written string, key Key, v value) {
	field := reflect.ValueOf(&l.recipe).Elem().Field(key.field)
	set, problem := key.assign(field, v)
	switch {
	case problem != "":
		l.problem(place, written, "%s", problem)
	case set:
		l.recipe.places[key.Name] = place
	default:
		// null or auto: back to the default, whatever the file said.
		field.Set(reflect.ValueOf(blank()).Field(key.field))
		delete(l.recipe.places, key.Name)
	}
}
