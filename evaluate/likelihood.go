package evaluate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"smt/dataset"
	"smt/internal/finite"
	"smt/model"
)

// maxPassRows bounds how many rows one pass of the likelihood protocol takes, for short rows.
const maxPassRows = 64

// passCacheBytes bounds the memory of a pass's cache, at 4 bytes per element, where a pass has more than one row.
const passCacheBytes = 512 << 20

// A question is a row whose options are to be compared. The options' sequences share their first tokens (the prompt and
// most of the response), which are computed once; of the rest, the last token of each is only predicted.
type question struct {
	row     int
	text    string
	options []string
	shared  []int32 // tokens with which the sequences of all options begin
	// scoredFrom is the first supervised token, counted in the whole sequence.
	scoredFrom int
	tails      [][]int32 // per option: the tokens after the shared ones
	sums       []float64 // per option: log-probability of its supervised tokens
}

// newQuestion writes a row once with each option as its response and tokenizes it, prompt and response together.
func (e *Evaluator) newQuestion(template *dataset.Template, task Task, row *dataset.Row, index int) (*question, error) {
	options, err := task.options(row)
	if err != nil {
		return nil, rowError(row, index, err)
	}
	q := &question{row: index, options: options, scoredFrom: math.MaxInt, sums: make([]float64, len(options))}
	prompt, err := template.Prompt(row)
	if err != nil {
		return nil, err
	}
	q.text = prompt.Content
	for _, option := range options {
		filled := *row
		filled.Output = task.response + option
		text, err := template.Render(&filled)
		if err != nil {
			return nil, err
		}
		ids, spans := e.Tokenizer.EncodeOffsets(text.Content, text.AddSpecial, nil, nil)
		first, end := supervisedRange(spans, text.Supervised)
		if first < 1 {
			return nil, rowError(row, index, fmt.Errorf("option %q has no token after the prompt", option))
		}
		q.scoredFrom = min(q.scoredFrom, first)
		q.tails = append(q.tails, ids[:end])
	}
	n := q.agreement()
	if n < q.scoredFrom {
		return nil, rowError(row, index, errors.New("the tokens of the prompt depend on the option that follows it"))
	}
	q.shared = q.tails[0][:n]
	for o := range q.tails {
		q.tails[o] = q.tails[o][n:]
	}
	if limit := e.Decoder.Config.MaxPosition; q.length() > limit {
		return nil, rowError(row, index, fmt.Errorf("%d tokens, the model was made for %d (max_position_embeddings)", q.length(), limit))
	}
	return q, nil
}

// supervisedRange returns the range of tokens from the first to the last that overlap a supervised span.
func supervisedRange(tokens, supervised []dataset.Span) (first, end int) {
	first, end = -1, -1
	for i, t := range tokens {
		for _, s := range supervised {
			if t.Start >= 0 && t.Start < s.End && t.End > s.Start {
				if first < 0 {
					first = i
				}
				end = i + 1
			}
		}
	}
	return first, end
}

// agreement is the number of tokens with which all sequences begin.
func (q *question) agreement() int {
	n := len(q.tails[0])
	for _, other := range q.tails[1:] {
		i := 0
		for i < min(n, len(other)) && other[i] == q.tails[0][i] {
			i++
		}
		n = i
	}
	return n
}

// length is the number of tokens of the longest sequence.
func (q *question) length() int {
	n := 0
	for _, tail := range q.tails {
		n = max(n, len(q.shared)+len(tail))
	}
	return n
}

// scores returns the mean log-probability of each option's supervised tokens.
func (q *question) scores() []float64 {
	means := make([]float64, len(q.options))
	for o, sum := range q.sums {
		means[o] = sum / float64(len(q.shared)+len(q.tails[o])-q.scoredFrom)
	}
	return means
}

