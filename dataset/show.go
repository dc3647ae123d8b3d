package dataset

import (
	"fmt"
	"io"
	"strings"
)

// ShowTokenizer is what Show needs of a tokenizer.
type ShowTokenizer interface {
	Tokenizer
	// Decode returns the text of ids; Show calls it for tokens that stand for no part of the text.
	Decode(ids []int32, skipSpecial bool) string
}

// ShowOptions say how rows are shown.
type ShowOptions struct {
	// Rows is how many rows are shown, from the first; 0 means all.
	Rows int
	// Color marks supervised tokens in green instead of with [[ ]].
	Color  bool
	Encode EncodeOptions
}

// Show prints rows as the model will see them: the text of the tokens that are kept, special tokens included, with the
// supervised ones marked.
func Show(w io.Writer, rows []Row, template *Template, tok ShowTokenizer, opt ShowOptions) error {
	if opt.Rows > 0 && opt.Rows < len(rows) {
		rows = rows[:opt.Rows]
	}
	open, shut := "[[", "]]"
	if opt.Color {
		open, shut = "\x1b[32m", "\x1b[0m"
	}
	e := encoder{template: template, tok: tok, opt: opt.Encode}
	for i := range rows {
		row := &rows[i]
		text, err := template.Render(row)
		if err != nil {
			return err
		}
		var report Report
		if err := e.encode(row, &text, &report); err != nil {
			return err
		}
		if err := tok.Err(); err != nil {
			return err
		}
		whole := len(e.rowIDs)
		keep, err := e.fit(&report, Location{row.File, row.Line})
		if err != nil {
			return err
		}
		marked, supervised := e.marked(text.Content, tok, open, shut)
		note := ""
		switch {
		case !keep:
			note = ", dropped: too long"
		case supervised == 0:
			note = ", dropped: nothing carries loss"
		case whole > len(e.rowIDs):
			note = fmt.Sprintf(", %d cut", whole-len(e.rowIDs))
		}
		if _, err := fmt.Fprintf(w, "--- %s:%d: %d tokens, %d supervised%s\n%s\n", row.File, row.Line, len(e.rowIDs),
			supervised, note, marked); err != nil {
			return err
		}
	}
	return nil
}

// marked returns the text of the tokens in rowIDs with open and shut around every run of supervised ones, and the
// number of supervised tokens that are a target. The first token never is: nothing predicts it.
func (e *encoder) marked(content string, tok ShowTokenizer, open, shut string) (text string, supervised int) {
	var b strings.Builder
	inside := false
	at := 0 // bytes of content written so far
	for t, id := range e.rowIDs {
		on := t > 0 && e.supervised[t]
		if on {
			supervised++
		}
		if on != inside {
			if inside {
				b.WriteString(shut)
			} else {
				b.WriteString(open)
			}
			inside = on
		}
		// Tokens added by the post-processor and the appended end of sequence have no bytes in the text.
		if t >= len(e.spans) || e.spans[t].Start < 0 {
			b.WriteString(tok.Decode([]int32{id}, false))
			continue
		}
		// Several tokens may share the bytes of one character, and white space between tokens belongs to no token.
		if end := e.spans[t].End; end > at && end <= len(content) {
			b.WriteString(content[at:end])
			at = end
		}
	}
	if inside {
		b.WriteString(shut)
	}
	return b.String(), supervised
}
