package generate

import (
	"cmp"
	"math"
	"slices"
)

// A beamSearch keeps the Beams most likely unfinished sequences and as many finished ones, with the semantics of
// transformers' beam search without sampling:
//
//   - the score of a beam is the sum of its tokens' log-probabilities, after the repetition penalty;
//   - of all beams' continuations the best 2·Beams are looked at (more if there are several stop tokens, so that enough
//     of them go on), and only one among the best Beams may finish;
//   - the score of a finished sequence is divided by its length, stop token included, to the power LengthPenalty;
//   - the search ends as [Options.EarlyStopping] says, or when MaxNewTokens finishes every beam.
type beamSearch struct {
	opts       *Options
	penalty    *penalty
	prompt     []int32
	running    []hypothesis // by falling score
	finished   []hypothesis // by falling score, at most Beams
	candidates []candidate
	kept       []scored
	next       []continuation
}

// A hypothesis is a sequence of new tokens and its score.
type hypothesis struct {
	tokens []int32
	score  float64
}

// A candidate is a running hypothesis with one more token.
type candidate struct {
	score float64
	beam  int
	token int32
}

func newBeamSearch(opts *Options, p *penalty, prompt []int32) *beamSearch {
	return &beamSearch{opts: opts, penalty: p, prompt: prompt, running: []hypothesis{{}}}
}

// considered is how many continuations are looked at in a step.
func (s *beamSearch) considered() int { return max(2, 1+len(s.opts.StopIDs)) * s.opts.Beams }

func (s *beamSearch) observe(beam int, logits []float64) error {
	if err := checkFinite(logits); err != nil {
		return err
	}
	h, total := s.running[beam], logSumExp(logits)
	s.penalty.apply(logits, total, s.prompt, h.tokens)
	s.kept = largest(s.kept, logits, s.considered())
	for _, c := range s.kept {
		s.candidates = append(s.candidates, candidate{h.score + c.score - total, beam, c.token})
	}
	return nil
}

func (s *beamSearch) advance() []continuation {
	slices.SortFunc(s.candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.beam, b.beam), cmp.Compare(a.token, b.token))
	})
	length := len(s.running[0].tokens) + 1
	divisor := math.Pow(float64(length), s.opts.LengthPenalty)
	last := length == s.opts.MaxNewTokens

	var running []hypothesis
	s.next = s.next[:0]
	for rank, c := range s.candidates[:min(s.considered(), len(s.candidates))] {
		stops := slices.Contains(s.opts.StopIDs, c.token)
		switch {
		case !stops && !last:
			if len(running) < s.opts.Beams {
				running = append(running, hypothesis{s.extended(c), c.score})
				s.next = append(s.next, continuation{c.beam, c.token})
			}
		case rank >= s.opts.Beams:
		case stops:
			s.finish(hypothesis{s.running[c.beam].tokens, c.score / divisor})
		default:
			s.finish(hypothesis{s.extended(c), c.score / divisor})
		}
	}
	s.candidates, s.running = s.candidates[:0], running
	if len(running) == 0 || !s.improvable(running[0].score/divisor) {
		return nil
	}
	return s.next
}

// improvable reports whether the search goes on, given the best running score at its present length.
func (s *beamSearch) improvable(running float64) bool {
	if len(s.finished) < s.opts.Beams {
		return true
	}
	return !s.opts.EarlyStopping && running > s.finished[len(s.finished)-1].score
}

// extended is the sequence of a candidate, in memory of its own.
func (s *beamSearch) extended(c candidate) []int32 {
	return append(slices.Clone(s.running[c.beam].tokens), c.token)
}

// finish puts a hypothesis among the finished ones if it is good enough. Where scores are equal the earlier one is first.
func (s *beamSearch) finish(h hypothesis) {
	at := len(s.finished)
	for at > 0 && s.finished[at-1].score < h.score {
		at--
	}
	s.finished = slices.Insert(s.finished, at, h)
	s.finished = s.finished[:min(len(s.finished), s.opts.Beams)]
}

func (s *beamSearch) output() []int32 {
	if len(s.finished) == 0 {
		return nil
	}
	return s.finished[0].tokens
}