// compare computes the likelihoods of all questions, longest first, and calls done with each pass's. Passes in which
// nothing is wanted are left out. Which questions share a pass depends on nothing but the questions, so that a run which
// was interrupted has the same bits as one that was not.
func (e *Evaluator) compare(questions []*question, wanted func(pass []*question) bool, done func(pass []*question) error) error {
	if len(questions) == 0 {
		return nil
	}
	slices.SortStableFunc(questions, func(a, b *question) int { return cmp.Compare(b.length(), a.length()) })
	prefix := commonPrefix(questions)
	plan := planPasses(e.Decoder.Config, questions, len(prefix))
	limits := model.Limits{Tokens: len(prefix), Supervised: 1, Positions: questions[0].length()}
	for _, pass := range plan {
		tokens, targets := 0, 0
		for _, q := range pass {
			tokens += q.length() - len(prefix)
			targets += q.length() - q.scoredFrom + 1
		}
		limits.Tokens, limits.Supervised = max(limits.Tokens, tokens), max(limits.Supervised, targets)
	}
	e.Decoder.Prepare(limits)
	p := pass{decoder: e.Decoder, prefix: prefix}
	for _, questions := range plan {
		if !wanted(questions) {
			continue
		}
		if err := p.run(questions); err != nil {
			return err
		}
		if err := done(questions); err != nil {
			return err
		}
	}
	return nil
}

// commonPrefix is what the shared tokens of all questions begin with: the words of the template and of the task. At least
// one shared token of each question lies behind it, and all tokens whose logits are wanted do.
func commonPrefix(questions []*question) []int32 {
	if len(questions) < 2 {
		return nil
	}
	prefix := questions[0].shared
	for _, q := range questions {
		n := 0
		for n < min(len(prefix), q.scoredFrom-1) && prefix[n] == q.shared[n] {
			n++
		}
		prefix = prefix[:n]
	}
	return prefix
}

// planPasses cuts the questions, longest first, into passes of at most batchTokens tokens behind the common prefix and
// maxPassRows questions, as the memory of the cache allows.
func planPasses(c *model.Config, questions []*question, prefix int) [][]*question {
	var plan [][]*question
	for len(questions) > 0 {
		longest := questions[0].length()
		rows := min(len(questions), maxPassRows, passCacheBytes/(2*4*c.Layers*c.KVHeads*c.HeadDim*longest))
		n, total := 0, 0
		for n < max(rows, 1) && (n == 0 || total+questions[n].length()-prefix <= batchTokens) {
			total += questions[n].length() - prefix
			n++
		}
		plan, questions = append(plan, questions[:n]), questions[n:]
	}
	return plan
}

// A pass computes some questions together: their shared tokens in one step, and then the tails of the first options, of
// the second, and so on, each continuing the cached tokens. Most tails are one token, which needs no step. The prefix that
// all questions have in common is computed once and copied.
type pass struct {
	decoder *model.Decoder
	prefix  []int32
	cache   *model.Cache
	input   model.Input
	slots   []int
	rows    [][]int32
	wanted  []wanted // one for each target of the input
}

// wanted says which log-probabilities the logits of a target give.
type wanted struct {
	question *question
	options  []int // whose sums they belong to
	tokens   []int32
}

// room makes sure that the cache has a slot for each question, with the prefix in it. The longest questions come first, so
// a cache is never too short, but later passes hold more questions.
func (p *pass) room(questions []*question) error {
	length := questions[0].length()
	if p.cache == nil || p.cache.Slots < len(questions) {
		p.cache = nil
		p.cache = p.decoder.NewCache(min(len(questions)+len(questions)/2, maxPassRows), length)
		if len(p.prefix) > 0 {
			if err := p.fillPrefix(); err != nil {
				return err
			}
		}
	}
	for s := range p.cache.Used {
		p.cache.Used[s] = len(p.prefix)
	}
	return nil
}

