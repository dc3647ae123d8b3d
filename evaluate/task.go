package evaluate

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"smt/dataset"
)

// A Task says how the answer to a row is read from what a model wrote, and how it is judged.
type Task struct {
	Name string
	kind kind
	// pattern matches the options of a choice task of the papers in running text; nil means whole words, in any case.
	pattern *regexp.Regexp
	// response is what stands before the answer where the likelihood protocol writes it.
	response string
	// labels of a label task: the answers to choose from, by the rows' field "task".
	labels map[string][]string
}

// kind is what an answer looks like.
type kind uint8

const (
	choice      kind = iota // one of the options that the instruction names, such as "answer2"
	number                  // the last number of the text
	letter                  // the first of A to E
	label                   // one of the answers that occur in the file
	translation             // a sentence, compared by BLEU and chrF
	code                    // a Python program that passes the row's tests
)

// kindNames are the answer kinds of tasks that are not listed, in the order of the constants.
var kindNames = []string{"choice", "number", "letter", "label", "translation", "code"}

// AnswerKinds lists what [NewTask] takes as the kind of an answer.
func AnswerKinds() []string { return slices.Clone(kindNames) }

func (k kind) String() string { return kindNames[k] }

// answerIs begins the responses of the commonsense files.
const answerIs = "the correct answer is "

var answers = regexp.MustCompile(`answer1|answer2|answer3|answer4|answer5`)

// tasks lists the commonsense tasks in the order of the papers' tables, the arithmetic ones, and those of other domains.
var tasks = []Task{
	{Name: "boolq", pattern: regexp.MustCompile(`true|false`), response: answerIs},
	{Name: "piqa", pattern: regexp.MustCompile(`solution1|solution2`), response: answerIs},
	{Name: "social_i_qa", pattern: answers, response: answerIs},
	{Name: "hellaswag", pattern: regexp.MustCompile(`ending1|ending2|ending3|ending4`), response: answerIs},
	{Name: "winogrande", pattern: regexp.MustCompile(`option1|option2`), response: answerIs},
	{Name: "ARC-Easy", pattern: answers, response: answerIs},
	{Name: "ARC-Challenge", pattern: answers, response: answerIs},
	{Name: "openbookqa", pattern: answers, response: answerIs},
	{Name: "gsm8k", kind: number},
	{Name: "SingleEq", kind: number},
	{Name: "SVAMP", kind: number},
	{Name: "MultiArith", kind: number},
	{Name: "AddSub", kind: number},
	{Name: "mawps", kind: number},
	{Name: "AQuA", kind: letter},
	{Name: "pubmedqa", kind: choice, response: answerIs},
	{Name: "legalbench", kind: label},
	{Name: "multi30k", kind: translation},
	{Name: "translation", kind: translation},
	{Name: "mbpp", kind: code},
}

// TaskNames lists the tasks in the order of the papers' tables.
func TaskNames() []string {
	var names []string
	for _, t := range tasks {
		names = append(names, t.Name)
	}
	return names
}

// FindTask returns a task by its name, in any case. Tasks whose labels come from their rows need [NewTask].
func FindTask(name string) (Task, error) {
	i := slices.IndexFunc(tasks, func(t Task) bool { return strings.EqualFold(t.Name, name) })
	if i < 0 {
		return Task{}, fmt.Errorf("evaluate: task %q: expected one of %s", name, strings.Join(TaskNames(), ", "))
	}
	return tasks[i], nil
}

// HasOptions reports whether there is a list of answers to choose from, so that the task can be scored by likelihood.
func (t Task) HasOptions() bool { return t.kind == choice || t.kind == label }

// HasLabels reports whether the answers are labels of a closed set that the rows themselves tell.
func (t Task) HasLabels() bool { return t.kind == label }

