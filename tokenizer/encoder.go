package tokenizer

import "sync"

// encoder is the state of one call of Encode: where the tokens go, and memory that calls can share.
type encoder struct {
	t       *Tokenizer
	ids     []int32
	offsets []Span
	want    bool // offsets are wanted
	track   bool // rewritten pieces must know where they come from
	parts   []part
	symbols []symbol
	queue   mergeQueue
}

// encoders keeps encoders for later calls.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

// Limits of what an encoder keeps for the next call, and of the text that is worked on at once: positions inside a
// word have 31 bits.
const (
	keptSymbols = 1 << 16
	maxText     = 1 << 30
)

// run encodes a text.
func (e *encoder) run(text string) {
	for base := 0; base < len(text); {
		end := len(text)
		if end-base > maxText {
			end = base + maxText
			for end > base+maxText-4 && text[end]&0xC0 == 0x80 {
				end--
			}
		}
		e.t.added.plain.split(e, cleaned(text[base:end], base), (*encoder).normalize)
		base = end
	}
}

// normalize goes on with a piece in which there is no added token as the text was given.
func (e *encoder) normalize(p piece) {
	if e.t.normalizer != nil {
		p = e.t.normalizer.normalize(p, e.track)
	}
	e.t.added.normalized.split(e, p, (*encoder).first)
}

// first goes on with a piece that has no added tokens.
func (e *encoder) first(p piece) { e.split(p, 0) }

// split gives a piece to the splitter with the given number, and what comes out of the last to the model.
func (e *encoder) split(p piece, number int) {
	if number < len(e.t.splitters) {
		e.t.splitters[number].split(e, p, number+1)
		return
	}
	e.symbols = e.t.model.tokens(&e.queue, e.symbols[:0], p.text)
	for _, s := range e.symbols {
		e.ids = append(e.ids, s.id)
	}
	if e.want {
		start := 0
		for _, s := range e.symbols {
			e.offsets = append(e.offsets, p.span(start, s.end))
			start = s.end
		}
	}
}

// add appends a token that stands for [start, end) of p.
func (e *encoder) add(id int32, p piece, start, end int) {
	e.ids = append(e.ids, id)
	if e.want {
		e.offsets = append(e.offsets, p.span(start, end))
	}
}

// surround appends tokens that stand for nothing in the text.
func (e *encoder) surround(ids []int32) {
	e.ids = append(e.ids, ids...)
	if e.want {
		for range ids {
			e.offsets = append(e.offsets, Span{-1, -1})
		}
	}
}

// release gives the encoder back.
func (e *encoder) release() {
	e.t, e.ids, e.offsets = nil, nil, nil
	if cap(e.symbols) > keptSymbols || cap(e.parts) > keptSymbols || cap(e.queue.heap) > keptSymbols {
		return
	}
	encoders.Put(e)
}
