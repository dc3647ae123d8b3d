package dataset

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const shared = "../../shared"

// chatCase is a chat and what transformers 5 renders for it, as a whole and as a prompt without the last answer.
type chatCase struct {
	Template, Source string // a directory of shared/tokenizers, or the source itself
	BOS, EOS         string
	Chat             [][2]string
	Want, Prompt     string
}

func (c *chatCase) messages() []Message {
	messages := make([]Message, len(c.Chat))
	for i, m := range c.Chat {
		messages[i] = Message{Role: Role(m[0]), Content: m[1]}
	}
	return messages
}

// template compiles the case's template, or returns nil if its file is not there.
func (c *chatCase) template(t *testing.T) *ChatTemplate {
	t.Helper()
	source := c.Source
	if source == "" {
		data, err := os.ReadFile(filepath.Join(shared, "tokenizers", c.Template, "tokenizer_config.json"))
		if err != nil {
			return nil
		}
		var file struct {
			Source string `json:"chat_template"`
		}
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		source = file.Source
	}
	template, err := NewChatTemplate(source, ChatOptions{BOS: c.BOS, EOS: c.EOS,
		Clock: time.Date(2024, 7, 26, 9, 5, 3, 0, time.UTC)})
	if err != nil {
		t.Fatalf("%s: %v", c.Template, err)
	}
	return template
}

