package generate

import (
	"math"
	"slices"
)

// A sampler draws a token from the softmax of logits/temperature, cut to the k most likely tokens and then to the nucleus
// of probability p. The cuts are those of transformers: ties with the k-th token stay, and the nucleus is the shortest
// list of most likely tokens that reaches p.
type sampler struct {
	temperature, topP float64
	topK              int
	kept              []scored
}

// draw picks the token at u, a number of [0, 1), of the cumulative distribution.
func (s *sampler) draw(logits []float64, u float64) int32 {
	candidates, total := s.nucleus(s.candidates(logits))
	target, sum := u*total, 0.0
	for _, c := range candidates {
		if sum += c.score; sum > target {
			return c.token
		}
	}
	// Rounding can leave target a hair above the sum of all.
	return candidates[len(candidates)-1].token
}

// candidates returns the tokens of the k largest logits, with exp((logit - largest)/temperature) as their scores.
func (s *sampler) candidates(logits []float64) []scored {
	floor, top := math.Inf(-1), logits[best(logits)]
	if s.topK > 0 && s.topK < len(logits) {
		s.kept = largest(s.kept, logits, s.topK)
		floor = s.kept[s.topK-1].score
	}
	s.kept = s.kept[:0]
	for i, v := range logits {
		if v >= floor {
			s.kept = append(s.kept, scored{math.Exp((v - top) / s.temperature), int32(i)})
		}
	}
	return s.kept
}

// nucleus cuts the candidates to the most likely ones that reach the share topP of their sum, and returns them with
// their own sum.
func (s *sampler) nucleus(candidates []scored) ([]scored, float64) {
	total := 0.0
	for _, c := range candidates {
		total += c.score
	}
	if s.topP >= 1 {
		return candidates, total
	}
	// A vocabulary is large and a nucleus small: candidates too unlikely to be part of it are left out of the sort. All
	// of those below the bound together weigh less than what the nucleus may leave out.
	bound := (1 - s.topP) * total / float64(len(candidates))
	likely := slices.DeleteFunc(candidates, func(c scored) bool { return c.score < bound })
	slices.SortFunc(likely, byScore)
	sum := 0.0
	for i, c := range likely {
		if sum += c.score; sum >= s.topP*total {
			return likely[:i+1], sum
		}
	}
	return likely, sum
}