// balances reports whether accuracy is also taken label by label: where the answers are labels that say the same in every
// row. The options of the papers' tasks mostly number what a row offers, and so do those of a task of another name if not all
// of its rows list the same ones, in whatever order.
func (t Task) balances(rows []dataset.Row) bool {
	if t.kind != choice || t.pattern != nil {
		return t.kind == label
	}
	var first []string
	for i := range rows {
		options, err := t.options(&rows[i])
		if slices.Sort(options); i == 0 {
			first = options
		}
		if err != nil || !slices.Equal(options, first) {
			return false
		}
	}
	return true
}

// RunsCode reports whether the task runs what the model writes.
func (t Task) RunsCode() bool { return t.kind == code }

// Translates reports whether the task is judged by BLEU and chrF instead of right and wrong.
func (t Task) Translates() bool { return t.kind == translation }

// Options returns the answers that an instruction asks to choose from: what follows its last "Answer format:", such as
// "answer1/answer2/answer3".
func (t Task) Options(instruction string) ([]string, error) {
	const marker = "Answer format:"
	at := strings.LastIndex(instruction, marker)
	if at < 0 {
		return nil, fmt.Errorf("field \"instruction\": no %q in it, which lists the options of %s", marker, t.Name)
	}
	list := strings.TrimSpace(instruction[at+len(marker):])
	options := strings.Split(list, "/")
	for i, o := range options {
		if o == "" || t.pattern != nil && t.pattern.FindString(o) != o || slices.Contains(options[:i], o) {
			of := ""
			if t.pattern != nil {
				of = " of " + t.pattern.String()
			}
			return nil, fmt.Errorf("field \"instruction\": options %q after %q: expected different ones%s, parted by /", list,
				marker, of)
		}
	}
	return options, nil
}

// options returns what a row's answer is chosen from; nil where a task has no such list.
func (t Task) options(row *dataset.Row) ([]string, error) {
	switch t.kind {
	case choice:
		return t.Options(row.Instruction)
	case label:
		if options := t.labels[row.Task]; len(options) > 1 {
			return options, nil
		}
		return nil, fmt.Errorf("no list of labels for the sub-task %q of %s; make the task with all rows of the file, and leave out "+
			"the rows that it cannot judge", row.Task, t.Name)
	}
	return nil, nil
}

// check refuses a row that nothing a model writes could be right for.
func (t Task) check(row *dataset.Row) error {
	switch {
	case t.kind == code:
		if len(row.Tests) == 0 {
			return fmt.Errorf("field \"test_list\": empty, expected the statements that a program must pass")
		}
		return nil
	case t.kind == translation:
		if strings.TrimSpace(row.Answer) == "" {
			return fmt.Errorf("field \"answer\": empty, expected the reference translation")
		}
		return nil
	case t.HasOptions() && t.pattern == nil:
		return t.checkOptions(row)
	}
	return t.checkAnswer(row.Answer)
}

// checkOptions refuses a row whose answer is none of its options, or that has none.
func (t Task) checkOptions(row *dataset.Row) error {
	options, err := t.options(row)
	if err == nil && !slices.Contains(options, row.Answer) {
		err = fmt.Errorf("field \"answer\": %q, expected one of the options %q", row.Answer, options)
	}
	return err
}

// checkAnswer is check for tasks whose answers have the same form in every row.
func (t Task) checkAnswer(answer string) error {
	switch t.kind {
	case choice:
		if answer == "" || t.pattern.FindString(answer) != answer {
			return fmt.Errorf("field \"answer\": %q, expected one of %s", answer, strings.ReplaceAll(t.pattern.String(), "|", ", "))
		}
	case letter:
		if len(answer) != 1 || !strings.Contains("ABCDE", answer) {
			return fmt.Errorf("field \"answer\": %q, expected a letter from A to E", answer)
		}
	case number:
		if v, ok := parseNumber(strings.TrimSpace(answer)); !ok || math.IsInf(v, 0) {
			return fmt.Errorf("field \"answer\": %q, expected a number", answer)
		}
	}
	return nil
}
