package generate

// A penalty lowers the scores of tokens that a sequence already holds: a positive score is divided by the factor and a
// negative one multiplied by it, once for every token however often it occurs.
type penalty struct {
	factor float64
	seen   []uint32 // per token of the vocabulary: the last call of apply that met it
	call   uint32
}

func newPenalty(factor float64, vocabulary int) *penalty {
	p := &penalty{factor: factor}
	if factor != 1 {
		p.seen = make([]uint32, vocabulary)
	}
	return p
}

// apply changes the logits of the tokens in the given parts of a sequence. What is penalised is logit - base: base is 0,
// or log Σ exp(logit) where the scores are log-probabilities.
func (p *penalty) apply(logits []float64, base float64, parts ...[]int32) {
	if p.factor == 1 {
		return
	}
	if p.call++; p.call == 0 {
		clear(p.seen)
		p.call = 1
	}
	for _, part := range parts {
		for _, id := range part {
			if p.seen[id] == p.call {
				continue
			}
			p.seen[id] = p.call
			if score := logits[id] - base; score < 0 {
				logits[id] = base + score*p.factor
			} else {
				logits[id] = base + score/p.factor
			}
		}
	}
}
