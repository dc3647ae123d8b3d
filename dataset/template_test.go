package dataset

import (
	"strings"
	"testing"
)

// The texts of the two projects, written out: the spaces at line ends and on empty lines are part of them.
const (
	intro      = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
	introInput = "Below is an instruction that describes a task, paired with an input that provides further context. " +
		"Write a response that appropriately completes the request."
)

func TestInstructionTemplates(t *testing.T) {
	plain := Row{Format: FormatInstruction, Instruction: "Add.\n1 and 2", Output: "3"}
	input := Row{Format: FormatInstruction, Instruction: "Add.", Input: "1 2", Output: "3"}
	tests := []struct {
		template     string
		row          Row
		text, prompt string // the text up to the response
		special      bool
	}{
		{TemplateAlpaca, plain, intro + "\n\n### Instruction:\nAdd.\n1 and 2\n\n### Response:\n",
			intro + "\n\n### Instruction:\nAdd.\n1 and 2\n\n### Response:\n", true},
		{TemplateAlpaca, input, introInput + "\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n",
			introInput + "\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n", true},
		{TemplateLLMAdapters, plain, intro + `  

                ### Instruction:
                Add.
1 and 2
                
                ### Response:
                `, intro + ` 

                ### Instruction:
                Add.
1 and 2

                ### Response:
                `, true},
		{TemplateLLMAdapters, input, introInput + ` 

                ### Instruction:
                Add.
                
                ### Input:
                1 2
                
                ### Response:
                `, introInput + `

                ### Instruction:
                Add.

                ### Input:
                1 2

                ### Response:
                `, true},
		{TemplateSMTReference, plain, "<s> " + intro + "  \n\n### Instruction:\nAdd.\n1 and 2\n\n### Response:\n",
			"<s> " + intro + " \n\n### Instruction:\nAdd.\n1 and 2\n\n### Response:\n", false},
		{TemplateSMTReference, input, "<s> " + intro + "  \n\n### Instruction:\n1 2\n\n### Response:\n",
			"<s> " + intro + " \n\n### Instruction:\nAdd.\n\n### Response:\n", false},
	}
	for _, test := range tests {
		template, err := NewTemplate(test.template, FormatInstruction, TemplateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := template.Render(&test.row)
		if err != nil {
			t.Fatal(err)
		}
		if text.Content != test.text+"3" {
			t.Errorf("%s: text %q, want %q", test.template, text.Content, test.text+"3")
		}
		if len(text.Supervised) != 1 || text.Supervised[0] != (Span{Start: len(test.text), End: len(test.text) + 1}) {
			t.Errorf("%s: supervised %v, want the response at %d", test.template, text.Supervised, len(test.text))
		}
		if !text.AppendEOS || text.AddSpecial != test.special {
			t.Errorf("%s: append EOS %v, add special %v, want true, %v", test.template, text.AppendEOS, text.AddSpecial, test.special)
		}
		prompt, err := template.Prompt(&test.row)
		if err != nil {
			t.Fatal(err)
		}
		if prompt.Content != test.prompt || prompt.AddSpecial != test.special {
			t.Errorf("%s: prompt %q, want %q", test.template, prompt.Content, test.prompt)
		}
	}
}

func TestOtherTemplates(t *testing.T) {
	tests := []struct {
		name     string
		row      Row
		opt      TemplateOptions
		content  string
		response string // the supervised part
	}{
		{"", Row{Format: FormatCompletion, Prompt: "1+1=", Completion: " 2"}, TemplateOptions{}, "1+1= 2", " 2"},
		{"", Row{Format: FormatCompletion, Prompt: "1+1=", Completion: " 2"}, TemplateOptions{TrainOnPrompt: true}, "1+1= 2", "1+1= 2"},
		{"", Row{Format: FormatText, Text: "once upon"}, TemplateOptions{}, "once upon", "once upon"},
	}
	for _, test := range tests {
		template, err := NewTemplate(test.name, test.row.Format, test.opt)
		if err != nil {
			t.Fatal(err)
		}
		text, err := template.Render(&test.row)
		if err != nil {
			t.Fatal(err)
		}
		span := text.Supervised[0]
		if text.Content != test.content || text.Content[span.Start:span.End] != test.response {
			t.Errorf("%s: %q with %v supervised, want %q with %q", template.Name(), text.Content, span, test.content, test.response)
		}
	}
}

// The token that ends an assistant's turn is the template's own, whatever stands around it; it must be one token.
func TestEndOfTurn(t *testing.T) {
	for _, c := range []struct {
		name, source string
		want         int32 // 0: none
	}{
		{"close", "{% for m in messages %}<{{ m.role }}>{{ m.content }}~{% endfor %}", '~'},
		{"white space", "{% for m in messages %}<{{ m.role }}>\n{{ m.content }} ~\n{% endfor %}", '~'},
		{"a special token", "{% for m in messages %}[{{ m.role }}]{{ m.content }}</s>{% endfor %}", eosID},
		{"more behind the last turn", "{% for m in messages %}<{{ m.role }}>{{ m.content }}~\n{% endfor %}</s>", '~'},
		{"behind the last turn alone", "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}</s>", eosID},
		{"takes one question", "{% if messages|length > 2 %}{{ raise_exception('one') }}{% endif %}{% for m in messages %}{{ m.content }}~{% endfor %}", '~'},
		{"none", "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}", 0},
		{"several tokens", "{% for m in messages %}[{{ m.role }}]{{ m.content }}!~\n{% endfor %}", 0},
		{"no white space before the end of sequence", "{% for m in messages %}<{{ m.role }}>{{ m.content }}~{% endfor %}{{ eos_token }}", '~'},
		{"words behind the chat", "{% for m in messages %}# {{ m.role }}:\n{{ m.content }}\n{% endfor %}# End", 0},
		{"refuses the chat", "{{ raise_exception('no') }}", 0},
	} {
		chat, err := NewChatTemplate(c.source, ChatOptions{EOS: "</s>"})
		if err != nil {
			t.Fatal(err)
		}
		template, err := NewTemplate(TemplateChat, FormatInstruction, TemplateOptions{Chat: chat})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := template.EndOfTurn(byteTokenizer{}); got != c.want || ok != (c.want != 0) {
			t.Errorf("%s: token %d, %t, expected %d", c.name, got, ok, c.want)
		}
	}
	template, err := NewTemplate(TemplateAlpaca, FormatInstruction, TemplateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := template.EndOfTurn(byteTokenizer{}); ok {
		t.Errorf("alpaca: token %d", got)
	}
}

func TestTemplateErrors(t *testing.T) {
	for want, make := range map[string]func() error{
		`template "alpaca" does not fit rows of the format "chat", expected chat`: func() error {
			_, err := NewTemplate(TemplateAlpaca, FormatChat, TemplateOptions{})
			return err
		},
		`template "vicuna" does not fit rows of the format "instruction", expected alpaca or llm_adapters or smt_reference or chat`: func() error {
			_, err := NewTemplate("vicuna", FormatInstruction, TemplateOptions{})
			return err
		},
		"tokenizer has no chat template": func() error {
			_, err := NewTemplate("", FormatChat, TemplateOptions{})
			return err
		},
		`a.json:7: row of the format "text", expected "instruction" as in the first file`: func() error {
			template, err := NewTemplate("", FormatInstruction, TemplateOptions{})
			if err != nil {
				return err
			}
			_, err = template.Render(&Row{Format: FormatText, File: "a.json", Line: 7, Text: "x"})
			return err
		},
	} {
		if err := make(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
