package generate

import (
	"cmp"
	"fmt"
	"math"

	"smt/internal/finite"
)

// A scored token is a token with its score: a logit, or a sum of log-probabilities.
type scored struct {
	score float64
	token int32
}

// byScore orders by falling score, and by token where scores are equal, so that the order is always the same.
func byScore(a, b scored) int {
	if c := cmp.Compare(b.score, a.score); c != 0 {
		return c
	}
	return cmp.Compare(a.token, b.token)
}

var errNotFinite = fmt.Errorf("generate: the model's logits are %w; are its weights damaged?", finite.ErrNot)

// checkFinite refuses logits with NaN or infinities, whose order means nothing.
func checkFinite(logits []float64) error {
	sum := 0.0
	for _, v := range logits {
		sum += v * 0
	}
	if sum != 0 {
		return errNotFinite
	}
	return nil
}

// best returns the token with the largest logit, the first if there are several.
func best(logits []float64) int32 {
	at := 0
	for i, v := range logits {
		if v > logits[at] {
			at = i
		}
	}
	return int32(at)
}

// largest returns the k largest logits in order, in the memory of kept.
func largest(kept []scored, logits []float64, k int) []scored {
	kept = kept[:0]
	for i, v := range logits {
		if len(kept) == k && v <= kept[k-1].score {
			continue
		}
		if len(kept) < k {
			kept = append(kept, scored{})
		}
		at := len(kept) - 1
		for ; at > 0 && kept[at-1].score < v; at-- {
			kept[at] = kept[at-1]
		}
		kept[at] = scored{v, int32(i)}
	}
	return kept
}

// logSumExp returns log Σ exp(v), the number that turns logits into log-probabilities.
func logSumExp(values []float64) float64 {
	top := values[best(values)]
	sum := 0.0
	for _, v := range values {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}
