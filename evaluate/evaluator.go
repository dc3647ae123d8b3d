package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"smt/dataset"
	"smt/generate"
	"smt/model"
)

// A Tokenizer is what evaluation needs of package tokenizer.
type Tokenizer interface {
	dataset.Tokenizer
	Decode(ids []int32, skipSpecial bool) string
}

// An Evaluator runs tasks on a model.
//
// It prepares the decoder for itself; call [model.Decoder.Prepare] again before training goes on.
type Evaluator struct {
	Decoder   *model.Decoder
	Tokenizer Tokenizer
	// Template writes the prompts and responses of the likelihood and greedy protocols and of the response loss; nil means
	// alpaca. A tuned model should be asked as it was taught. The other protocols have their own prompts.
	Template *dataset.Template
	// MaxNewTokens is the most tokens that the greedy protocol generates; 0 means 256. The other protocols have their own.
	MaxNewTokens int
	// Sandbox runs the programs that the model writes; nil refuses tasks that need it.
	Sandbox *Sandbox
	// Records is the path of a JSON Lines file with one [Record] for each row, written as rows are finished; "" means
	// none. A file that an interrupted run of the same task, protocol, template, model and rows has left is gone on with.
	Records string
	// Model names what is evaluated in the file of records.
	Model string
	// Progress, if not nil, is told how many rows are finished.
	Progress func(done, total int)
}

// Run is Evaluate for callers who want neither to interrupt it nor the records.
func (e *Evaluator) Run(task Task, protocol string, rows []dataset.Row) (Result, error) {
	result, _, err := e.Evaluate(context.Background(), task, protocol, rows)
	return result, err
}

// Evaluate evaluates rows on a task and returns a record for each of them, in their order. All rows are checked before the
// first is computed. When ctx ends, it stops after the rows that are being computed, with an error that wraps ctx.Err();
// the file of records then holds what is finished.
func (e *Evaluator) Evaluate(ctx context.Context, task Task, protocol string, rows []dataset.Row) (result Result, all []Record, err error) {
	if err := e.check(task, protocol, rows); err != nil {
		return Result{}, nil, err
	}
	template, err := e.template(protocol)
	if err != nil {
		return Result{}, nil, err
	}
	limit := 0
	if protocol != Likelihood {
		limit = decoding(protocol, task, e.MaxNewTokens).MaxNewTokens
	}
	all, err = e.record(recordHeader{task.Name, task.kind.String(), protocol, template.Name(), e.Model, limit, len(rows), hashRows(rows)},
		func(file *records) error {
			if protocol == Likelihood {
				return e.runLikelihood(ctx, template, task, rows, file)
			}
			return e.runGeneration(ctx, template, task, protocol, rows, file)
		})
	if err != nil {
		return Result{}, nil, err
	}
	return newResult(task, protocol, rows, all), all, nil
}

// check refuses what cannot be evaluated.
func (e *Evaluator) check(task Task, protocol string, rows []dataset.Row) error {
	if task.RunsCode() && e.Sandbox == nil {
		return ErrCodeExecution
	}
	return Check(task, protocol, rows)
}

// Check refuses what no model can be evaluated on: a protocol that does not fit the task ([CheckProtocol]), rows whose
// answers the task cannot judge ([CheckRows]), and under the likelihood protocol rows that do not list the options to
// compare, or lack the answer among them.
func Check(task Task, protocol string, rows []dataset.Row) error {
	if err := CheckProtocol(protocol, task); err != nil {
		return err
	}
	if err := CheckRows(task, rows); err != nil || protocol != Likelihood {
		return err
	}
	for i := range rows {
		if err := task.checkOptions(&rows[i]); err != nil {
			return rowError(&rows[i], i, err)
		}
	}
	return nil
}

// CheckRows refuses rows whose answers a task cannot judge.
func CheckRows(task Task, rows []dataset.Row) error {
	if len(rows) == 0 {
		return errors.New("evaluate: no rows")
	}
	for i := range rows {
		if err := task.check(&rows[i]); err != nil {
			return rowError(&rows[i], i, err)
		}
	}
	return nil
}

// template returns what writes the texts of a protocol.
func (e *Evaluator) template(protocol string) (*dataset.Template, error) {
	switch {
	case protocol == LLMAdapters || protocol == SMT:
		return promptTemplate(protocol)
	case e.Template != nil:
		return e.Template, nil
	}
	return dataset.NewTemplate(dataset.TemplateAlpaca, dataset.FormatInstruction, dataset.TemplateOptions{})
}

// record opens the file of records, lets compute fill in what it lacks, and returns all records.
func (e *Evaluator) record(header recordHeader, compute func(file *records) error) (all []Record, err error) {
	file, err := openRecords(e.Records, header)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	e.progress(file)
	if file.left > 0 {
		if err := compute(file); err != nil {
			return nil, err
		}
	}
	return file.rows, nil
}

// progress reports the rows that are finished.
func (e *Evaluator) progress(file *records) {
	if done := len(file.rows) - file.left; e.Progress != nil && done > 0 {
		e.Progress(done, len(file.rows))
	}
}