func chatCases(t *testing.T) []chatCase {
	t.Helper()
	data, err := os.ReadFile("testdata/chats.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []chatCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestChatRendering compares three models' templates and four written for this test with transformers 5.23, byte for byte.
func TestChatRendering(t *testing.T) {
	skipped := 0
	for _, c := range chatCases(t) {
		template := c.template(t)
		if template == nil {
			skipped++
			continue
		}
		messages := c.messages()
		if got, err := template.Render(messages, false); err != nil || got != c.Want {
			t.Errorf("%s: %v\n got %q\nwant %q", c.Template, err, got, c.Want)
		}
		if got, err := template.Render(messages[:len(messages)-1], true); err != nil || got != c.Prompt {
			t.Errorf("%s: %v\n got prompt %q\nwant prompt %q", c.Template, err, got, c.Prompt)
		}
	}
	if skipped > 0 {
		t.Skipf("%d cases need %s", skipped, shared)
	}
}

// TestChatSpans checks what is supervised: for every template the text between the answer's header and the end of its
// end-of-turn token, whatever the template does to the content.
func TestChatSpans(t *testing.T) {
	want := map[string][]string{
		// The last answer's think block is the model's to write; earlier ones Qwen's template drops.
		"llama3.1": {"Hello!<|eot_id|>", "4<|eot_id|>", "6<|eot_id|>", "<think>\nhmm\n</think>\n\nDone.<|eot_id|>",
			"<think>\nlong\nthought\n</think>\n\nYes.<|eot_id|>", "b<|eot_id|>", "d<|eot_id|>", "f<|eot_id|>"},
		"qwen3": {"<think>\n\n</think>\n\nHello!<|im_end|>", " 4\n<|im_end|>", "<think>\n\n</think>\n\n6<|im_end|>", "Done.<|im_end|>",
			"<think>\nlong\nthought\n</think>\n\nYes.<|im_end|>", "b<|im_end|>", "d<|im_end|>", "<think>\n\n</think>\n\n  f  <|im_end|>"},
		"smollm2": {"Hello!<|im_end|>", " 4\n<|im_end|>", "6<|im_end|>", "<think>\nhmm\n</think>\n\nDone.<|im_end|>",
			"<think>\nlong\nthought\n</think>\n\nYes.<|im_end|>", "b<|im_end|>", "d<|im_end|>", "  f  <|im_end|>"},
		// The content " 4\n" is trimmed and then preceded by the template's own space, which cannot be told from the content's.
		"bracket": {"Hello! </s>", " 4 </s>", "6 </s>", "<think>\nhmm\n</think>\n\nDone. </s>",
			"<think>\nlong\nthought\n</think>\n\nYes. </s>", "b </s>", "d </s>", "f </s>"},
		"pipe": {"Hello!</s>", " 4\n</s>", "6</s>", "<think>\nhmm\n</think>\n\nDone.</s>",
			"<think>\nlong\nthought\n</think>\n\nYes.</s>", "b</s>", "d</s>", "  f  </s>"},
		"dated": {"Hello!<|eot|>", "4<|eot|>", "6<|eot|>", "<think>\nhmm\n</think>\n\nDone.<|eot|>",
			"<think>\nlong\nthought\n</think>\n\nYes.<|eot|>", "b<|eot|>", "d<|eot|>", "f<|eot|>"},
		"lastnote": {"Hello!</s>", " 4</s>", "6</s>", "<think>\nhmm\n</think>\n\nDone.</s>",
			"<think>\nlong\nthought\n</think>\n\nYes.</s>", "b</s>", "d</s>", "f</s>"},
	}
	got := map[string][]string{}
	skipped := 0
	for _, c := range chatCases(t) {
		template := c.template(t)
		if template == nil {
			skipped++
			delete(want, c.Template)
			continue
		}
		text, err := template.supervise(c.messages(), TemplateOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.Template, err)
			continue
		}
		if text.Content != c.Want || text.AppendEOS || text.AddSpecial {
			t.Errorf("%s: %+v, want the text %q and no more special tokens", c.Template, text, c.Want)
		}
		for _, s := range text.Supervised {
			got[c.Template] = append(got[c.Template], text.Content[s.Start:s.End])
		}
		last, err := template.supervise(c.messages(), TemplateOptions{MaskHistory: true})
		if err != nil || len(last.Supervised) != 1 || last.Supervised[0] != text.Supervised[len(text.Supervised)-1] {
			t.Errorf("%s: the last turn alone: %v, %v", c.Template, last.Supervised, err)
		}
	}
	for _, name := range sortedNames(want) {
		if strings.Join(got[name], "|") != strings.Join(want[name], "|") {
			t.Errorf("%s:\n got %q\nwant %q", name, got[name], want[name])
		}
	}
	if skipped > 0 {
		t.Skipf("%d cases need %s", skipped, shared)
	}
}

// TestChatClosing: a template that writes more behind the last turn than behind earlier ones, as Phi-3's does, leaves none without its
// token, and gives none what belongs to the next.
func TestChatClosing(t *testing.T) {
	messages := []Message{{Role: RoleUser, Content: "a"}, {Role: RoleAssistant, Content: "b"}, {Role: RoleUser, Content: "c"}, {Role: RoleAssistant, Content: "d"}}
	for _, c := range []struct {
		source string
		want   []string
	}{
		{"{% for m in messages %}<{{ m.role }}>\n{{ m.content }}<|end|>\n{% endfor %}{{ eos_token }}", []string{"b<|end|>", "d<|end|>\n</s>"}},
		{"{% for m in messages %}<{{ m.role }}>{{ m.content }}<|end|>{% endfor %}{{ eos_token }}", []string{"b<|end|>", "d<|end|></s>"}},
		{"{% for m in messages %}### {{ m.role }}:\n{{ m.content }}\n{% endfor %}### End", []string{"b", "d\n### End"}},
	} {
		chat, err := NewChatTemplate(c.source, ChatOptions{EOS: "</s>"})
		if err != nil {
			t.Fatal(err)
		}
		text, err := chat.supervise(messages, TemplateOptions{})
		if err != nil || text.AppendEOS {
			t.Fatalf("%s: %+v, %v", c.source, text, err)
		}
		var got []string
		for _, s := range text.Supervised {
			got = append(got, text.Content[s.Start:s.End])
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: supervised %q, expected %q", c.source, got, c.want)
		}
	}
}

// TestMaskedTurns: an answer of weight 0 carries no loss, whatever else does.
func TestMaskedTurns(t *testing.T) {
	chat, err := NewChatTemplate("{% for m in messages %}{{ m.role[0] }}{{ m.content }}{% endfor %}", ChatOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		last bool // the last answer is masked, not the first
		opt  TemplateOptions
		want []string
		eos  bool
	}{
		{false, TemplateOptions{}, []string{"D"}, true},
		{true, TemplateOptions{}, []string{"B"}, false},
		{true, TemplateOptions{MaskHistory: true}, nil, false},
		{false, TemplateOptions{MaskHistory: true}, []string{"D"}, true},
		{false, TemplateOptions{TrainOnPrompt: true}, []string{"uAa", "uCaD"}, true},
		{true, TemplateOptions{TrainOnPrompt: true}, []string{"uAaBuCa"}, false},
	} {
		text, err := chat.supervise([]Message{{Role: RoleUser, Content: "A"}, {Role: RoleAssistant, Content: "B", Masked: !c.last},
			{Role: RoleUser, Content: "C"}, {Role: RoleAssistant, Content: "D", Masked: c.last}}, c.opt)
		var got []string
		for _, s := range text.Supervised {
			got = append(got, text.Content[s.Start:s.End])
		}
		if err != nil || !slices.Equal(got, c.want) || text.AppendEOS != c.eos {
			t.Errorf("last %t, %+v: supervised %q, end of sequence %t, %v; expected %q, %t", c.last, c.opt, got, text.AppendEOS, err, c.want, c.eos)
		}
	}
}

// TestChatWithoutEndOfTurn: a template that ends with the answer leaves the end of sequence to be appended.
func TestChatWithoutEndOfTurn(t *testing.T) {
	template, err := NewChatTemplate("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", ChatOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := template.supervise([]Message{{Role: RoleUser, Content: "a"}, {Role: RoleAssistant, Content: "b"}}, TemplateOptions{})
	if err != nil || !text.AppendEOS || text.Content[text.Supervised[0].Start:text.Supervised[0].End] != "b" {
		t.Errorf("%+v, %v; want b supervised and the end of sequence appended", text, err)
	}
}

func TestChatTemplateErrors(t *testing.T) {
	chat := []Message{{Role: RoleSystem, Content: "s"}, {Role: RoleUser, Content: "a"}, {Role: RoleAssistant, Content: "one two"}}
	tests := []struct{ source, want string }{
		{"{% for m in messages %}{{ m.content }}", "chat template: jinja: "},
		{"{% include 'x' %}", "chat template: jinja: "},
		{"{% import 'x' as y %}", "chat template: jinja: "},
		{"{{ messages.foo.bar }}", `line 1: "foo" is undefined`},
		{"a\n{{ raise_exception('no system') }}", "the chat template refuses this chat: no system"},
		{"{% for m in messages %}{{ m.content | upper }}{% endfor %}", ""},
		{"{% for m in messages %}{{ m.content[:2] }}{% endfor %}", "the loss cannot be placed"},
		{"{% for m in messages %}{{ m.content | length }}{% endfor %}", "the loss cannot be placed"},
		{"{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}", "the loss cannot be placed"},
		{"{{ messages[0].content }}", "the chat template drops message 3"},
		{"{% for m in messages %}{{ m.content }}{% endfor %}" + strings.Repeat("x", 300), "writes 300 bytes after the last answer"},
		{"{% for i in range(1000000000) %}{% endfor %}", "steps"},
		{"{{ 'a' * 1000000000 }}", "builds a value of more than"},
		{"{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}", "nested more than 64 deep"},
		{strings.Repeat(" ", 300<<10), "at most 262144 are accepted"},
	}
	for _, test := range tests {
		template, err := NewChatTemplate(test.source, ChatOptions{})
		if err == nil {
			_, err = template.supervise(chat, TemplateOptions{})
		}
		if test.want == "" {
			if err != nil {
				t.Errorf("%.60q: %v", test.source, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.60q: error %v, want %s", test.source, err, test.want)
		}
	}
	if _, err := NewChatTemplate("", ChatOptions{Variables: map[string]any{"f": func() {}}}); err == nil {
		t.Error("a function is accepted as a variable")
	}
}

// FuzzChat renders any template over any content: no panic, no runaway, and spans that lie in the text.
func FuzzChat(f *testing.F) {
	data, err := os.ReadFile("testdata/chats.json")
	if err != nil {
		f.Fatal(err)
	}
	var cases []chatCase
	if err := json.Unmarshal(data, &cases); err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		if c.Source != "" {
			f.Add(c.Source, c.Chat[0][1], c.Chat[1][1])
		}
	}
	f.Add("{% macro f(a, b=1) %}{{ a ~ b }}{% endmacro %}{{ f(messages[-1].content[1:-1:2]) }}{% set ns = namespace(x=[]) %}", "a", "b")
	f.Add("{{ (messages | map(attribute='content') | join(', ') if messages is not none else {'a': [1, 2.5e3]}) | tojson(indent=2) }}", "\U000f0001", "\u00a0x")
	f.Add("{% for m in messages %}{{ in m['content'] }}{% endfor %}", "a", "b")
	f.Add("{%- raw -%} {{ {%- endraw +%}{# c -#} {{ not 1 in [2] and 3 // -2 }}", "a", "b")
	f.Fuzz(func(t *testing.T, source, question, answer string) {
		template, err := NewChatTemplate(source, ChatOptions{BOS: "<s>", EOS: "</s>"})
		if err != nil {
			return
		}
		text, err := template.supervise([]Message{{Role: RoleUser, Content: question}, {Role: RoleAssistant, Content: answer}, {Role: RoleUser, Content: "?"}, {Role: RoleAssistant, Content: answer}}, TemplateOptions{})
		if err != nil {
			return
		}
		previous := 0
		for _, s := range text.Supervised {
			if s.Start < previous || s.End < s.Start || s.End > len(text.Content) {
				t.Fatalf("spans %v in %d bytes", text.Supervised, len(text.Content))
			}
			previous = s.End
		}
	})
}
