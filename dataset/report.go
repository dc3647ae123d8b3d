package dataset

import (
	"fmt"
	"strings"
)

// Location says where a row stands.
type Location struct {
	File string
	Line int
}

func (l Location) String() string { return fmt.Sprintf("%s:%d", l.File, l.Line) }

// Report says what became of the rows when they were tokenized.
type Report struct {
	Rows       int   // given
	Kept       int   // in the set
	Tokens     int64 // of the kept rows
	Supervised int64 // of these, how many carry loss
	Longest    int   // tokens of the longest row, before truncation

	Truncated      int   // rows cut to the maximal length
	TokensCut      int64 // tokens that cutting lost
	SupervisedCut  int64 // of these, how many would have carried loss
	Dropped        int   // rows dropped because they are too long (excess_length: drop)
	NoSupervised   int   // rows dropped because no token carries loss
	DoubleBOS      int   // rows whose text repeats the tokenizer's beginning-of-sequence token; it stands once
	DoubleEOS      int   // rows whose text ends with the end-of-sequence token that is appended; it stands once
	FirstTooLong   []Location
	FirstUnlearned []Location // the first rows without a supervised token
}

// merge adds another part's report, in row order.
func (r *Report) merge(part *Report) {
	r.Rows += part.Rows
	r.Kept += part.Kept
	r.Tokens += part.Tokens
	r.Supervised += part.Supervised
	r.Longest = max(r.Longest, part.Longest)
	r.Truncated += part.Truncated
	r.TokensCut += part.TokensCut
	r.SupervisedCut += part.SupervisedCut
	r.Dropped += part.Dropped
	r.NoSupervised += part.NoSupervised
	r.DoubleBOS += part.DoubleBOS
	r.DoubleEOS += part.DoubleEOS
	r.FirstTooLong = firstOf(r.FirstTooLong, part.FirstTooLong...)
	r.FirstUnlearned = firstOf(r.FirstUnlearned, part.FirstUnlearned...)
}

// firstOf appends to list up to the number of rows a report lists.
func firstOf(list []Location, more ...Location) []Location {
	return append(list, more[:min(len(more), shownErrors-len(list))]...)
}

// String writes the report as lines: one about what is kept, and one for each thing that was lost.
func (r *Report) String() string {
	var b strings.Builder
	share := 0.0
	if r.Tokens > 0 {
		share = 100 * float64(r.Supervised) / float64(r.Tokens)
	}
	fmt.Fprintf(&b, "%d of %d rows, %d tokens, %d of them supervised (%.1f %%), longest row %d tokens", r.Kept, r.Rows,
		r.Tokens, r.Supervised, share, r.Longest)
	if r.Truncated > 0 {
		fmt.Fprintf(&b, "\n%d rows truncated, %d tokens lost, %d of them supervised: %s", r.Truncated, r.TokensCut,
			r.SupervisedCut, locations(r.FirstTooLong, r.Truncated))
	}
	if r.Dropped > 0 {
		fmt.Fprintf(&b, "\n%d rows dropped because they are too long: %s", r.Dropped, locations(r.FirstTooLong, r.Dropped))
	}
	if r.NoSupervised > 0 {
		fmt.Fprintf(&b, "\n%d rows dropped because none of their tokens carries loss: %s", r.NoSupervised,
			locations(r.FirstUnlearned, r.NoSupervised))
	}
	if r.DoubleBOS > 0 {
		fmt.Fprintf(&b, "\n%d rows write the beginning-of-sequence token themselves; it stands once", r.DoubleBOS)
	}
	if r.DoubleEOS > 0 {
		fmt.Fprintf(&b, "\n%d rows write the end-of-sequence token themselves; it stands once", r.DoubleEOS)
	}
	return b.String()
}

func locations(list []Location, of int) string {
	names := make([]string, len(list))
	for i, l := range list {
		names[i] = l.String()
	}
	if of > len(list) {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}
