package dataset

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Ignore is the label of a position that carries no loss.
const Ignore = -100

// Tokenizer is what encoding needs of a tokenizer. It must be safe for concurrent use.
type Tokenizer interface {
	// EncodeOffsets appends the token ids of text to ids and the tokens' byte spans to offsets. With addSpecial the
	// post-processor adds its special tokens, whose spans are -1, -1.
	EncodeOffsets(text string, addSpecial bool, ids []int32, offsets []Span) ([]int32, []Span)
	BOS() (int32, bool)
	EOS() (int32, bool)
	// Err is not nil if ids of any text so far may be wrong.
	Err() error
}

// What to do with rows of more than EncodeOptions.MaxLength tokens.
const (
	ExcessTruncate = "truncate" // cut them; the default
	ExcessDrop     = "drop"     // leave them out
	ExcessRaise    = "raise"    // fail, naming the first
)

// EncodeOptions say how rows become token ids.
type EncodeOptions struct {
	// MaxLength is the number of tokens a row may have, special tokens included; 0 means no limit.
	MaxLength int
	// Excess says what happens to longer rows: ExcessTruncate ("" too), ExcessDrop or ExcessRaise.
	Excess string
	// Workers is the number of goroutines; 0 means one per processor. The result does not depend on it.
	Workers int
}

// Example is one row as token ids [T] with the labels [T] of next-token prediction: Labels[t] is IDs[t+1] if that
// token is supervised, else Ignore. The last label is always Ignore.
type Example struct {
	IDs    []int32
	Labels []int32
	// Supervised is the number of labels other than Ignore, at least 1.
	Supervised int
	// Row is the row's index among the rows that were encoded.
	Row int
}

// Set is a tokenized data set. Its examples are slices of a few large blocks of memory.
type Set struct {
	Examples []Example
	// Where holds the location of Examples[i].Row for each example.
	Where  []Location
	Report Report
}

// encodeChunk is how many rows a worker tokenizes at a time. It is also the unit of memory: ids and labels of a chunk
// lie in one block each.
const encodeChunk = 512

// Encode renders and tokenizes rows, in parallel; the set's order is the rows' order. Errors of rows (a chat template
// that refuses one, for instance) come back together as a *BadRowsError.
func Encode(rows []Row, template *Template, tok Tokenizer, opt EncodeOptions) (*Set, error) {
	switch opt.Excess {
	case "", ExcessTruncate, ExcessDrop, ExcessRaise:
	default:
		return nil, fmt.Errorf("dataset: excess_length: expected truncate, drop or raise, got %q", opt.Excess)
	}
	if opt.MaxLength < 0 || opt.MaxLength == 1 {
		return nil, fmt.Errorf("dataset: max_seq_length: expected at least 2 tokens, or 0 for no limit, got %d", opt.MaxLength)
	}
	chunks := make([]encodedChunk, (len(rows)+encodeChunk-1)/encodeChunk)
	workers := opt.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(workers, len(chunks)) {
		group.Go(func() {
			e := encoder{template: template, tok: tok, opt: opt}
			for {
				i := int(next.Add(1)) - 1
				if i >= len(chunks) {
					return
				}
				first := i * encodeChunk
				chunks[i] = e.chunk(rows[first:min(first+encodeChunk, len(rows))], first)
			}
		})
	}
	group.Wait()
	if err := tok.Err(); err != nil {
		return nil, err
	}
	return gather(chunks)
}

// encodedChunk is the result for up to encodeChunk rows.
type encodedChunk struct {
	examples []Example
	where    []Location
	report   Report
	bad      []*RowError
	err      error
}

// gather puts the chunks together in their order.
func gather(chunks []encodedChunk) (*Set, error) {
	set := &Set{}
	var bad []*RowError
	for i := range chunks {
		if chunks[i].err != nil {
			return nil, chunks[i].err
		}
		set.Examples = append(set.Examples, chunks[i].examples...)
		set.Where = append(set.Where, chunks[i].where...)
		set.Report.merge(&chunks[i].report)
		bad = append(bad, chunks[i].bad...)
	}
	if len(bad) > 0 {
		return nil, &BadRowsError{bad}
	}
	if len(set.Examples) == 0 {
		return nil, fmt.Errorf("dataset: nothing to train on: %s", set.Report.String())
	}
	return set, nil
}

// encoder is a worker with its buffers.
type encoder struct {
	template *Template
	tok      Tokenizer
	opt      EncodeOptions

	ids, labels []int32 // of the rows of the chunk so far
	rowIDs      []int32
	spans       []Span
	supervised  []bool
}

