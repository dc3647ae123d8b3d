// Package evaluate measures a model: its perplexity, and its accuracy on the question-answering tasks by which adapters
// are compared in the literature, under the protocols that the literature uses.
package evaluate

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// A Task says how the answer to a row is read from what a model wrote.
type Task struct {
	Name string
	kind kind
	// pattern matches the options of a choice task in running text.
	pattern *regexp.Regexp
}

// kind is what an answer looks like.
type kind uint8

const (
	choice kind = iota // one of the options that the instruction names, such as "answer2"
	number             // the last number of the text
	letter             // the first of A to E
)

var answers = regexp.MustCompile(`answer1|answer2|answer3|answer4|answer5`)

// tasks lists the commonsense tasks in the order of the papers' tables, then the arithmetic ones.
var tasks = []Task{
	{"boolq", choice, regexp.MustCompile(`true|false`)},
	{"piqa", choice, regexp.MustCompile(`solution1|solution2`)},
	{"social_i_qa", choice, answers},
	{"hellaswag", choice, regexp.MustCompile(`ending1|ending2|ending3|ending4`)},
	{"winogrande", choice, regexp.MustCompile(`option1|option2`)},
	{"ARC-Easy", choice, answers},
	{"ARC-Challenge", choice, answers},
	{"openbookqa", choice, answers},
	{"gsm8k", number, nil},
	{"SingleEq", number, nil},
	{"SVAMP", number, nil},
	{"MultiArith", number, nil},
	{"AddSub", number, nil},
	{"mawps", number, nil},
	{"AQuA", letter, nil},
}

// TaskNames lists the tasks in the order of the papers' tables.
func TaskNames() []string {
	var names []string
	for _, t := range tasks {
		names = append(names, t.Name)
	}
	return names
}

// FindTask returns a task by its name, in any case.
func FindTask(name string) (Task, error) {
	i := slices.IndexFunc(tasks, func(t Task) bool { return strings.EqualFold(t.Name, name) })
	if i < 0 {
		return Task{}, fmt.Errorf("evaluate: task %q: expected one of %s", name, strings.Join(TaskNames(), ", "))
	}
	return tasks[i], nil
}

// HasOptions reports whether the instruction of a row lists its options, so that the task can be scored by likelihood.
func (t Task) HasOptions() bool { return t.kind == choice }

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
		if o == "" || t.pattern.FindString(o) != o || slices.Contains(options[:i], o) {
			return nil, fmt.Errorf("field \"instruction\": options %q after %q: expected different ones of %s, parted by /", list,
				marker, t.pattern)
		}
	}
	return options, nil
}

// checkAnswer refuses the answer of a row that nothing a model writes could equal.
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
