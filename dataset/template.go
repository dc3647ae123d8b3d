package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// Text is a row as the model reads it.
type Text struct {
	Content string
	// Supervised are the byte spans of Content that carry loss, in order and without overlap.
	Supervised []Span
	// AppendEOS asks for the end-of-sequence token after Content, supervised. It is added as a token, not as text, so no
	// tokenizer can split it.
	AppendEOS bool
	// AddSpecial lets the tokenizer's post-processor add its special tokens (usually the beginning of sequence).
	// Templates that write them as text leave it off.
	AddSpecial bool
}

// TemplateOptions say which part of a row carries loss.
type TemplateOptions struct {
	// TrainOnPrompt supervises the prompt too, and all of a chat but the masked answers. Off by default: the loss is on the
	// response only.
	TrainOnPrompt bool
	// MaskHistory supervises only the last assistant turn of a chat.
	MaskHistory bool
	// Chat is the model's own template, needed for the template "chat".
	Chat *ChatTemplate
}

// The names of the templates.
const (
	// TemplateAlpaca is Stanford Alpaca's wording, with and without input; the default for instruction rows.
	TemplateAlpaca = "alpaca"
	// TemplateLLMAdapters is the text of the LLM-Adapters project, byte for byte: the lines after the first carry 16
	// spaces. Training text and evaluation prompt differ in white space.
	TemplateLLMAdapters = "llm_adapters"
	// TemplateSMTReference is the text of the SMT authors' code, byte for byte. It writes "<s>" itself; for tokenizers
	// other than Llama 2's that is literal text.
	TemplateSMTReference = "smt_reference"
	// TemplateChat is the model's own chat template. Rows of other formats become one user and one assistant turn.
	TemplateChat = "chat"
	// TemplateCompletion is prompt and completion, concatenated.
	TemplateCompletion = "prompt_completion"
	// TemplateText is the text, all of it supervised.
	TemplateText = "text"
)

// Template writes rows as text. It may be used by several goroutines at once.
type Template struct {
	name   string
	format Format
	opt    TemplateOptions
	// pair splits a row into its training prompt and response, for the templates that are such a concatenation.
	pair func(row *Row) (prompt, response string)
	// ask is the prompt for generation.
	ask func(row *Row) string
	// bare keeps the tokenizer from adding special tokens.
	bare bool
}

// NewTemplate returns the named template for rows of the given format. The empty name means the format's default:
// alpaca, prompt_completion, text or chat.
func NewTemplate(name string, format Format, opt TemplateOptions) (*Template, error) {
	byFormat := map[Format][]string{
		FormatInstruction: {TemplateAlpaca, TemplateLLMAdapters, TemplateSMTReference, TemplateChat},
		FormatCompletion:  {TemplateCompletion, TemplateChat},
		FormatText:        {TemplateText},
		FormatChat:        {TemplateChat},
	}
	names, ok := byFormat[format]
	if !ok {
		return nil, fmt.Errorf("dataset: unknown row format %q", format)
	}
	if name == "" {
		name = names[0]
	}
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("dataset: template %q does not fit rows of the format %q, expected %s", name, format,
			strings.Join(names, " or "))
	}
	t := &Template{name: name, format: format, opt: opt}
	switch name {
	case TemplateAlpaca:
		t.pair = func(row *Row) (string, string) { return alpaca(row), row.Output }
		t.ask = alpaca
	case TemplateLLMAdapters:
		t.pair = func(row *Row) (string, string) { return llmAdapters(row, training), row.Output }
		t.ask = func(row *Row) string { return llmAdapters(row, evaluation) }
	case TemplateSMTReference:
		t.pair = func(row *Row) (string, string) { return smtReference(row, training), row.Output }
		t.ask = func(row *Row) string { return smtReference(row, evaluation) }
		t.bare = true
	case TemplateCompletion:
		t.pair = func(row *Row) (string, string) { return row.Prompt, row.Completion }
		t.ask = func(row *Row) string { return row.Prompt }
	case TemplateText:
		t.pair = func(row *Row) (string, string) { return "", row.Text }
		t.ask = func(row *Row) string { return row.Text }
	case TemplateChat:
		t.bare = true
		if opt.Chat == nil {
			return nil, fmt.Errorf("dataset: the model's tokenizer has no chat template, which rows of the format %q need "+
				"with template %q", format, name)
		}
	}
	return t, nil
}

// Name returns the template's name.
func (t *Template) Name() string { return t.name }

// ChatSource returns the source of the chat template that rows are written in, empty for other templates.
func (t *Template) ChatSource() string {
	if t.name != TemplateChat {
		return ""
	}
	return t.opt.Chat.source
}

// Render returns a row's training text.
func (t *Template) Render(row *Row) (Text, error) {
	if err := t.fits(row); err != nil {
		return Text{}, err
	}
	if t.name == TemplateChat {
		return t.renderChat(row)
	}
	prompt, response := t.pair(row)
	text := Text{Content: prompt + response, AppendEOS: true, AddSpecial: !t.bare}
	start := len(prompt)
	if t.opt.TrainOnPrompt {
		start = 0
	}
	text.Supervised = []Span{{Start: start, End: len(text.Content)}}
	return text, nil
}

