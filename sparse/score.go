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
	// GradientSNR is the signal of the gradient beside its noise: ‖Σ_s G_s‖² / Σ_s Σ_t ‖dY_t X_tᵀ‖² over the block, the squared
	// norm of the sum beside the sum of the tokens' squared norms. It is about 1 where tokens pull in unrelated directions, and
	// grows with their number where they agree. Unlike the norms above it does not grow with the size of inputs and gradients:
	// it does not gather the blocks that tolerate small steps only. It needs dense sums of the target matrices.
	GradientSNR Score = "gradient_snr"

	// Frequency is the number of steps in which the block would have been selected, had that step's mean_ij |G_s| alone
	// decided within the same budget; equal numbers are ranked by the mean of mean_ij |G_s| over the steps, which is added
	// as a fraction of at most 1/2. Memory as MeanAbsStep.
	Frequency Score = "frequency"
	// Activation is sqrt(Σ_t Σ_j X_tj²)·sqrt(Σ_t Σ_i dY_ti²), j over the block's columns, i over its rows and t over the
	// tokens of the whole warm-up: by Cauchy and Schwarz a bound of the norm of Σ_s G_s on the block. In the last layer t
	// runs over the tokens that a matrix is computed for (see docs/method.md, "The engine"). No dense gradient.
	Activation Score = "activation"
	// ActivationChannels is the paper's activation variant: input channels are ranked by mean_t |X_tj|, here by blocks of
	// columns: mean_t mean_j |X_tj| over the columns of the block, the same for all blocks of these columns (so that ties
	// fill a column of blocks from the top). What is then trained is W[:, channels], with its own gradient dYᵀ X[:, channels].
	// The authors' code computes that gradient too but applies it to W[channels, :], rows of the same numbers, and cannot
	// do so at all where W is not square; it also adds |X| of padding and needs batches of equal shape. Tokens count once
	// each here, and there is no padding. t is that of Activation.
	ActivationChannels Score = "activation_channels"
	// VOnly is MeanAbsSum among the blocks of v_proj alone (see [Candidates]).
	VOnly Score = "v_only"

	// Random gives every block a number drawn from the uniform distribution: all sets of blocks are equally likely.
	Random Score = "random"
	// Diagonal takes the blocks on the diagonal of every matrix: see [DiagonalScores].
	Diagonal Score = "diagonal"
	// Magnitude is mean_ij |W| of the base weight.
	Magnitude Score = "magnitude"
)

// Scores lists the rules, the default first.
var Scores = []Score{MeanAbsStep, MeanAbsSum, AbsMeanSum, L2Sum, TokenFisher, GradientSNR, Frequency, Activation, ActivationChannels, VOnly,
	Random, Diagonal, Magnitude}

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
func (s Score) Dense() bool { return s == MeanAbsSum || s == L2Sum || s == VOnly || s == GradientSNR }

// DataFree reports whether the rule reads no row of data, so that there is no warm-up.
func (s Score) DataFree() bool { return s == Random || s == Diagonal || s == Magnitude }

// stepwise reports whether the rule takes the mean |G_s| of the blocks of every step.
func (s Score) stepwise() bool { return s == MeanAbsStep || s == Frequency }

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
	case GradientSNR:
		return "squared norm of the summed gradient beside the tokens'"
	case Frequency:
		return "how often among the top blocks of a step"
	case Activation:
		return "norm of the input times norm of the output's gradient"
	case ActivationChannels:
		return "mean |input| of the columns"
	case VOnly:
		return "mean |sum of gradients|, V alone"
	case Random:
		return "random"
	case Diagonal:
		return "diagonal of every matrix"
	case Magnitude:
		return "mean |weight|"
	}
	return string(s)
}

// Candidates are the targets whose blocks a rule chooses among. VOnly leaves out all but v_proj, except for the modules of
// the MLP if they are ranked apart with a budget of their own. The other rules leave out none.
func Candidates(score Score, targets []Matrix, apart bool) []Matrix {
	if score != VOnly {
		return targets
	}
	var some []Matrix
	for _, m := range targets {
		if m.Module == "v_proj" || apart && !IsAttention(m.Module) {
			some = append(some, m)
		}
	}
	return some
}
