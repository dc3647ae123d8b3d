package dataset

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"smt/dataset/jinja"
)

// ChatTemplate is a model's own chat template: the Jinja program in its tokenizer's files.
type ChatTemplate struct {
	source    string
	template  *jinja.Template
	variables map[string]any
	clock     time.Time
	// generation is what add_generation_prompt appends: the header of an assistant turn. Empty if the template has none.
	generation string
}

// ChatOptions are what a chat template may refer to.
type ChatOptions struct {
	// BOS and EOS are the texts of the special tokens, "" for none.
	BOS, EOS string
	// Clock is the time that templates which write the date see. It is fixed, so that a run and its resumption train on
	// the same text; the zero time stands for the time of the call.
	Clock time.Time
	// Variables are further variables, such as enable_thinking: bool, int, float64 or string.
	Variables map[string]any
}

// NewChatTemplate compiles the source of a chat template.
func NewChatTemplate(source string, opt ChatOptions) (*ChatTemplate, error) {
	template, err := jinja.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("dataset: chat template: %w", err)
	}
	c := &ChatTemplate{source: source, template: template, clock: opt.Clock, variables: map[string]any{"tools": nil, "documents": nil}}
	if c.clock.IsZero() {
		c.clock = time.Now()
	}
	for _, special := range []struct{ name, text string }{{"bos_token", opt.BOS}, {"eos_token", opt.EOS}} {
		if special.text != "" {
			c.variables[special.name] = special.text
		}
	}
	for _, name := range sortedNames(opt.Variables) {
		switch v := opt.Variables[name].(type) {
		case nil, bool, int, float64, string:
			c.variables[name] = v
		default:
			return nil, fmt.Errorf("dataset: chat template: variable %q: expected a bool, number or string, got %T", name, v)
		}
	}
	// Some templates refuse a chat this short; then the header stays unknown, which supervise copes with.
	probe := []Message{{Role: RoleUser, Content: "?"}}
	if open, err := c.Render(probe, true); err == nil {
		if closed, err := c.Render(probe, false); err == nil {
			if header, ok := strings.CutPrefix(open, closed); ok {
				c.generation = header
			}
		}
	}
	return c, nil
}

// Render writes a chat; with generationPrompt it ends with the header of an assistant turn.
func (c *ChatTemplate) Render(messages []Message, generationPrompt bool) (string, error) {
	variables := make(map[string]any, len(c.variables)+2)
	for name, v := range c.variables {
		variables[name] = v
	}
	size := 0
	list := make([]any, len(messages))
	for i, m := range messages {
		list[i] = jinja.NewDict().Set("role", string(m.Role)).Set("content", m.Content)
		size += len(m.Content)
	}
	variables["messages"] = jinja.NewList(list...)
	variables["add_generation_prompt"] = generationPrompt
	text, err := c.template.Render(variables, c.clock, jinja.Limits{
		Steps:  100_000 + 10_000*len(messages) + size,
		Output: 1<<20 + len(messages)<<16 + 4*size,
		Time:   10 * time.Second,
	})
	if message, ok := jinja.Raised(err); ok {
		return "", fmt.Errorf("the chat template refuses this chat: %s", message)
	}
	if err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	return text, nil
}

// supervise renders a chat and finds the bytes that carry loss. Without options these are what the model has to write
// itself: each assistant turn from behind its header up to and with its end-of-turn token.
//
// A template is free to trim, split or drop what it is given, so positions cannot be computed from the contents. The
// chat is rendered a second time with a marker character around each assistant content; where the markers come out is
// where the contents are. If the text without markers is not the text of the first rendering, the template treats
// marked contents differently, and the attempt counts for nothing.
func (c *ChatTemplate) supervise(messages []Message, opt TemplateOptions) (Text, error) {
	content, err := c.Render(messages, false)
	if err != nil {
		return Text{}, err
	}
	base, err := markerBase(content, messages)
	if err != nil {
		return Text{}, err
	}
	// Reasoning models' templates may move what stands at the start of a content, so a second attempt marks only the end.
	for _, markStart := range []bool{true, false} {
		marked, err := c.Render(mark(messages, base, markStart), false)
		if err != nil {
			continue
		}
		plain, turns, ok := findMarkers(marked, base, len(messages))
		if !ok || plain != content {
			continue
		}
		spans, finished, err := c.turnSpans(content, messages, turns)
		if err != nil {
			return Text{}, err
		}
		masked := messages[len(messages)-1].Masked
		return Text{Content: content, Supervised: learnt(len(content), messages, spans, opt), AppendEOS: !finished && !masked}, nil
	}
	return Text{}, errors.New("the chat template changes what the assistant says in a way that hides where it stands; " +
		"the loss cannot be placed")
}

// learnt returns the spans that carry loss, of a text of the given length with the spans of its assistant turns.
func learnt(length int, messages []Message, turns []Span, opt TemplateOptions) []Span {
	var kept, masked []Span
	for _, m := range messages {
		if m.Role != RoleAssistant {
			continue
		}
		if m.Masked {
			masked = append(masked, turns[0])
		} else if !opt.MaskHistory || len(turns) == 1 {
			kept = append(kept, turns[0])
		}
		turns = turns[1:]
	}
	if !opt.TrainOnPrompt {
		return kept
	}
	var all []Span // what lies between masked turns
	at := 0
	for _, turn := range append(masked, Span{Start: length, End: length}) {
		if turn.Start > at {
			all = append(all, Span{Start: at, End: turn.Start})
		}
		at = turn.End
	}
	return all
}

