package evaluate

import (
	"fmt"

	"smt/model"
)

// RowLosses is what [Perplexity] sums up, row by row: sums[r] is the summed loss of row r in nats and counts[r] the number of
// its supervised tokens, so that two models can be compared row by row.
func RowLosses(d *model.Decoder, rows, labels [][]int32, progress func(done, total int)) (sums []float64, counts []int, err error) {
	if len(labels) != len(rows) {
		panic(fmt.Sprintf("evaluate: %d rows and %d lists of labels", len(rows), len(labels)))
	}
	limits := model.Limits{Tokens: batchTokens}
	for r, ids := range rows {
		if len(ids) != len(labels[r]) {
			panic(fmt.Sprintf("evaluate: row %d: %d tokens and %d labels", r, len(ids), len(labels[r])))
		}
		limits.Tokens, limits.Positions = max(limits.Tokens, len(ids)), max(limits.Positions, len(ids))
	}
	limits.Supervised = limits.Tokens
	d.Prepare(limits)

	sums, counts = make([]float64, len(rows)), make([]int, len(rows))
	var in model.Input
	for first := 0; first < len(rows); {
		end, tokens := first, 0
		for end < len(rows) && tokens+len(rows[end]) <= limits.Tokens {
			tokens += len(rows[end])
			end++
		}
		if err := rowLosses(d, &in, rows[first:end], labels[first:end], sums[first:end], counts[first:end]); err != nil {
			return nil, nil, fmt.Errorf("evaluate: rows %d to %d: %w", first, end-1, err)
		}
		if first = end; progress != nil {
			progress(first, len(rows))
		}
	}
	return sums, counts, nil
}
