package dataset

import "smt/tokenizer"

// Span is a range of bytes of a text, Start included and End excluded; -1, -1 for tokens that stand for no bytes.
type Span = tokenizer.Span