// fillPrefix computes the prefix in the first slot and copies it to the others.
func (p *pass) fillPrefix() error {
	p.begin()
	p.slots, p.rows = append(p.slots, 0), append(p.rows, p.prefix)
	if err := p.cache.Extend(&p.input, p.slots, p.rows); err != nil {
		return err
	}
	if err := p.decoder.Logits(&p.input, p.cache, func(int, []float64) {}); err != nil {
		return err
	}
	for s := 1; s < p.cache.Slots; s++ {
		p.cache.Copy(p.decoder.Device, s, 0)
	}
	return nil
}

func (p *pass) run(questions []*question) error {
	if err := p.room(questions); err != nil {
		return err
	}
	p.begin()
	for s, q := range questions {
		p.slots, p.rows = append(p.slots, s), append(p.rows, q.shared[len(p.prefix):])
	}
	if err := p.extend(); err != nil {
		return err
	}
	start := 0
	for _, q := range questions {
		p.wantShared(q, start-len(p.prefix))
		start += len(q.shared) - len(p.prefix)
	}
	if err := p.logits(); err != nil {
		return err
	}
	most := 0
	for _, q := range questions {
		most = max(most, len(q.options))
	}
	for o := range most {
		if err := p.runTails(questions, o); err != nil {
			return err
		}
	}
	return nil
}

// runTails continues the shared tokens by those of option o, all but the last.
func (p *pass) runTails(questions []*question, o int) error {
	p.begin()
	for s, q := range questions {
		if o < len(q.options) && len(q.tails[o]) > 1 {
			p.cache.Used[s] = len(q.shared)
			p.slots, p.rows = append(p.slots, s), append(p.rows, q.tails[o][:len(q.tails[o])-1])
		}
	}
	if len(p.slots) == 0 {
		return nil
	}
	if err := p.extend(); err != nil {
		return err
	}
	start := 0
	for i, s := range p.slots {
		q := questions[s]
		for at := range p.rows[i] {
			p.want(q, start+at, []int{o}, q.tails[o][at+1:at+2])
		}
		start += len(p.rows[i])
	}
	return p.logits()
}

func (p *pass) begin() { p.slots, p.rows, p.wanted = p.slots[:0], p.rows[:0], p.wanted[:0] }

// extend makes the input of the chosen slots, without targets.
func (p *pass) extend() error {
	err := p.cache.Extend(&p.input, p.slots, p.rows)
	p.input.Targets = p.input.Targets[:0]
	return err
}

// wantShared asks for the supervised ones among the shared tokens, which count for all options, and for each option's
// first token after them. start is the place that the first shared token has in the input, or would have without a prefix.
func (p *pass) wantShared(q *question, start int) {
	var all, ending []int
	var first []int32
	for o, tail := range q.tails {
		all = append(all, o)
		if len(tail) > 0 {
			ending, first = append(ending, o), append(first, tail[0])
		}
	}
	for at := q.scoredFrom - 1; at < len(q.shared)-1; at++ {
		same := make([]int32, len(all))
		for o := range same {
			same[o] = q.shared[at+1]
		}
		p.want(q, start+at, all, same)
	}
	if len(ending) > 0 {
		p.want(q, start+len(q.shared)-1, ending, first)
	}
}

func (p *pass) want(q *question, target int, options []int, tokens []int32) {
	p.input.Targets = append(p.input.Targets, int32(target))
	p.wanted = append(p.wanted, wanted{q, options, tokens})
}

// logits runs the decoder and adds what is wanted of it to the questions' sums.
func (p *pass) logits() error {
	var failed error
	err := p.decoder.Logits(&p.input, p.cache, func(i int, logits []float64) {
		w := p.wanted[i]
		total := logSumExp(logits)
		if !finite.Is(total) {
			failed = fmt.Errorf("evaluate: the model's logits are %w; are its weights damaged?", finite.ErrNot)
			return
		}
		for j, o := range w.options {
			w.question.sums[o] += logits[w.tokens[j]] - total
		}
	})
	return cmp.Or(err, failed)
}

// logSumExp returns log Σ exp(v).
func logSumExp(values []float64) float64 {
	top, sum := slices.Max(values), 0.0
	for _, v := range values {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}
