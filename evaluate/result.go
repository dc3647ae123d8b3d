package evaluate

import (
	"math"

	"smt/dataset"
)

// A Result is what a model achieves on a task.
type Result struct {
	Task          string  `json:"task"`
	Protocol      string  `json:"protocol"`
	Correct       int     `json:"correct"`
	Total         int     `json:"total"`
	Accuracy      float64 `json:"accuracy"`       // Correct / Total
	StandardError float64 `json:"standard_error"` // of the accuracy, sqrt(p·(1-p)/(n-1))
	// BalancedAccuracy is set for tasks whose answers are labels (pubmedqa, legalbench, tasks of other names with the kind
	// label, or with the kind choice if all rows list the same options): the mean over the sub-tasks, with equal weights, of
	// the mean over a sub-task's labels of the share of its rows that are right, as LegalBench scores its classifications (Guha
	// et al. 2023). Guessing always the same label gives 1/labels, however often it occurs.
	BalancedAccuracy *float64 `json:"balanced_accuracy,omitempty"`
	// Translation is set for tasks that are judged by it. Correct then counts the sentences that equal their reference.
	Translation *TranslationScore `json:"translation,omitempty"`
}

func newResult(task Task, protocol string, rows []dataset.Row, records []Record) Result {
	correct := 0
	for _, r := range records {
		if r.Correct {
			correct++
		}
	}
	result := accuracy(task.Name, protocol, correct, len(records))
	if task.balances(rows) {
		balanced := balancedAccuracy(rows, records)
		result.BalancedAccuracy = &balanced
	}
	if task.Translates() {
		score := scoreRecords(records)
		result.Translation = &score
	}
	return result
}

func accuracy(task, protocol string, correct, total int) Result {
	r := Result{Task: task, Protocol: protocol, Correct: correct, Total: total}
	if total > 0 {
		r.Accuracy = float64(correct) / float64(total)
	}
	if total > 1 {
		r.StandardError = math.Sqrt(r.Accuracy * (1 - r.Accuracy) / float64(total-1))
	}
	return r
}

// balancedAccuracy is the mean over sub-tasks of the mean over their labels of a label's recall.
func balancedAccuracy(rows []dataset.Row, records []Record) float64 {
	type label struct{ task, answer string }
	right, rowsOf, labelsOf := map[label]float64{}, map[label]float64{}, map[string]float64{}
	var labels []label // in the order of the rows, so that the sum has the same bits each time
	for _, r := range records {
		l := label{rows[r.Row].Task, rows[r.Row].Answer}
		if rowsOf[l] == 0 {
			labels = append(labels, l)
			labelsOf[l.task]++
		}
		rowsOf[l]++
		if r.Correct {
			right[l]++
		}
	}
	sum := 0.0
	for _, l := range labels {
		sum += right[l] / rowsOf[l] / labelsOf[l.task]
	}
	return sum / float64(max(len(labelsOf), 1))
}

// MeanAccuracy is the mean of the accuracies of several tasks, each with the same weight, and its standard error
// sqrt(Σ se²)/k.
func MeanAccuracy(results []Result) (mean, standardError float64) {
	for _, r := range results {
		mean += r.Accuracy
		standardError += r.StandardError * r.StandardError
	}
	k := float64(max(len(results), 1))
	return mean / k, math.Sqrt(standardError) / k
}
