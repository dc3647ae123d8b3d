package dataset

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// formatFields are the fields of each format that columns may name. All rows may have an answer besides.
var formatFields = []struct {
	format Format
	fields []string
}{
	{FormatChat, []string{"messages"}},
	{FormatInstruction, []string{"instruction", "input", "output"}},
	{FormatCompletion, []string{"prompt", "completion"}},
	{FormatText, []string{"text"}},
}

// ourFields are the names that columns may give another field.
var ourFields = []string{"instruction", "input", "output", "answer", "prompt", "completion", "messages", "text"}

// layout says which of a file's fields hold what.
type layout struct {
	format Format
	// theirs is the file's name of each of our fields.
	theirs map[string]string
	// response is the rule for what the model learns: supervised, or optional in an evaluation.
	response rule
}

// checkColumns checks a columns mapping on its own, before any file is read.
func checkColumns(columns map[string]string) error {
	for _, ours := range sortedNames(columns) {
		if slices.Contains(ourFields, ours) {
			continue
		}
		hint := ""
		if theirs := columns[ours]; slices.Contains(ourFields, theirs) {
			hint = fmt.Sprintf("; our name comes first: {%s: %s}", theirs, ours)
		}
		return fmt.Errorf("dataset: columns: %q is no field of a row, expected %s%s", ours, strings.Join(ourFields, ", "), hint)
	}
	if len(possibleFormats(columns)) == 0 {
		return fmt.Errorf("dataset: columns: no row format has all of %s; expected names of instruction, input and output, of prompt and "+
			"completion, or one of messages and text", strings.Join(sortedNames(columns), ", "))
	}
	return nil
}

// possibleFormats are the formats that have all fields that columns names: whoever names some wants that format, whatever else the
// rows hold.
func possibleFormats(columns map[string]string) []Format {
	var formats []Format
	for _, f := range formatFields {
		fits := true
		for ours := range columns {
			fits = fits && (ours == "answer" || slices.Contains(f.fields, ours))
		}
		if fits {
			formats = append(formats, f.format)
		}
	}
	return formats
}

// detect decides the format of a file from its first row. columns maps our names to the file's.
func detect(row *value, columns map[string]string, evaluation bool) (*layout, error) {
	l := &layout{theirs: map[string]string{}, response: supervised}
	if evaluation {
		l.response = optional
	}
	for _, ours := range ourFields {
		l.theirs[ours] = ours
	}
	for _, ours := range sortedNames(columns) {
		theirs := columns[ours]
		if _, ok := row.field(theirs); !ok {
			return nil, fmt.Errorf("columns: there is no field %q; the row has %s", theirs, fieldNames(row))
		}
		l.theirs[ours] = theirs
	}
	if _, named := columns["messages"]; !named {
		_, ours := row.field("messages")
		if _, shareGPT := row.field("conversations"); shareGPT && !ours {
			l.theirs["messages"] = "conversations"
		}
	}
	has := func(ours string) bool { _, ok := row.field(l.theirs[ours]); return ok }
	for _, format := range possibleFormats(columns) {
		l.format = format
		switch format {
		case FormatChat:
			if has("messages") {
				return l, nil
			}
		case FormatInstruction:
			if has("instruction") && (has("output") || evaluation) {
				return l, nil
			}
		case FormatCompletion:
			if has("prompt") && (has("completion") || evaluation) {
				return l, nil
			}
		case FormatText:
			if has("text") {
				return l, nil
			}
		}
	}
	return nil, fmt.Errorf("the fields fit no row format: the row has %s; expected instruction and output, prompt and "+
		"completion, messages, or text; %s", fieldNames(row), suggest(row))
}

// fieldNames lists a row's fields for an error.
func fieldNames(row *value) string {
	if len(row.fields) == 0 {
		return "no fields"
	}
	const shown = 12
	var names []string
	for i, f := range row.fields {
		if i == shown {
			names = append(names, fmt.Sprintf("... (%d fields)", len(row.fields)))
			break
		}
		names = append(names, fmt.Sprintf("%.40q", f.name))
	}
	return strings.Join(names, ", ")
}

