package evaluate

import (
	"slices"
	"strings"
	"testing"

	"smt/dataset"
	"smt/generate"
)

// The prompts of the two projects' evaluation scripts, byte for byte.
func TestPrompts(t *testing.T) {
	row := dataset.Row{Format: dataset.FormatInstruction, Instruction: "Is it?\n\nAnswer format: true/false", Output: "no", Answer: "true"}
	indent := strings.Repeat(" ", 16)
	for protocol, want := range map[string]string{
		LLMAdapters: "Below is an instruction that describes a task. Write a response that appropriately completes the request. \n\n" +
			indent + "### Instruction:\n" + indent + "Is it?\n\nAnswer format: true/false\n\n" + indent + "### Response:\n" + indent,
		SMT: "<s> Below is an instruction that describes a task. Write a response that appropriately completes the request. \n\n" +
			"### Instruction:\nIs it?\n\nAnswer format: true/false\n\n### Response:\n",
	} {
		template, err := promptTemplate(protocol)
		if err != nil {
			t.Fatal(err)
		}
		text, err := template.Prompt(&row)
		if err != nil {
			t.Fatal(err)
		}
		if text.Content != want {
			t.Errorf("%s: prompt\n%q, expected\n%q", protocol, text.Content, want)
		}
		if text.AddSpecial != (protocol == LLMAdapters) {
			t.Errorf("%s: special tokens are added: %t", protocol, text.AddSpecial)
		}
	}
}

func TestDecoding(t *testing.T) {
	for _, c := range []struct {
		protocol, task string
		tokens         int
		penalty        float64
	}{
		{LLMAdapters, "boolq", 32, 0}, {LLMAdapters, "gsm8k", 256, 0}, {LLMAdapters, "AQuA", 256, 0},
		{SMT, "boolq", 256, 1.1}, {SMT, "gsm8k", 256, 1.1},
		{SMT, "mbpp", 256, 1.1},
	} {
		o := decoding(c.protocol, mustFind(t, c.task), 7)
		if o.Beams != 4 || o.MaxNewTokens != c.tokens || o.RepetitionPenalty != c.penalty || o.Temperature != 0 {
			t.Errorf("%s, %s: %+v", c.protocol, c.task, o)
		}
	}
	if o := decoding(Greedy, mustFind(t, "multi30k"), 7); o.Beams > 1 || o.MaxNewTokens != 7 || o.Temperature != 0 || o.RepetitionPenalty != 0 {
		t.Errorf("greedy: %+v", o)
	}
	if o := decoding(Greedy, mustFind(t, "multi30k"), 0); o.MaxNewTokens != 256 {
		t.Errorf("greedy without a limit: %+v", o)
	}
}

// eosTokenizer is bytesTokenizer with another end-of-sequence token.
type eosTokenizer struct {
	bytesTokenizer
	eos int32
}

func (t eosTokenizer) EOS() (int32, bool) { return t.eos, true }

// TestStopTokens generates until the tokenizer's end-of-sequence token, which the model's configuration does not know.
func TestStopTokens(t *testing.T) {
	e := newEvaluator(t, "llama")
	e.Decoder.Config.EOS, e.MaxNewTokens = []int32{7, 7}, 8
	rows := []dataset.Row{{Format: dataset.FormatInstruction, Instruction: "a", Answer: "3"}}
	template, err := e.template(Greedy)
	if err != nil {
		t.Fatal(err)
	}
	text, err := template.Prompt(&rows[0])
	if err != nil {
		t.Fatal(err)
	}
	written, err := generate.Batch(e.Decoder, [][]int32{e.encodePrompt(text)}, generate.Options{MaxNewTokens: 8, StopIDs: []int32{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	last := len(written[0]) - 1
	stop := written[0][last]
	e.Tokenizer = eosTokenizer{eos: stop}
	_, records, err := e.Evaluate(t.Context(), mustFind(t, "gsm8k"), Greedy, rows)
	if err != nil {
		t.Fatal(err)
	}
	if want := e.Tokenizer.Decode(written[0][:slices.Index(written[0], stop)], true); records[0].Output != want {
		t.Errorf("output %q, expected %q, before the token %d", records[0].Output, want, stop)
	}

	chat, err := dataset.NewChatTemplate("{% for m in messages %}[{{ m.role }}] {{ m.content }} ~\n{% endfor %}", dataset.ChatOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if template, err = dataset.NewTemplate(dataset.TemplateChat, dataset.FormatInstruction, dataset.TemplateOptions{Chat: chat}); err != nil {
		t.Fatal(err)
	}
	if got, want := StopTokens(e.Decoder.Config, e.Tokenizer, template), []int32{7, stop, firstByte + '~'}; !slices.Equal(got, want) {
		t.Errorf("stop tokens %v, expected %v", got, want)
	}
	if got, want := StopTokens(e.Decoder.Config, eosTokenizer{eos: 7}, nil), []int32{7}; !slices.Equal(got, want) {
		t.Errorf("stop tokens %v, expected %v", got, want)
	}
}

func TestScored(t *testing.T) {
	for _, c := range []struct{ protocol, task, prompt, text, want string }{
		{LLMAdapters, "boolq", "Q ### Response:\n", "Q ### Response:\n   true \n", "true"},
		{LLMAdapters, "boolq", "Q ### Response:\n", "Q ### Response:\n true\n### Response:\nfalse", "true"},
		// A question that holds the marker itself is cut there, as by the scripts.
		{LLMAdapters, "boolq", "Q ### Response: true? ### Response:\n", "Q ### Response: true? ### Response:\nfalse", "true?"},
		{LLMAdapters, "boolq", "Q", "Q true", ""},
		{LLMAdapters, "boolq", "### Response:", "### Response:TRUE", "TRUE"},
		{SMT, "boolq", "Q true ### Response:\n", "Q true ### Response:\nFalse, NOT true\n", "false, not true\n"},
		{SMT, "AQuA", "Q", "Q the answer is B", " the answer is B"},
		{SMT, "boolq", "longer than", "text", ""},
		{SMT, "gsm8k", "Q", "Q Is 5.", " is 5."},
		{SMT, "multi30k", "Q", "Q Ein Mann", " Ein Mann"},
		{SMT, "mbpp", "Q", "Q class A: pass", " class A: pass"},
		{Greedy, "boolq", "Q\n", "Q\nFalse", "False"},
	} {
		if got := scored(c.protocol, mustFind(t, c.task), c.prompt, c.text); got != c.want {
			t.Errorf("%s: %q gives %q, expected %q", c.protocol, c.text, got, c.want)
		}
	}
}
