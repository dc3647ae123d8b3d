package demo

import (
	"fmt"
	"strings"

	"smt/dataset"
	"smt/generate"
	"smt/model"
	"smt/tokenizer"
)

// An Example is a held-out row with what a model has answered.
type Example struct{ Prompt, Expected, Got string }

// A Result is exact match on held-out rows.
type Result struct {
	Correct, Total int
	Examples       []Example // one for each row
}

// Accuracy is Correct / Total.
func (r *Result) Accuracy() float64 { return float64(r.Correct) / float64(max(r.Total, 1)) }

// answerTokens is room enough for the longest answer of the demo's world, a whole list with its full stop, and its end.
const answerTokens = longest + 2

// ExactMatch lets a model answer the rows of a file greedily and counts the answers that are right to the letter.
func ExactMatch(dec *model.Decoder, tok *tokenizer.Tokenizer, path string) (*Result, error) {
	rows, err := dataset.Load([]string{path}, dataset.ReadOptions{})
	if err != nil {
		return nil, err
	}
	var prompts [][]int32
	for _, r := range rows {
		prompts = append(prompts, tok.Encode(r.Prompt, true))
	}
	answers, err := generate.Batch(dec, prompts, generate.Options{MaxNewTokens: answerTokens}, nil)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	result := &Result{Total: len(rows)}
	for i, r := range rows {
		e := Example{Prompt: r.Prompt, Expected: strings.TrimSpace(r.Completion), Got: strings.TrimSpace(tok.Decode(answers[i], true))}
		if e.Got == e.Expected {
			result.Correct++
		}
		result.Examples = append(result.Examples, e)
	}
	return result, nil
}