// suggest proposes a columns mapping for a row of an unknown layout.
func suggest(row *value) string {
	if len(row.fields) == 1 && row.fields[0].value.kind == kindList {
		return fmt.Sprintf("the rows seem to be inside %q: write that list alone to the file", row.fields[0].name)
	}
	synonyms := []struct {
		ours   string
		theirs []string
	}{
		{"messages", []string{"conversation", "dialog", "dialogue", "chat", "turns"}},
		{"instruction", []string{"instruction", "question", "query", "problem", "task", "prompt", "user", "source", "q"}},
		{"output", []string{"output", "response", "answer", "solution", "target", "completion", "assistant", "label", "a"}},
		{"input", []string{"context", "passage"}},
		{"text", []string{"content", "document", "body", "story"}},
	}
	found := map[string]string{}
	for _, s := range synonyms {
		for _, theirs := range s.theirs {
			name := ""
			for _, f := range row.fields {
				if strings.EqualFold(f.name, theirs) {
					name = f.name
				}
			}
			if name != "" {
				found[s.ours] = name
				break
			}
		}
	}
	var pairs []string
	add := func(names ...string) {
		for _, ours := range names {
			if theirs, ok := found[ours]; ok && theirs != ours {
				pairs = append(pairs, ours+": "+theirs)
			}
		}
	}
	switch {
	case found["messages"] != "":
		add("messages")
	case found["instruction"] != "" && found["output"] != "":
		add("instruction", "input", "output")
	case found["text"] != "":
		add("text")
	}
	if len(pairs) == 0 {
		return "name them with columns: {our name: their name}"
	}
	return fmt.Sprintf("try columns: {%s}", strings.Join(pairs, ", "))
}

// fill copies a row's fields into row. A problem, if any, comes with the name of the field that has it.
func (l *layout) fill(row *Row, v *value) (field, problem string) {
	type target struct {
		ours string
		to   *string
		rule rule
	}
	var targets []target
	switch l.format {
	case FormatInstruction:
		targets = []target{{"instruction", &row.Instruction, required}, {"input", &row.Input, optional},
			{"output", &row.Output, l.response}}
	case FormatCompletion:
		targets = []target{{"prompt", &row.Prompt, required}, {"completion", &row.Completion, l.response}}
	case FormatText:
		targets = []target{{"text", &row.Text, supervised}}
	case FormatChat:
		var in string
		if row.Messages, in, problem = l.messages(v); problem != "" {
			return in, problem
		}
		if problem = addSystem(row, v); problem != "" {
			return "system", problem
		}
	}
	if l.format == FormatInstruction || l.format == FormatCompletion {
		if field, problem := l.noTurns(v); problem != "" {
			return field, problem
		}
	}
	for _, t := range targets {
		theirs := l.theirs[t.ours]
		if *t.to, problem = text(v, theirs, t.rule); problem != "" {
			return theirs, problem
		}
	}
	if l.format == FormatInstruction && strings.TrimSpace(row.Instruction+row.Input) == "" {
		return l.theirs["instruction"], "empty, and so is the input"
	}
	if answer, ok := v.field(l.theirs["answer"]); ok {
		switch answer.kind {
		case kindString, kindNumber, kindBool:
			row.Answer = answer.text
		}
	}
	if l.format == FormatInstruction && l.response == optional {
		return measured(row, v)
	}
	return "", ""
}

// noTurns refuses a row of one question and one answer that has a system message or earlier turns, too (LLaMA-Factory's fields): the
// answer would be learnt without what it rests on.
func (l *layout) noTurns(v *value) (field, problem string) {
	for _, name := range []string{"system", "history"} {
		f, ok := v.field(name)
		if !ok || slices.Contains(slices.Collect(maps.Values(l.theirs)), name) {
			continue
		}
		empty := f.kind == kindNull || f.kind == kindString && strings.TrimSpace(f.text) == "" || f.kind == kindList && len(f.list) == 0
		if !empty {
			return name, fmt.Sprintf("is not empty, but %s rows have no place for it; write the row as messages, or leave the field out", l.format)
		}
	}
	return "", ""
}

// measured copies the fields that evaluation alone reads.
func measured(row *Row, v *value) (field, problem string) {
	for _, t := range []struct {
		name string
		to   *string
	}{{"task", &row.Task}, {"test_setup_code", &row.Setup}} {
		if *t.to, problem = text(v, t.name, optional); problem != "" {
			return t.name, problem
		}
	}
	tests, ok := v.field("test_list")
	if !ok || tests.kind == kindNull {
		return "", ""
	}
	if tests.kind != kindList {
		return "test_list", "expected a list of strings, got " + tests.kind.String()
	}
	for i := range tests.list {
		if tests.list[i].kind != kindString {
			return fmt.Sprintf("test_list[%d]", i), "expected string, got " + tests.list[i].kind.String()
		}
		row.Tests = append(row.Tests, tests.list[i].text)
	}
	return "", ""
}

// rule says what a field must hold.
type rule int

const (
	optional   rule = iota // may be missing or null
	required               // a string
	supervised             // a string that is not blank: it is what the model learns
)

// text returns the named string field.
func text(v *value, name string, r rule) (s, problem string) {
	f, ok := v.field(name)
	switch {
	case !ok && r == optional:
		return "", ""
	case !ok:
		return "", "missing; the row has " + fieldNames(v)
	case f.kind == kindNull && r == optional:
		return "", ""
	case f.kind != kindString:
		return "", "expected string, got " + f.kind.String()
	case r == supervised && strings.TrimSpace(f.text) == "":
		return "", "empty, so there is nothing to learn"
	}
	return f.text, ""
}

// sortedNames returns a map's keys in order.
func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
