// Package dataset turns files of examples into batches of token ids.
//
// The path is: files (json, jsonl, parquet, compressed or not) -> rows -> a template that writes each row as text with
// supervised byte spans -> token ids with labels -> packed batches in an order that is a pure function of the seed, the
// epoch and the batch's index. Everything that can be wrong with a row is found before a model is loaded, and every
// error names the file, the line and the field.
package dataset

import (
	"fmt"
	"strings"
)

// Format is the kind of rows a file holds. It is decided once per file, from the first row's fields.
type Format string

// The row formats, by the fields that mark them.
const (
	FormatInstruction Format = "instruction" // instruction, input (optional), output
	FormatCompletion  Format = "completion"  // prompt, completion
	FormatChat        Format = "chat"        // messages, or ShareGPT's conversations
	FormatText        Format = "text"        // text
)

// Role says who speaks in a chat.
type Role string

// The roles a chat row may have.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// Message is one turn of a chat.
type Message struct {
	Role    Role
	Content string
	// Masked takes the loss off an answer: its weight in the file is 0.
	Masked bool
}

// Row is one example as it stands in a file. Which of its fields are set depends on the format; all strings are valid
// UTF-8.
type Row struct {
	Format Format

	// File and Line say where the row starts; in a parquet file Line is the row's number, from 1.
	File string
	Line int

	Instruction, Input, Output string // FormatInstruction
	Prompt, Completion         string // FormatCompletion
	Text                       string // FormatText
	Messages                   []Message

	// Answer is the field "answer", which evaluation scores against. It is never part of the training text.
	Answer string

	// What evaluation alone reads ([ReadOptions].Evaluation) of rows of the format instruction: the part of a collection
	// that a row belongs to (field "task"), and the statements that a program must pass (fields "test_setup_code" and
	// "test_list", as in MBPP).
	Task  string
	Setup string
	Tests []string
}

// RowError is something wrong with one row.
type RowError struct {
	File string
	Line int
	// Field is the name of the field as the file spells it, "" if the row as a whole is wrong.
	Field string
	// Problem says what was got and what was expected.
	Problem string
}

func (e *RowError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("dataset: %s:%d: %s", e.File, e.Line, e.Problem)
	}
	return fmt.Sprintf("dataset: %s:%d: field %q: %s", e.File, e.Line, e.Field, e.Problem)
}

// BadRowsError reports that there are more bad rows than the caller accepts.
type BadRowsError struct {
	Bad []*RowError
}

// shownErrors is how many bad rows an error or a report spells out.
const shownErrors = 10

func (e *BadRowsError) Error() string {
	if len(e.Bad) == 1 {
		return e.Bad[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "dataset: %d bad rows", len(e.Bad))
	for i, bad := range e.Bad {
		if i == shownErrors {
			fmt.Fprintf(&b, "\n  ... and %d more", len(e.Bad)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s", strings.TrimPrefix(bad.Error(), "dataset: "))
	}
	return b.String()
}
