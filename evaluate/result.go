package evaluate

import "math"

// A Result is what a model achieves on a task.
type Result struct {
	Task          string  `json:"task"`
	Protocol      string  `json:"protocol"`
	Correct       int     `json:"correct"`
	Total         int     `json:"total"`
	Accuracy      float64 `json:"accuracy"`       // Correct / Total
	StandardError float64 `json:"standard_error"` // of the accuracy, sqrt(p·(1-p)/(n-1))
	// Translation is set for tasks that are judged by it. Correct then counts the sentences that equal their reference.
	Translation *TranslationScore `json:"translation,omitempty"`
}

func newResult(task Task, protocol string, records []Record) Result {
	correct := 0
	for _, r := range records {
		if r.Correct {
			correct++
		}
	}
	result := accuracy(task.Name, protocol, correct, len(records))
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
