package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"smt/dataset"
	"smt/internal/finite"
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
	sums, counts := make([]float64, len(rows)), make([]int, len(rows))
	err := eachLoss(d, rows, labels, nil, func(first, end int, pass []float64, supervised []int) error {
		copy(sums[first:end], pass)
		copy(counts[first:end], supervised)
		if progress != nil {
			progress(end, len(rows))
		}
		return nil
	})
	if err != nil {
		return Loss{}, err
	}
	return newLoss(sums, counts)
}

// ResponseLoss computes the loss of each row's response, and returns a record for each row and their mean. A row is written
// by the evaluator's template and cut after maxLength tokens (0: as many as the model was made for); one whose response is
// cut off altogether, or tokenizes to nothing, counts no token. ctx is as in Evaluate.
func (e *Evaluator) ResponseLoss(ctx context.Context, rows []dataset.Row, maxLength int) (Loss, []Record, error) {
	if len(rows) == 0 {
		return Loss{}, nil, errors.New("evaluate: no rows")
	}
	template := e.Template
	if template == nil {
		var err error
		if template, err = dataset.NewTemplate("", rows[0].Format, dataset.TemplateOptions{}); err != nil {
			return Loss{}, nil, err
		}
	}
	if limit := e.Decoder.Config.MaxPosition; maxLength <= 0 || maxLength > limit {
		maxLength = limit
	}
	all, err := e.record(recordHeader{PerplexityTask, lossKind, lossKind, template.Name(), e.Model, maxLength, len(rows), hashRows(rows)},
		func(file *records) error {
			set, err := dataset.Encode(rows, template, e.Tokenizer, dataset.EncodeOptions{MaxLength: maxLength})
			if err != nil {
				return err
			}
			return e.runLosses(ctx, rows, set, file)
		})
	if err != nil {
		return Loss{}, nil, err
	}
	sums, counts := make([]float64, len(all)), make([]int, len(all))
	for i, r := range all {
		sums[i], counts[i] = r.Loss, r.Tokens
	}
	loss, err := newLoss(sums, counts)
	return loss, all, err
}

// PerplexityTask is the task of records of losses.
const PerplexityTask = "perplexity"

func (e *Evaluator) runLosses(ctx context.Context, rows []dataset.Row, set *dataset.Set, file *records) error {
	var ids, labels [][]int32
	supervised := make([]bool, len(rows))
	for _, example := range set.Examples {
		ids, labels = append(ids, example.IDs), append(labels, example.Labels)
		supervised[example.Row] = true
	}
	for i := range rows {
		if !supervised[i] && !file.done[i] {
			if err := file.add(Record{Row: i, Answer: rows[i].Answer}); err != nil {
				return err
			}
		}
	}
	wanted := func(first, end int) bool {
		return slices.ContainsFunc(set.Examples[first:end], func(x dataset.Example) bool { return !file.done[x.Row] })
	}
	return eachLoss(e.Decoder, ids, labels, wanted, func(first, end int, sums []float64, counts []int) error {
		for i, example := range set.Examples[first:end] {
			if file.done[example.Row] {
				continue
			}
			record := Record{Row: example.Row, Answer: rows[example.Row].Answer, Value: sums[i] / float64(counts[i]), Loss: sums[i], Tokens: counts[i]}
			if !finite.Is(record.Loss) {
				return rowError(&rows[example.Row], example.Row, fmt.Errorf("the loss is %g, which is %w; are the model's weights damaged?", record.Loss, finite.ErrNot))
			}
			if err := file.add(record); err != nil {
				return err
			}
		}
		e.progress(file)
		return interrupted(ctx, file)
	})
}

// eachLoss runs the forward pass over rows, in their order, and calls done with the losses and the numbers of supervised
// tokens of each pass's rows first to end-1. Passes for which wanted, if not nil, is false are left out.
func eachLoss(d *model.Decoder, rows, labels [][]int32, wanted func(first, end int) bool,
	done func(first, end int, sums []float64, counts []int) error) error {
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

	var in model.Input
	for first := 0; first < len(rows); {
		end, tokens := first, 0
		for end < len(rows) && tokens+len(rows[end]) <= limits.Tokens {
			tokens += len(rows[end])
			end++
		}
		if wanted == nil || wanted(first, end) {
			sums, counts := make([]float64, end-first), make([]int, end-first)
			if err := rowLosses(d, &in, rows[first:end], labels[first:end], sums, counts); err != nil {
				return fmt.Errorf("evaluate: rows %d to %d: %w", first, end-1, err)
			}
			if err := done(first, end, sums, counts); err != nil {
				return err
			}
		}
		first = end
	}
	return nil
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
	if !finite.Is(l.Mean) {
		return l, fmt.Errorf("evaluate: the mean loss is %g, which is %w; are the model's weights damaged?", l.Mean, finite.ErrNot)
	}
	return l, nil
}