// interrupted is the error of a context that has ended.
func interrupted(ctx context.Context, file *records) error {
	if ctx.Err() == nil || file.left == 0 {
		return nil
	}
	hint := ""
	if file.file != nil {
		hint = "; the same command goes on with " + file.path
	}
	return fmt.Errorf("evaluate: stopped after %d of %d rows%s: %w", len(file.rows)-file.left, len(file.rows), hint, context.Cause(ctx))
}

func (e *Evaluator) runLikelihood(ctx context.Context, template *dataset.Template, task Task, rows []dataset.Row, file *records) error {
	var questions []*question
	for i := range rows {
		q, err := e.newQuestion(template, task, &rows[i], i)
		if err != nil {
			return err
		}
		questions = append(questions, q)
	}
	// A record is believed by whoever goes on with it, so that none may come of ids that the tokenizer does not vouch for.
	if err := e.Tokenizer.Err(); err != nil {
		return err
	}
	wanted := func(pass []*question) bool {
		return slices.ContainsFunc(pass, func(q *question) bool { return !file.done[q.row] })
	}
	return e.compare(questions, wanted, func(pass []*question) error {
		for _, q := range pass {
			if file.done[q.row] {
				continue
			}
			scores := q.scores()
			best := 0
			for o, s := range scores {
				if s > scores[best] {
					best = o
				}
			}
			record := Record{Row: q.row, Prompt: q.text, Output: q.options[best], Extracted: q.options[best],
				Answer: rows[q.row].Answer, Options: q.options, Scores: scores}
			if err := file.add(record.judged(record.Extracted == record.Answer)); err != nil {
				return err
			}
		}
		e.progress(file)
		return interrupted(ctx, file)
	})
}

func (e *Evaluator) runGeneration(ctx context.Context, template *dataset.Template, task Task, protocol string, rows []dataset.Row, file *records) error {
	var places []int
	var texts []string
	var prompts [][]int32
	options := decoding(protocol, task, e.MaxNewTokens)
	options.StopIDs = StopTokens(e.Decoder.Config, e.Tokenizer, template)
	for i := range rows {
		if file.done[i] {
			continue
		}
		text, err := template.Prompt(&rows[i])
		if err != nil {
			return err
		}
		prompt := e.encodePrompt(text)
		if limit := e.Decoder.Config.MaxPosition; options.MaxNewTokens > limit-len(prompt) {
			return rowError(&rows[i], i, fmt.Errorf("%d tokens and up to %d new ones, the model was made for %d (max_position_embeddings); "+
				"leave the row out, or generate fewer: the protocol %s with a smaller max_new_tokens", len(prompt), options.MaxNewTokens, limit, Greedy))
		}
		places, texts, prompts = append(places, i), append(texts, text.Content), append(prompts, prompt)
	}
	if err := e.Tokenizer.Err(); err != nil { // as in runLikelihood
		return err
	}
	return generate.Each(e.Decoder, prompts, options, func(i int, tokens []int32) error {
		whole := append(prompts[i][:len(prompts[i]):len(prompts[i])], tokens...)
		output := scored(protocol, task, e.Tokenizer.Decode(prompts[i], true), e.Tokenizer.Decode(whole, true))
		record, err := e.judge(ctx, task, &rows[places[i]], Record{Row: places[i], Prompt: texts[i], Output: output})
		if err != nil {
			return err
		}
		if err := file.add(record); err != nil {
			return err
		}
		e.progress(file)
		return interrupted(ctx, file)
	})
}

// judge fills in a record whose output is there.
func (e *Evaluator) judge(ctx context.Context, task Task, row *dataset.Row, r Record) (Record, error) {
	r.Answer, r.Extracted = row.Answer, task.extract(r.Output, row)
	switch task.kind {
	case translation:
		r.Correct, r.Value = r.Extracted == strings.TrimSpace(r.Answer), ChrF([]string{r.Extracted}, []string{r.Answer})
		return r, nil
	case code:
		problem, err := e.Sandbox.Run(ctx, r.Extracted, row.Setup, row.Tests)
		r.Problem = problem
		return r.judged(problem == ""), err
	case choice, label:
		return r.judged(r.Extracted != "" && r.Extracted == r.Answer), nil
	}
	return r.judged(task.Correct(r.Extracted, r.Answer)), nil
}

// encodePrompt tokenizes a prompt. What a tokenizer adds behind the text, an end-of-sequence token, is left off: the
// text is to be continued.
func (e *Evaluator) encodePrompt(text dataset.Text) []int32 {
	ids, spans := e.Tokenizer.EncodeOffsets(text.Content, text.AddSpecial, nil, nil)
	n := len(ids)
	for n > 1 && spans[n-1].Start < 0 {
		n--
	}
	return ids[:n]
}

// rowError says which row an error comes from.
func rowError(row *dataset.Row, index int, err error) error {
	if row.File == "" {
		return fmt.Errorf("evaluate: row %d: %w", index, err)
	}
	return fmt.Errorf("evaluate: %s:%d: %w", row.File, row.Line, err)
}
