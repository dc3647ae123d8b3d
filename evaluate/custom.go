package evaluate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"smt/dataset"
)

// NewTask returns the task of a file's rows. A name that [FindTask] knows is that task. Any other name is a task of its
// own, and answerKind says how its answers are read and judged:
//
//	choice       one of the options that the instruction lists after "Answer format:", as whole words in any case
//	number       the last number of the text, within 0.001
//	letter       the first capital letter A to E
//	label        one of the answers that occur in the file, among rows with the same field "task" if they have one
//	translation  a sentence, by BLEU and chrF
//	code         a Python program that passes the statements of the field "test_list"
//
// An empty answerKind is derived from the rows, where they leave no doubt. rows should be all of the file, also those that
// a limit leaves out later: labels are collected from them.
func NewTask(name, answerKind string, rows []dataset.Row) (Task, error) {
	t, err := FindTask(name)
	known := err == nil
	switch {
	case len(rows) == 0:
		return Task{}, errors.New("evaluate: no rows")
	case known && answerKind != "" && answerKind != t.kind.String():
		return Task{}, fmt.Errorf("evaluate: answer_kind %q: the answers of task %s are of the kind %s; give the rows another name",
			answerKind, t.Name, t.kind)
	case !known:
		if t, err = customTask(name, answerKind, rows); err != nil {
			return Task{}, err
		}
	}
	if t.kind == label {
		t.labels = collectLabels(rows)
	}
	return t, nil
}

func customTask(name, answerKind string, rows []dataset.Row) (Task, error) {
	t := Task{Name: name}
	if name == "" || strings.ContainsAny(name, "/\\,") {
		return t, fmt.Errorf("evaluate: task %q: expected a name without slashes and commas", name)
	}
	if strings.EqualFold(name, PerplexityTask) {
		return t, fmt.Errorf("evaluate: task %q: %s is the loss of responses, which have no answers to judge; give the rows another name "+
			"(an Evaluator measures it by ResponseLoss)", name, PerplexityTask)
	}
	if answerKind == "" {
		k, ok := deriveKind(rows)
		if !ok {
			return t, fmt.Errorf("evaluate: task %q is none of %s, and its rows do not tell what their answers are; say so with "+
				"answer_kind: %s", name, strings.Join(append(TaskNames(), PerplexityTask), ", "), strings.Join(kindNames, ", "))
		}
		t.kind = k
	} else {
		i := slices.Index(kindNames, answerKind)
		if i < 0 {
			return t, fmt.Errorf("evaluate: answer_kind %q: expected one of %s", answerKind, strings.Join(kindNames, ", "))
		}
		t.kind = kind(i)
	}
	if t.HasOptions() {
		t.response = responsePrefix(rows)
	}
	return t, nil
}

// deriveKind tells what the answers of rows are, if all rows agree.
func deriveKind(rows []dataset.Row) (kind, bool) {
	all := func(fits func(row *dataset.Row) bool) bool {
		for i := range rows {
			if !fits(&rows[i]) {
				return false
			}
		}
		return true
	}
	checks := func(t Task) func(row *dataset.Row) bool {
		return func(row *dataset.Row) bool { return t.check(row) == nil }
	}
	for _, k := range []kind{code, choice, letter, number} {
		if all(checks(Task{kind: k})) {
			return k, true
		}
	}
	// A set of labels is small, and each occurs more than once.
	counts := map[string]int{}
	for i := range rows {
		counts[rows[i].Answer]++
	}
	once := false
	for _, n := range counts {
		once = once || n == 1
	}
	return label, counts[""] == 0 && len(counts) > 1 && len(counts) <= maxLabels && !once
}

// maxLabels is how many different answers a set of labels may have that nobody has called so.
const maxLabels = 20

// responsePrefix is what stands before the answer in the outputs of all rows that have one, such as "the correct answer
// is "; it is empty if they do not agree.
func responsePrefix(rows []dataset.Row) string {
	prefix, found := "", false
	for i := range rows {
		row := &rows[i]
		if row.Output == "" {
			continue
		}
		before, ok := strings.CutSuffix(row.Output, row.Answer)
		if !ok || found && before != prefix {
			return ""
		}
		prefix, found = before, true
	}
	return prefix
}

// openSubtasks are the parts of LegalBench whose answers are no label of a closed set: free text, amounts, lists of names.
// LegalBench's own evaluation.py judges them by rules of their own.
var openSubtasks = []string{"citation_prediction_open", "definition_extraction", "rule_qa", "sara_numeric", "ssla_company_defendants",
	"ssla_individual_defendants", "ssla_plaintiff", "successor_liability"}

// collectLabels lists the answers of the rows of each sub-task, in the order in which they first occur.
func collectLabels(rows []dataset.Row) map[string][]string {
	labels := map[string][]string{}
	for i := range rows {
		row := &rows[i]
		if row.Answer != "" && !slices.Contains(openSubtasks, row.Task) && !slices.Contains(labels[row.Task], row.Answer) {
			labels[row.Task] = append(labels[row.Task], row.Answer)
		}
	}
	return labels
}

// Judged returns the rows that the task can judge: all, but those of a label task whose sub-task has no closed set of at
// least two labels.
func (t Task) Judged(rows []dataset.Row) []dataset.Row {
	if t.kind != label {
		return rows
	}
	var judged []dataset.Row
	for i := range rows {
		if len(t.labels[rows[i].Task]) > 1 {
			judged = append(judged, rows[i])
		}
	}
	return judged
}
