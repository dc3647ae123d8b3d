package generate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"smt/model"
)

// Batch continues every prompt and returns the new tokens alone, without the token that stopped them: a result shorter
// than MaxNewTokens was stopped. progress, if not nil, is called as prompts are finished.
//
// Batch prepares the decoder for itself; call [model.Decoder.Prepare] again before training goes on.
func Batch(d *model.Decoder, prompts [][]int32, opts Options, progress func(done, total int)) ([][]int32, error) {
	results, done := make([][]int32, len(prompts)), 0
	err := Each(d, prompts, opts, func(i int, tokens []int32) error {
		results[i] = tokens
		if done++; progress != nil {
			progress(done, len(prompts))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// Each is Batch for results that are wanted as soon as they are there: it calls finished with the index of a prompt and
// its new tokens, longest prompts first by and large, and ends early if that returns an error.
func Each(d *model.Decoder, prompts [][]int32, opts Options, finished func(i int, tokens []int32) error) error {
	b, err := newBatch(d, prompts, opts)
	if err != nil || len(prompts) == 0 {
		return err
	}
	return b.run(context.Background(), finished)
}

// Stream continues one prompt, as Batch would, and calls emit with every token as soon as it is known, which in beam
// search is the end. The sequence ends early where emit returns false; when ctx ends, Stream returns its error after the step at hand.
func Stream(ctx context.Context, d *model.Decoder, prompt []int32, opts Options, emit func(token int32) bool) ([]int32, error) {
	b, err := newBatch(d, [][]int32{prompt}, opts)
	if err != nil {
		return nil, err
	}
	beams := b.opts.Beams > 1
	if !beams {
		b.emit = emit
	}
	var result []int32
	err = b.run(ctx, func(_ int, tokens []int32) error {
		result = tokens
		for i := 0; beams && i < len(tokens) && emit(tokens[i]); i++ {
		}
		return nil
	})
	return result, err
}

// prefillTokens is how many tokens of prompts are computed in one step at most. It bounds the memory of a step; more
// would not be faster.
const prefillTokens = 512

// cacheBytes is the memory that the cache takes unless Options.Concurrent says otherwise, at 4 bytes per element.
const cacheBytes = 1 << 30

// maxSlots is how many sequences run together at most by default: a matrix product of so many rows reads the weights
// about as often as it can use them.
const maxSlots = 64

// A batch runs the searches of many prompts on one cache.
type batch struct {
	decoder *model.Decoder
	opts    Options
	penalty *penalty
	emit    func(token int32) bool
	prompts [][]int32
	waiting []int    // prompts that have not begun, by index, the longest first
	free    [][]int  // cache slots of groups that nobody uses, Beams each
	active  []*group // in the order in which they began
	cache   *model.Cache
	input   model.Input
	slots   []int     // of this step's rows
	rows    [][]int32 // this step's tokens
	owners  []owner   // of this step's rows
}

// A group is one prompt being continued: a search and a cache slot for each of its beams.
type group struct {
	index  int
	prompt []int32
	fed    int // tokens of the prompt that the cache holds
	search search
	slots  []int
	beams  []beam // those that run; one without a token before the first step
}

// A beam is a sequence in a slot of the cache. Its last token is yet to be fed.
type beam struct {
	slot   int
	tokens []int32
}

// An owner says whose tokens a row of the step holds. The logits that follow a part of a prompt concern nobody.
type owner struct {
	group  *group
	beam   int
	listen bool
}

// A VocabularyError is a token of a prompt that the model does not know: what made the prompt is another model's tokenizer.
type VocabularyError struct {
	Prompt, At int // the index of the prompt, and of the token in it
	ID         int32
	Vocabulary int // the model's ids are below it
}

func (e *VocabularyError) Error() string {
	return fmt.Sprintf("generate: prompt %d: token id %d at %d is outside the vocabulary of %d; does the tokenizer belong to this model?",
		e.Prompt, e.ID, e.At, e.Vocabulary)
}

func newBatch(d *model.Decoder, prompts [][]int32, opts Options) (*batch, error) {
	opts, err := opts.resolved(d.Config)
	if err != nil {
		return nil, err
	}
	longest := 0
	for i, p := range prompts {
		if len(p) == 0 {
			return nil, fmt.Errorf("generate: prompt %d is empty; expected at least one token", i)
		}
		for at, id := range p {
			if id < 0 || int(id) >= d.Config.VocabSize {
				return nil, &VocabularyError{Prompt: i, At: at, ID: id, Vocabulary: d.Config.VocabSize}
			}
		}
		if opts.MaxNewTokens > d.Config.MaxPosition-len(p) {
			return nil, fmt.Errorf("generate: prompt %d: %d tokens and up to %d new ones; the model was made for %d (max_position_embeddings)",
				i, len(p), opts.MaxNewTokens, d.Config.MaxPosition)
		}
		longest = max(longest, len(p))
	}
	b := &batch{decoder: d, opts: opts, prompts: prompts, penalty: newPenalty(opts.RepetitionPenalty, d.Config.VocabSize)}
	for i := range prompts {
		b.waiting = append(b.waiting, i)
	}
	slices.SortStableFunc(b.waiting, func(i, j int) int { return cmp.Compare(len(prompts[j]), len(prompts[i])) })

	// The last new token is never fed, so a slot needs one place less.
	length := longest + opts.MaxNewTokens - 1
	groups := opts.Concurrent
	if groups == 0 {
		slot := 2 * 4 * d.Config.Layers * d.Config.KVHeads * d.Config.HeadDim * length
		groups = max(1, min(cacheBytes/max(slot, 1), maxSlots)/opts.Beams)
	}
	groups = min(groups, len(prompts))
	slots := groups * opts.Beams
	for g := range groups {
		s := make([]int, opts.Beams)
		for i := range s {
			s[i] = g*opts.Beams + i
		}
		b.free = append(b.free, s)
	}
	if groups > 0 {
		d.Prepare(model.Limits{Tokens: min(prefillTokens, groups*longest) + slots, Supervised: slots, Positions: length})
		b.cache = d.NewCache(slots, length)
	}
	return b, nil
}

// run steps until all prompts are finished or ctx ends.
func (b *batch) run(ctx context.Context, finished func(i int, tokens []int32) error) error {
	for len(b.waiting) > 0 || len(b.active) > 0 {
		if ctx.Err() != nil {
			return fmt.Errorf("generate: stopped before the end: %w", ctx.Err())
		}
		if err := b.step(); err != nil {
			return err
		}
		still := b.active[:0]
		for _, g := range b.active {
			if g.fed < len(g.prompt) || b.advance(g) {
				still = append(still, g)
				continue
			}
			b.free = append(b.free, g.slots)
			if err := finished(g.index, g.search.output()); err != nil {
				return err
			}
		}
		b.active = still
	}
	return nil
}

// begin gives the next prompt a group.
func (b *batch) begin() *group {
	index, slots := b.waiting[0], b.free[len(b.free)-1]
	b.waiting, b.free = b.waiting[1:], b.free[:len(b.free)-1]
	g := &group{index: index, prompt: b.prompts[index], slots: slots, beams: []beam{{slot: slots[0]}}}
	for _, s := range slots {
		b.cache.Clear(s)
	}
	if b.opts.Beams > 1 {
		g.search = newBeamSearch(&b.opts, b.penalty, g.prompt)
	} else {
		s := &single{opts: &b.opts, penalty: b.penalty, index: index, prompt: g.prompt, emit: b.emit}
		if b.opts.Temperature > 0 {
			s.sampler = &sampler{temperature: b.opts.Temperature, topP: b.opts.TopP, topK: b.opts.TopK}
		}
		g.search = s
	}
	b.active = append(b.active, g)
	return g
}

// step runs the decoder on the last token of every beam and on prompts, as many as fit, and shows the logits to the
// searches.
func (b *batch) step() error {
	b.slots, b.rows, b.owners = b.slots[:0], b.rows[:0], b.owners[:0]
	room := prefillTokens
	feed := func(g *group) {
		part := g.prompt[g.fed:min(g.fed+room, len(g.prompt))]
		room -= len(part)
		g.fed += len(part)
		b.add(g, 0, part, g.fed == len(g.prompt))
	}
	for _, g := range b.active {
		if g.fed < len(g.prompt) {
			feed(g)
			continue
		}
		for i, beam := range g.beams {
			b.add(g, i, beam.tokens[len(beam.tokens)-1:], true)
		}
	}
	for room > 0 && len(b.waiting) > 0 && len(b.free) > 0 {
		feed(b.begin())
	}
	if err := b.cache.Extend(&b.input, b.slots, b.rows); err != nil {
		return err
	}
	var failed error
	err := b.decoder.Logits(&b.input, b.cache, func(i int, logits []float64) {
		if o := b.owners[i]; o.listen && failed == nil {
			failed = o.group.search.observe(o.beam, logits)
		}
	})
	return cmp.Or(err, failed)
}

// add makes tokens a row of the step.
func (b *batch) add(g *group, beam int, tokens []int32, listen bool) {
	b.slots = append(b.slots, g.beams[beam].slot)
	b.rows = append(b.rows, tokens)
	b.owners = append(b.owners, owner{g, beam, listen})
}

// advance lets a group choose its next beams and moves the cache along; it reports whether any are left.
func (b *batch) advance(g *group) bool {
	next := g.search.advance()
	if len(next) == 0 {
		return false
	}
	// The first child of a beam stays in its slot, so that a search which only follows its beams copies nothing.
	slots := make([]int, len(next))
	taken := make([]bool, len(g.beams))
	idle := slices.Clone(g.slots)
	for i, c := range next {
		if slots[i] = -1; !taken[c.parent] {
			taken[c.parent], slots[i] = true, g.beams[c.parent].slot
			idle = slices.DeleteFunc(idle, func(s int) bool { return s == slots[i] })
		}
	}
	beams := make([]beam, len(next))
	for i, c := range next {
		parent := g.beams[c.parent]
		if slots[i] < 0 {
			slots[i], idle = idle[0], idle[1:]
			b.cache.CopyFrom(b.decoder.Device, slots[i], parent.slot, g.agree(slots[i], parent))
		}
		beams[i] = beam{slots[i], append(slices.Clone(parent.tokens), c.token)}
	}
	g.beams = beams
	return true
}

// agree is how many tokens the sequence in a slot has in common with that of a beam, from the start.
func (g *group) agree(slot int, with beam) int {
	for _, other := range g.beams {
		if other.slot == slot {
			n := 0
			for n < len(with.tokens) && with.tokens[n] == other.tokens[n] {
				n++
			}
			return len(g.prompt) + n
		}
	}
	return 0
}
