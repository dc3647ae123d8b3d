package generate

import "slices"

// A search continues one prompt. In every step the decoder's logits for each of its beams are observed, and then all
// beams advance together by a token.
type search interface {
	// observe takes the logits that follow a beam, which it may overwrite.
	observe(beam int, logits []float64) error
	// advance chooses the beams of the next step; none are left when the search has ended.
	advance() []continuation
	// output is the best sequence found, without the prompt and without the token that stopped it.
	output() []int32
}

// A continuation is a beam of the next step: a beam of this step and the token that follows it.
type continuation struct {
	parent int
	token  int32
}

// A single search follows one sequence, greedily or by sampling.
type single struct {
	opts    *Options
	penalty *penalty
	sampler *sampler // nil if greedy
	index   int      // of the prompt in its batch
	prompt  []int32
	tokens  []int32
	token   int32                  // chosen by observe
	emit    func(token int32) bool // nil, or called with every token; false ends the search
	next    [1]continuation
}

func (s *single) observe(_ int, logits []float64) error {
	if err := checkFinite(logits); err != nil {
		return err
	}
	s.penalty.apply(logits, 0, s.prompt, s.tokens)
	if s.sampler == nil {
		s.token = best(logits)
	} else {
		s.token = s.sampler.draw(logits, uniform(s.opts.Seed, uint64(s.index), uint64(len(s.tokens))))
	}
	return nil
}

func (s *single) advance() []continuation {
	if slices.Contains(s.opts.StopIDs, s.token) {
		return nil
	}
	s.tokens = append(s.tokens, s.token)
	if s.emit != nil && !s.emit(s.token) || len(s.tokens) == s.opts.MaxNewTokens {
		return nil
	}
	s.next[0] = continuation{0, s.token}
	return s.next[:]
}

func (s *single) output() []int32 { return s.tokens }
