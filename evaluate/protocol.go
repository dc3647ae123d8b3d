package evaluate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"smt/dataset"
	"smt/generate"
	"smt/model"
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
	// Greedy asks a model as it was taught: the prompt is that of the evaluator's template, and the most likely token is
	// taken until the model ends. It is the default where there is nothing to compare by likelihood and no published script.
	Greedy = "greedy"
)

// ProtocolNames lists the protocols.
func ProtocolNames() []string { return []string{Likelihood, LLMAdapters, SMT, Greedy} }

// DefaultProtocol is the protocol of a task unless one is named: likelihood where there are options, llm_adapters for
// numbers and letters, and greedy for translation and code.
func DefaultProtocol(task Task) string {
	switch {
	case task.HasOptions():
		return Likelihood
	case task.Translates() || task.RunsCode():
		return Greedy
	}
	return LLMAdapters
}

// CheckProtocol refuses a protocol that does not exist, or that cannot judge the task.
func CheckProtocol(name string, task Task) error {
	if !slices.Contains(ProtocolNames(), name) {
		return fmt.Errorf("evaluate: protocol %q: expected one of %s", name, strings.Join(ProtocolNames(), ", "))
	}
	if name == Likelihood && !task.HasOptions() {
		return fmt.Errorf("evaluate: task %s has no options to compare by likelihood; use the protocol %s, %s or %s", task.Name,
			LLMAdapters, SMT, Greedy)
	}
	return nil
}

// greedyTokens is how many tokens the greedy protocol generates at most unless the evaluator says otherwise.
const greedyTokens = 256

// decoding returns how a protocol generates. limit is the number of new tokens of the greedy protocol; 0 means 256.
func decoding(protocol string, task Task, limit int) generate.Options {
	switch {
	case protocol == Greedy:
		return generate.Options{MaxNewTokens: cmp.Or(limit, greedyTokens)}
	case protocol == SMT:
		return generate.Options{Beams: 4, MaxNewTokens: 256, RepetitionPenalty: 1.1}
	case task.kind == choice:
		return generate.Options{Beams: 4, MaxNewTokens: 32}
	}
	return generate.Options{Beams: 4, MaxNewTokens: 256}
}

// StopTokens lists, each once, the tokens with which a model may end its response: the end-of-sequence tokens of its
// configuration, the tokenizer's, with which training ends a response, and the one that ends an assistant's turn where the
// template is a chat's. template may be nil.
func StopTokens(config *model.Config, tok dataset.Tokenizer, template *dataset.Template) []int32 {
	var stops []int32
	add := func(id int32) {
		// Beam search looks at more continuations the more stop tokens there are.
		if !slices.Contains(stops, id) {
			stops = append(stops, id)
		}
	}
	for _, id := range config.EOS {
		add(id)
	}
	if id, ok := tok.EOS(); ok {
		add(id)
	}
	if template != nil {
		if id, ok := template.EndOfTurn(tok); ok {
			add(id)
		}
	}
	return stops
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
	if protocol == SMT || protocol == Greedy {
		text = text[min(len(prompt), len(text)):]
		if protocol == SMT && (task.HasOptions() || task.kind == number) {
			text = strings.ToLower(text)
		}
		return text
	}
	_, text, _ = strings.Cut(text, "### Response:")
	text, _, _ = strings.Cut(text, "### Response:")
	return strings.TrimSpace(text)
}
