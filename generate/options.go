// Package generate continues sequences of tokens with a decoder: greedily, by sampling, or by beam search.
//
// Many prompts run together in one batch without padding. Keys and values of earlier tokens are cached, a finished
// sequence leaves the batch at once, and the next prompt takes its place.
package generate

import (
	"fmt"
	"math"

	"smt/internal/finite"
	"smt/model"
)

// Options say how the next token is chosen. The zero value of every field but MaxNewTokens is its default.
type Options struct {
	// MaxNewTokens is the most tokens that a prompt is continued by.
	MaxNewTokens int
	// Beams is the width of beam search; 0 and 1 mean none.
	Beams int
	// Temperature divides the logits before a token is drawn from their softmax; 0 takes the most likely token (greedy).
	Temperature float64
	// TopK keeps the k most likely tokens before drawing; 0 keeps all.
	TopK int
	// TopP keeps the most likely tokens whose probabilities reach p (nucleus sampling, Holtzman et al., 2020); 0 and 1
	// keep all.
	TopP float64
	// RepetitionPenalty divides a positive and multiplies a negative score of every token that the prompt or its
	// continuation already holds (Keskar et al., 2019). Scores are logits, or log-probabilities in beam search, as in
	// transformers. 0 and 1 change nothing.
	RepetitionPenalty float64
	// Seed and the place of a prompt in the batch decide which number is drawn for each token, whatever else runs beside it. What runs
	// together may change the last bits of the logits, and so, very rarely, the token.
	Seed uint64
	// StopIDs end a sequence and are not part of it; nil means the end-of-sequence tokens of the model's configuration,
	// and an empty list that nothing but MaxNewTokens ends it.
	StopIDs []int32
	// LengthPenalty is the power of its length that divides the log-probability of a finished beam; 0 means 1. Larger
	// values prefer longer sequences.
	LengthPenalty float64
	// EarlyStopping ends a beam search as soon as Beams sequences are finished. Without it the search goes on while the
	// best unfinished beam, judged at its present length, beats the worst finished one (transformers' default).
	EarlyStopping bool
	// Concurrent is how many prompts run together; 0 means as many as the cache has memory for.
	Concurrent int
}

// resolved fills in the defaults and refuses what makes no sense.
func (o Options) resolved(c *model.Config) (Options, error) {
	fail := func(name string, got any, want string) (Options, error) {
		return o, fmt.Errorf("generate: %s %v: expected %s", name, got, want)
	}
	if o.MaxNewTokens < 1 {
		return fail("max_new_tokens", o.MaxNewTokens, "at least 1")
	}
	if o.Beams < 0 || o.Beams > 64 {
		return fail("num_beams", o.Beams, "1 to 64")
	}
	if !(o.Temperature >= 0) || math.IsInf(o.Temperature, 0) {
		return fail("temperature", o.Temperature, "0 (greedy) or a positive number")
	}
	if o.TopK < 0 {
		return fail("top_k", o.TopK, "0 (all) or a positive number")
	}
	if !(o.TopP >= 0 && o.TopP <= 1) {
		return fail("top_p", o.TopP, "a number from 0 to 1")
	}
	if !(o.RepetitionPenalty >= 0) || math.IsInf(o.RepetitionPenalty, 0) {
		return fail("repetition_penalty", o.RepetitionPenalty, "a positive number")
	}
	if !finite.Is(o.LengthPenalty) {
		return fail("length_penalty", o.LengthPenalty, "a finite number")
	}
	if o.Concurrent < 0 {
		return fail("concurrent", o.Concurrent, "0 (as memory allows) or a positive number")
	}
	o.Beams = max(o.Beams, 1)
	if o.Beams > 1 && o.Temperature > 0 {
		return fail("temperature", o.Temperature, "0 together with beam search, which does not sample")
	}
	if o.TopP == 0 {
		o.TopP = 1
	}
	if o.RepetitionPenalty == 0 {
		o.RepetitionPenalty = 1
	}
	if o.LengthPenalty == 0 {
		o.LengthPenalty = 1
	}
	if o.StopIDs == nil {
		o.StopIDs = c.EOS
	}
	return o, nil
}
