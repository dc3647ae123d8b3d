package evaluate

import (
	"strings"
	"testing"

	"smt/dataset"
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
