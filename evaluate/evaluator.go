package evaluate

import (
	"errors"
	"fmt"

	"smt/dataset"
	"smt/generate"
	"smt/model"
)

// A Tokenizer is what evaluation needs of package tokenizer.
type Tokenizer interface {
	Decode(ids []int32, skipSpecial bool) string
	EncodeOffsets(text string, addSpecial bool, ids []int32, offsets []dataset.Span) ([]int32, []dataset.Span)
}

// An Evaluator runs tasks on a model.
//
// It prepares the decoder for itself; call [model.Decoder.Prepare] again before training goes on.
type Evaluator struct {
	Decoder   *model.Decoder
	Tokenizer Tokenizer
	// Template writes the prompts and responses of the likelihood protocol; nil means alpaca. A tuned model should be
	// asked as it was taught. The other protocols have their own prompts.
	Template *dataset.Template
	// Records is the path of a JSON Lines file with one [Record] for each row, written as rows are finished; "" means
	// none. A file that an interrupted run of the same task, protocol, template, model and rows has left is gone on with.
	Records string
	// Model names what is evaluated in the file of records.
	Model string
	// Progress, if not nil, is told how many rows are finished.
	Progress func(done, total int)
}

// Run evaluates rows on a task. All rows are checked before the first is computed.
func (e *Evaluator) Run(task Task, protocol string, rows []dataset.Row) (result Result, err error) {
	if err := checkProtocol(protocol, task); err != nil {
		return Result{}, err
	}
	if len(rows) == 0 {
		return Result{}, errors.New("evaluate: no rows")
	}
	for i := range rows {
		if err := task.checkAnswer(rows[i].Answer); err != nil {
			return Result{}, rowError(&rows[i], i, err)
		}
	}
	template := e.Template
	if protocol != Likelihood {
		template, err = promptTemplate(protocol)
	} else if template == nil {
		template, err = dataset.NewTemplate(dataset.TemplateAlpaca, dataset.FormatInstruction, dataset.TemplateOptions{})
	}
	if err != nil {
		return Result{}, err
	}
	file, err := openRecords(e.Records, newHeader(task, protocol, template.Name(), e.Model, rows))
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	if protocol == Likelihood {
		err = e.runLikelihood(template, task, rows, file)
	} else {
		err = e.runGeneration(template, task, protocol, rows, file)
	}
	if err != nil {
		return Result{}, err
	}
	return newResult(task.Name, protocol, file.correct, len(rows)), nil
}

// progress reports the rows that are finished.
func (e *Evaluator) progress(file *records, total int) {
	if e.Progress != nil {
		e.Progress(len(file.done), total)
	}
}

func (e *Evaluator) runLikelihood(template *dataset.Template, task Task, rows []dataset.Row, file *records) error {
	var questions []*question
	for i := range rows {
		if file.done[i] {
			continue
		}
		q, err := e.newQuestion(template, task, &rows[i], i)
		if err != nil {
			return err
		}
		questions = append(questions, q)
	}
	return e.compare(questions, func(pass []*question) error {
		for _, q := range pass {
			scores := q.scores()
			best := 0
			for o, s := range scores {
				if s > scores[best] {
					best = o
				}
			}
			answer := rows[q.row].Answer
			if err := file.add(Record{Row: q.row, Prompt: q.text, Output: q.options[best], Extracted: q.options[best],
				Answer: answer, Correct: q.options[best] == answer, Options: q.options, Scores: scores}); err != nil {
				return err
			}
		}
		e.progress(file, len(rows))
		return nil
	})
}

func (e *Evaluator) runGeneration(template *dataset.Template, task Task, protocol string, rows []dataset.Row, file *records) error {
	var places []int
	var texts []string
	var prompts [][]int32
	for i := range rows {
		if file.done[i] {
			continue
		}
		text, err := template.Prompt(&rows[i])
		if err != nil {
			return err
		}
		places, texts, prompts = append(places, i), append(texts, text.Content), append(prompts, e.encodePrompt(text))
	}
	return generate.Each(e.Decoder, prompts, decoding(protocol, task), func(i int, tokens []int32) error {
		whole := append(prompts[i][:len(prompts[i]):len(prompts[i])], tokens...)
		output := scored(protocol, task, e.Tokenizer.Decode(prompts[i], true), e.Tokenizer.Decode(whole, true))
		extracted, answer := task.Extract(output), rows[places[i]].Answer
		if err := file.add(Record{Row: places[i], Prompt: texts[i], Output: output, Extracted: extracted, Answer: answer,
			Correct: task.Correct(extracted, answer)}); err != nil {
			return err
		}
		e.progress(file, len(rows))
		return nil
	})
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
