package evaluate

import (
	"fmt"
	"slices"
	"strings"

	"smt/dataset"
	"smt/generate"
)

// The names of the protocols.
const (
	// Likelihood scores each option of a row by the mean log-probability of the tokens that training would supervise in
	// "the correct answer is <option>", and takes the best. Nothing is generated. It is quick, and less noisy than the
	// others.
	Likelihood = "likelihood"
	// LLMAdapters is that of the LLM-Adapters scripts, by which LoRA, DoRA and SMT were compared: the indented prompt,
	// 4 beams, at most 32 new tokens (256 for arithmetic); what is scored is what lies between the first and the second
	// "### Response:" of prompt and continuation. (github.com/AGI-Edgerunners/LLM-Adapters)
	LLMAdapters = "llm_adapters"
	// SMT is that of the SMT reference code: its prompt, 4 beams, repetition penalty 1.1, at most 256 new tokens; the
	// continuation is lower-cased. That code has no arithmetic; here AQuA keeps its capitals, being letters.
	SMT = "smt"
)

// ProtocolNames lists the protocols.
func ProtocolNames() []string { return []string{Likelihood, LLMAdapters, SMT} }

func checkProtocol(name string, task Task) error {
	if !slices.Contains(ProtocolNames(), name) {
		return fmt.Errorf("evaluate: protocol %q: expected one of %s", name, strings.Join(ProtocolNames(), ", "))
	}
	if name == Likelihood && !task.HasOptions() {
		return fmt.Errorf("evaluate: task %s has no options to compare by likelihood; use the protocol %s or %s", task.Name,
			LLMAdapters, SMT)
	}
	return nil
}

// decoding returns how a protocol generates.
func decoding(protocol string, task Task) generate.Options {
	switch {
	case protocol == SMT:
		return generate.Options{Beams: 4, MaxNewTokens: 256, RepetitionPenalty: 1.1}
	case task.kind == choice:
		return generate.Options{Beams: 4, MaxNewTokens: 32}
	}
	return generate.Options{Beams: 4, MaxNewTokens: 256}
}

// promptTemplate returns the template whose prompts a generating protocol uses.
func promptTemplate(protocol string) (*dataset.Template, error) {
	name := dataset.TemplateLLMAdapters
	if protocol == SMT {
		name = dataset.TemplateSMTReference
	}
	return dataset.NewTemplate(name, dataset.FormatInstruction, dataset.TemplateOptions{})
}

// scored cuts out of the decoded text of prompt and continuation what a protocol looks for the answer in. prompt is the
// decoded text of the prompt alone.
func scored(protocol string, task Task, prompt, text string) string {
	if protocol == SMT {
		text = text[min(len(prompt), len(text)):]
		if task.kind != letter {
			text = strings.ToLower(text)
		}
		return text
	}
	_, text, _ = strings.Cut(text, "### Response:")
	text, _, _ = strings.Cut(text, "### Response:")
	return strings.TrimSpace(text)
}
