package evaluate

import (
	"errors"
	"fmt"
	"math"

	"smt/model"
)

// A Loss is the mean cross-entropy of supervised tokens.
type Loss struct {
	Mean          float64 `json:"loss"`           // nats per supervised token
	StandardError float64 `json:"standard_error"` // of the mean
	Perplexity    float64 `json:"perplexity"`     // exp(Mean)
	Tokens        int     `json:"supervised_tokens"`
	Rows          int     `json:"rows"`
}

// batchTokens is how many tokens one forward pass takes, unless a single row is longer.
const batchTokens = 1024

// Perplexity runs the forward pass over rows of token ids. labels holds, for every token, the token that follows it, or a
// negative number where the loss does not look. Rows share a pass without padding, in the order in which they come;
// progress, if not nil, is called with the rows that are done.
//
// The tokens of a row are not independent, so the standard error is that of a ratio of sums over rows, with row r having
// the loss L_r over T_r tokens: sqrt(R/(R-1)·Σ_r (L_r - mean·T_r)²)/Σ_r T_r. It is 0 for a single row.
//
// Perplexity prepares the decoder for itself; call [model.Decoder.Prepare] again before training goes on.
func Perplexity(d *model.Decoder, rows, labels [][]int32, progress func(done, total int)) (Loss, error) {
	sums, counts, err := RowLosses(d, rows, labels, progress)
	if err != nil {
		return Loss{}, err
	}
	return newLoss(sums, counts)
}

// rowLosses sets the sum of the losses and the number of supervised tokens of each row.
func rowLosses(d *model.Decoder, in *model.Input, rows, labels [][]int32, sums []float64, counts []int) error {
	in.SetRows(rows, labels)
	if len(in.Targets) == 0 {
		return nil
	}
	if _, err := d.Loss(in); err != nil {
		return err
	}
	losses := d.Losses(len(in.Targets))
	for r := range rows {
		for _, label := range labels[r] {
			if label >= 0 {
				sums[r] += losses[0]
				counts[r]++
				losses = losses[1:]
			}
		}
	}
	return nil
}

func newLoss(sums []float64, counts []int) (Loss, error) {
	l := Loss{Rows: len(sums)}
	total := 0.0
	for r, sum := range sums {
		total += sum
		l.Tokens += counts[r]
	}
	if l.Tokens == 0 {
		return Loss{}, errors.New("evaluate: no supervised token in any row; the loss has nothing to look at")
	}
	n := float64(l.Tokens)
	l.Mean = total / n
	l.Perplexity = math.Exp(l.Mean)
	squares := 0.0
	for r, sum := range sums {
		deviation := sum - l.Mean*float64(counts[r])
		squares += deviation * deviation
	}
	if rows := float64(l.Rows); rows > 1 {
		l.StandardError = math.Sqrt(rows/(rows-1)*squares) / n
	}
	if math.IsNaN(l.Mean) || math.IsInf(l.Mean, 0) {
		return l, fmt.Errorf("evaluate: the mean loss is %g; are the model's weights damaged?", l.Mean)
	}
	return l, nil
}
