package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// ourFields are the names that columns may map to.
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
	source := map[string]string{}
	for _, theirs := range sortedNames(columns) {
		ours := columns[theirs]
		if !slices.Contains(ourFields, ours) {
			return fmt.Errorf("dataset: columns: %q maps to %q, expected one of %s", theirs, ours, strings.Join(ourFields, ", "))
		}
		if other, ok := source[ours]; ok {
			return fmt.Errorf("dataset: columns: %q and %q both map to %q", other, theirs, ours)
		}
		source[ours] = theirs
	}
	return nil
}

// detect decides the format of a file from its first row.
func detect(row *value, columns map[string]string, evaluation bool) (*layout, error) {
	l := &layout{theirs: map[string]string{}, response: supervised}
	if evaluation {
		l.response = optional
	}
	for _, ours := range ourFields {
		l.theirs[ours] = ours
	}
	for _, theirs := range sortedNames(columns) {
		if _, ok := row.field(theirs); !ok {
			return nil, fmt.Errorf("columns: there is no field %q; the row has %s", theirs, fieldNames(row))
		}
		l.theirs[columns[theirs]] = theirs
	}
	has := func(ours string) bool { _, ok := row.field(l.theirs[ours]); return ok }
	_, shareGPT := row.field("conversations")
	switch {
	case has("messages"):
		l.format = FormatChat
	case shareGPT:
		l.format = FormatChat
		l.theirs["messages"] = "conversations"
	case has("instruction") && (has("output") || evaluation):
		l.format = FormatInstruction
	case has("prompt") && (has("completion") || evaluation):
		l.format = FormatCompletion
	case has("text"):
		l.format = FormatText
	default:
		return nil, fmt.Errorf("the fields fit no row format: the row has %s; expected instruction and output, prompt and "+
			"completion, messages, or text; %s", fieldNames(row), suggest(row))
	}
	return l, nil
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
				pairs = append(pairs, theirs+": "+ours)
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
		return "name them with columns: {their name: our name}"
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

// roles are the spellings of the roles in chat files (OpenAI's and ShareGPT's).
var roles = map[string]Role{
	"system": RoleSystem, "user": RoleUser, "human": RoleUser, "assistant": RoleAssistant, "gpt": RoleAssistant,
}

// messages reads a chat: an optional system message, then user and assistant in turn, an assistant last.
func (l *layout) messages(v *value) (messages []Message, field, problem string) {
	field = l.theirs["messages"]
	list, ok := v.field(field)
	if !ok {
		return nil, field, "missing; the row has " + fieldNames(v)
	}
	if list.kind != kindList {
		return nil, field, "expected a list of messages, got " + list.kind.String()
	}
	if len(list.list) == 0 {
		return nil, field, "empty, so there is nothing to learn"
	}
	messages = make([]Message, len(list.list))
	for i := range list.list {
		in := fmt.Sprintf("%s[%d]", field, i)
		item := &list.list[i]
		if item.kind != kindObject {
			return nil, in, "expected an object, got " + item.kind.String()
		}
		roleName, contentName := "role", "content"
		if _, ok := item.field("from"); ok {
			roleName, contentName = "from", "value"
		}
		spelled, problem := text(item, roleName, required)
		if problem != "" {
			return nil, in + "." + roleName, problem
		}
		role, ok := roles[spelled]
		if !ok {
			return nil, in + "." + roleName, fmt.Sprintf("unsupported role %.40q, expected system, user or assistant", spelled)
		}
		wanted := required
		if role == RoleAssistant {
			wanted = l.response
		}
		content, problem := text(item, contentName, wanted)
		if problem != "" {
			return nil, in + "." + contentName, problem
		}
		if problem := checkOrder(messages[:i], role); problem != "" {
			return nil, in + "." + roleName, problem
		}
		messages[i] = Message{role, content}
	}
	if last := messages[len(messages)-1].Role; last != RoleAssistant && l.response == supervised {
		return nil, field, fmt.Sprintf("the last message is from %s, expected assistant", last)
	}
	return messages, "", ""
}

// checkOrder checks that a message of this role may follow those before it.
func checkOrder(before []Message, role Role) string {
	previous := Role("")
	if len(before) > 0 {
		previous = before[len(before)-1].Role
	}
	switch {
	case role == RoleSystem && previous != "":
		return "a system message must be the first"
	case role == RoleUser && previous == RoleUser:
		return "expected role assistant after user, got user"
	case role == RoleAssistant && previous != RoleUser:
		return fmt.Sprintf("expected role user %s, got assistant", map[Role]string{
			"": "first", RoleSystem: "after system", RoleAssistant: "after assistant"}[previous])
	}
	return ""
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