// turn is where the markers of one message came out, -1 for not at all.
type turn struct{ start, end int }

// maxMarked is how many messages one block of private-use characters can mark: two characters for each.
const maxMarked = 30000

// markerBase returns the first of a block of private-use characters that the chat does not use.
func markerBase(content string, messages []Message) (rune, error) {
	if len(messages) > maxMarked {
		return 0, fmt.Errorf("%d messages, at most %d are supported", len(messages), maxMarked)
	}
	used := func(s string, base rune) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return r >= base && r < base+2*maxMarked })
	}
	for _, base := range []rune{0xf0000, 0x100000} { // the two supplementary private-use planes
		free := !used(content, base)
		for _, m := range messages {
			free = free && !used(m.Content, base)
		}
		if free {
			return base, nil
		}
	}
	return 0, errors.New("the chat uses characters of both supplementary private-use planes, which mark the turns")
}

// mark puts marker characters around the assistant contents, inside their surrounding white space, so that a template
// that trims contents still does.
func mark(messages []Message, base rune, markStart bool) []Message {
	marked := make([]Message, len(messages))
	for i, m := range messages {
		marked[i] = m
		if m.Role != RoleAssistant {
			continue
		}
		before, core, after := splitSpace(m.Content)
		if markStart {
			before += string(base + rune(2*i))
		}
		marked[i].Content = before + core + string(base+rune(2*i+1)) + after
	}
	return marked
}

// splitSpace cuts s into its leading white space, its core and its trailing white space.
func splitSpace(s string) (before, core, after string) {
	core = strings.TrimSpace(s)
	at := strings.Index(s, core)
	return s[:at], core, s[at+len(core):]
}

// findMarkers removes the markers from text and returns where they stood. It fails if one stands twice.
func findMarkers(text string, base rune, messages int) (plain string, turns []turn, ok bool) {
	turns = make([]turn, messages)
	for i := range turns {
		turns[i] = turn{-1, -1}
	}
	var b strings.Builder
	b.Grow(len(text))
	for at := 0; at < len(text); {
		r, width := utf8.DecodeRuneInString(text[at:])
		if i := int(r-base) / 2; r >= base && i < messages {
			position := &turns[i].start
			if (r-base)%2 == 1 {
				position = &turns[i].end
			}
			if *position >= 0 {
				return "", nil, false
			}
			*position = b.Len()
		} else {
			b.WriteString(text[at : at+width])
		}
		at += width
	}
	return b.String(), turns, true
}

// turnSpans extends each assistant content to what the model writes: from the end of the turn's header to the end of
// the end-of-turn token. Finished says that the text ends with such a token.
func (c *ChatTemplate) turnSpans(content string, messages []Message, turns []turn) (spans []Span, finished bool, err error) {
	closing, err := endOfTurn(content, messages, turns)
	if err != nil {
		return nil, false, err
	}
	// Some templates write the end of the sequence behind the last turn's token; earlier turns end without it.
	endings := []string{closing}
	if eos, ok := c.variables["eos_token"].(string); ok {
		if own, found := strings.CutSuffix(closing, eos); found {
			endings = append(endings, strings.TrimSpace(own))
		}
	}
	previous := 0
	for i, m := range messages {
		if m.Role != RoleAssistant {
			continue
		}
		t := turns[i]
		if t.end < previous {
			return nil, false, fmt.Errorf("the chat template drops or moves message %d, so the loss cannot be placed", i+1)
		}
		before, _, _ := splitSpace(m.Content)
		limit := t.start
		if limit < 0 {
			limit = t.end
		}
		start := t.start
		if header := strings.LastIndex(content[previous:limit], c.generation); c.generation != "" && header >= 0 {
			start = previous + header + len(c.generation)
		} else if start >= 0 && strings.HasSuffix(content[previous:start], before) {
			start -= len(before)
		}
		if start < 0 {
			return nil, false, fmt.Errorf("the chat template hides where message %d starts, so the loss cannot be placed", i+1)
		}
		// White space between the content and the token is the content's own or the template's; either is the model's to
		// write.
		end := t.end
		rest := strings.TrimLeftFunc(content[end:], unicode.IsSpace)
		for _, ending := range endings {
			if ending != "" && strings.HasPrefix(rest, ending) {
				end = len(content) - len(rest) + len(ending)
				break
			}
		}
		spans = append(spans, Span{Start: start, End: end})
		previous = end
	}
	return spans, closing != "", nil
}

// endOfTurn returns what the template writes after the last message's content, without white space at its ends: the
// end-of-turn token, and what may follow it at the end of a chat.
func endOfTurn(content string, messages []Message, turns []turn) (string, error) {
	last := len(messages) - 1
	if turns[last].end < 0 {
		return "", fmt.Errorf("the chat template drops message %d, so the loss cannot be placed", last+1)
	}
	closing := strings.TrimSpace(content[turns[last].end:])
	const longest = 256
	if len(closing) > longest {
		return "", fmt.Errorf("the chat template writes %d bytes after the last answer, expected an end-of-turn token",
			len(closing))
	}
	return closing, nil
}