// Prompt returns the text after which the model is to write a row's response.
func (t *Template) Prompt(row *Row) (Text, error) {
	if err := t.fits(row); err != nil {
		return Text{}, err
	}
	if t.name != TemplateChat {
		return Text{Content: t.ask(row), AddSpecial: !t.bare}, nil
	}
	messages := chatOf(row)
	if n := len(messages); n > 0 && messages[n-1].Role == RoleAssistant {
		messages = messages[:n-1]
	}
	content, err := t.opt.Chat.Render(messages, true)
	if err != nil {
		return Text{}, rowProblem(row, err)
	}
	return Text{Content: content}, nil
}

// EndOfTurn returns the token with which a model trained on this chat template ends its turn: the one that the template
// writes behind what the assistant says. ok is false where there is no such token: for other templates, and for chats
// whose turns end with none, as when the end-of-sequence token is appended, or with several.
func (t *Template) EndOfTurn(tok Tokenizer) (id int32, ok bool) {
	if t.name != TemplateChat {
		return 0, false
	}
	const answer = "42" // no tokens that end a turn hold it
	exchange := []Message{{Role: RoleUser, Content: "?"}, {Role: RoleAssistant, Content: answer}}
	// What stands behind a turn that is not the last is the end of a turn alone; some templates take but one.
	for _, chat := range [][]Message{slices.Concat(exchange, exchange), exchange} {
		text, err := t.opt.Chat.supervise(chat, TemplateOptions{})
		if err != nil || text.AppendEOS {
			continue
		}
		ids, spans := tok.EncodeOffsets(text.Content, text.AddSpecial, nil, nil)
		for _, turn := range text.Supervised {
			content := text.Content[:turn.End]
			said := strings.LastIndex(content, answer) + len(answer)
			closing := said + len(content[said:]) - len(strings.TrimSpace(content[said:]))
			for i, s := range spans {
				// A token may take in the white space beside it.
				if closing < turn.End && s.Start >= said && s.Start <= closing && s.End >= turn.End {
					return ids[i], true
				}
			}
		}
	}
	return 0, false
}

func (t *Template) renderChat(row *Row) (Text, error) {
	text, err := t.opt.Chat.supervise(chatOf(row), t.opt)
	if err != nil {
		return Text{}, rowProblem(row, err)
	}
	return text, nil
}

// fits refuses rows of another format than the template was made for.
func (t *Template) fits(row *Row) error {
	if row.Format == t.format {
		return nil
	}
	return rowProblem(row, fmt.Errorf("row of the format %q, expected %q as in the first file", row.Format, t.format))
}

// rowProblem says which row an error comes from.
func rowProblem(row *Row, err error) error {
	return &RowError{File: row.File, Line: row.Line, Problem: err.Error()}
}

// chatOf returns a row as a chat.
func chatOf(row *Row) []Message {
	switch row.Format {
	case FormatInstruction:
		question := row.Instruction
		if row.Input != "" {
			question += "\n\n" + row.Input
		}
		return []Message{{Role: RoleUser, Content: question}, {Role: RoleAssistant, Content: row.Output}}
	case FormatCompletion:
		return []Message{{Role: RoleUser, Content: row.Prompt}, {Role: RoleAssistant, Content: row.Completion}}
	}
	return row.Messages
}

// The sentences that the instruction templates share.
const (
	withoutInput = "Below is an instruction that describes a task. " +
		"Write a response that appropriately completes the request."
	withInput = "Below is an instruction that describes a task, paired with an input that provides further context. " +
		"Write a response that appropriately completes the request."
)

func alpaca(row *Row) string {
	if row.Input == "" {
		return withoutInput + "\n\n### Instruction:\n" + row.Instruction + "\n\n### Response:\n"
	}
	return withInput + "\n\n### Instruction:\n" + row.Instruction + "\n\n### Input:\n" + row.Input + "\n\n### Response:\n"
}

// purpose tells the two texts of the projects apart whose evaluation prompt is not their training prompt.
type purpose int

const (
	training purpose = iota
	evaluation
)

// llmAdapters is the text of indented literals in the project's Python code. For training they indent the line between
// sections, for evaluation it is empty. The spaces that end the first line are two in training and one in evaluation, and
// with an input one and none.
func llmAdapters(row *Row, p purpose) string {
	const indent = "                " // 16 spaces
	first, between := "  ", "\n"+indent+"\n"
	if p == evaluation {
		first, between = " ", "\n\n"
	}
	intro, input := withoutInput, ""
	if row.Input != "" {
		intro, first = withInput, first[1:]
		input = between + indent + "### Input:\n" + indent + row.Input
	}
	return intro + first + "\n\n" + indent + "### Instruction:\n" + indent + row.Instruction + input + between +
		indent + "### Response:\n" + indent
}

// smtReference asks the input instead of the instruction if there is one, but only in training: the project's evaluation
// knows no input.
func smtReference(row *Row, p purpose) string {
	question, first := row.Instruction, " "
	if p == training {
		first = "  "
		if row.Input != "" {
			question = row.Input
		}
	}
	return "<s> " + withoutInput + first + "\n\n### Instruction:\n" + question + "\n\n### Response:\n"
}