// chunk encodes rows, the first of which is row number first.
func (e *encoder) chunk(rows []Row, first int) encodedChunk {
	out := encodedChunk{}
	e.ids, e.labels = e.ids[:0], e.labels[:0]
	var lengths []int
	for i := range rows {
		row := &rows[i]
		out.report.Rows++
		text, err := e.template.Render(row)
		if err == nil {
			err = e.encode(row, &text, &out.report)
		}
		if err != nil {
			var bad *RowError
			if !errors.As(err, &bad) {
				out.err = err
				return out
			}
			out.bad = append(out.bad, bad)
			continue
		}
		where := Location{row.File, row.Line}
		if keep, err := e.fit(&out.report, where); err != nil || !keep {
			if err != nil {
				out.err = err
				return out
			}
			continue
		}
		count := e.appendLabels()
		if count == 0 {
			e.ids, e.labels = e.ids[:len(e.ids)-len(e.rowIDs)], e.labels[:len(e.labels)-len(e.rowIDs)]
			out.report.NoSupervised++
			out.report.FirstUnlearned = firstOf(out.report.FirstUnlearned, where)
			continue
		}
		out.report.Kept++
		out.report.Tokens += int64(len(e.rowIDs))
		out.report.Supervised += int64(count)
		out.examples = append(out.examples, Example{Supervised: count, Row: first + i})
		out.where = append(out.where, where)
		lengths = append(lengths, len(e.rowIDs))
	}
	ids, labels := append([]int32(nil), e.ids...), append([]int32(nil), e.labels...)
	for i, n := range lengths {
		out.examples[i].IDs, ids = ids[:n:n], ids[n:]
		out.examples[i].Labels, labels = labels[:n:n], labels[n:]
	}
	return out
}

// encode tokenizes one row's text into rowIDs and marks the supervised tokens: those whose bytes overlap a supervised
// span.
func (e *encoder) encode(row *Row, text *Text, report *Report) error {
	e.rowIDs, e.spans = e.tok.EncodeOffsets(text.Content, text.AddSpecial, e.rowIDs[:0], e.spans[:0])
	if len(e.rowIDs) != len(e.spans) {
		return fmt.Errorf("dataset: %s:%d: the tokenizer returned %d ids and %d spans", row.File, row.Line, len(e.rowIDs),
			len(e.spans))
	}
	if bos, ok := e.tok.BOS(); ok && text.AddSpecial && len(e.rowIDs) > 1 && e.rowIDs[0] == bos && e.rowIDs[1] == bos &&
		e.spans[0].Start < 0 {
		e.rowIDs, e.spans = e.rowIDs[1:], e.spans[1:]
		report.DoubleBOS++
	}
	e.supervised = markSupervised(e.supervised[:0], e.spans, text.Supervised)
	if !text.AppendEOS {
		return nil
	}
	eos, ok := e.tok.EOS()
	if !ok {
		return errors.New("dataset: the tokenizer has no end-of-sequence token, without which the model never learns to stop")
	}
	n := len(e.rowIDs)
	if n > 0 && e.rowIDs[n-1] == eos && e.spans[n-1].Start < 0 {
		n-- // the post-processor has added it
	}
	if n > 0 && e.rowIDs[n-1] == eos {
		n-- // the text ends with it
		report.DoubleEOS++
	}
	e.rowIDs, e.supervised = append(e.rowIDs[:n], eos), append(e.supervised[:n], true)
	return nil
}

// markSupervised appends to marks, for every token, whether its bytes overlap a supervised span. Tokens and spans are
// in order, so one pass over both suffices.
func markSupervised(marks []bool, tokens, supervised []Span) []bool {
	next := 0
	for _, t := range tokens {
		for next < len(supervised) && supervised[next].End <= t.Start {
			next++
		}
		marks = append(marks, t.Start >= 0 && next < len(supervised) && t.Start < t.End && supervised[next].Start < t.End)
	}
	return marks
}

// fit applies the maximal length to the row in rowIDs. It reports false for a row that is to be left out.
func (e *encoder) fit(report *Report, where Location) (keep bool, err error) {
	n, limit := len(e.rowIDs), e.opt.MaxLength
	report.Longest = max(report.Longest, n)
	if limit == 0 || n <= limit {
		return true, nil
	}
	report.FirstTooLong = firstOf(report.FirstTooLong, where)
	switch e.opt.Excess {
	case ExcessRaise:
		return false, fmt.Errorf("dataset: %s: %d tokens, max_seq_length is %d; raise it, or set excess_length: truncate or drop",
			where, n, limit)
	case ExcessDrop:
		report.Dropped++
		return false, nil
	}
	report.Truncated++
	report.TokensCut += int64(n - limit)
	for _, s := range e.supervised[limit:] {
		if s {
			report.SupervisedCut++
		}
	}
	e.rowIDs, e.supervised = e.rowIDs[:limit], e.supervised[:limit]
	return true, nil
}

// appendLabels appends the row's ids and labels to the chunk and returns the number of supervised labels.
func (e *encoder) appendLabels() (count int) {
	e.ids = append(e.ids, e.rowIDs...)
	for t := range e.rowIDs {
		label := int32(Ignore)
		if t+1 < len(e.rowIDs) && e.supervised[t+1] {
			label = e.rowIDs[t+1]
			count++
		}
		e.labels = append(e.labels, label)
	}
	return count
}
