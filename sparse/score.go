package sparse

import (
	"fmt"
	"strings"
)

// Score is the rule that turns a warm-up's gradients into one number for each block. G_s is the gradient of step s of one
// matrix, S the number of steps, n the real elements of a block; means and sums over ij run over the block's elements.
type Score string

const (
	// MeanAbsSum is the paper's: mean_ij |Σ_s G_s| / S. It needs dense sums of the target matrices.
	MeanAbsSum Score = "mean_abs_sum"
	// AbsMeanSum is what the reference code does by default: |mean_ij Σ_s G_s| / S. Since the sum over a block of dYᵀX is
	// the product of block sums, (Σ_rows dY)ᵀ(Σ_cols X), it needs no dense gradient.
	AbsMeanSum Score = "abs_mean_sum"
	// MeanAbsStep is mean_s mean_ij |G_s|: gradients of opposite sign do not cancel over the steps. One matrix's gradient
	// is alive at a time (with gradient accumulation, the step's gradients of all targets).
	MeanAbsStep Score = "mean_abs_step"
	// L2Sum is the Euclidean norm of the block of Σ_s G_s / S. It needs dense sums.
	L2Sum Score = "l2_sum"
	// TokenFisher is mean_s mean_ij Σ_t (dY_ti X_tj)², the token-level empirical Fisher information, as a product of block
	// sums of squares: no dense gradient.
	TokenFisher Score = "token_fisher"
)

// Scores lists the rules, the default first.
var Scores = []Score{MeanAbsSum, AbsMeanSum, MeanAbsStep, L2Sum, TokenFisher}

// ParseScore finds a rule by name.
func ParseScore(name string) (Score, error) {
	for _, s := range Scores {
		if string(s) == name {
			return s, nil
		}
	}
	return "", fmt.Errorf("sparse: block_score %q: expected one of %s", name, strings.Trim(fmt.Sprint(Scores), "[]"))
}

// Dense reports whether the rule needs a dense sum for each target matrix during the whole warm-up.
func (s Score) Dense() bool { return s == MeanAbsSum || s == L2Sum }

// Describe tells the rule in a few words for tables and reports.
func (s Score) Describe() string {
	switch s {
	case MeanAbsSum:
		return "mean |sum of gradients| (the paper)"
	case AbsMeanSum:
		return "|mean of the sum of gradients| (the reference code's default)"
	case MeanAbsStep:
		return "mean |gradient|, step by step"
	case L2Sum:
		return "L2 norm of the sum of gradients"
	case TokenFisher:
		return "token-level empirical Fisher information"
	}
	return string(s)
}
