package evaluate

import "math"

// A Result is the accuracy of a model on a task.
type Result struct {
	Task          string  `json:"task"`
	Protocol      string  `json:"protocol"`
	Correct       int     `json:"correct"`
	Total         int     `json:"total"`
	Accuracy      float64 `json:"accuracy"`       // Correct / Total
	StandardError float64 `json:"standard_error"` // of the accuracy, sqrt(p·(1-p)/(n-1))
}

func newResult(task, protocol string, correct, total int) Result {
	r := Result{Task: task, Protocol: protocol, Correct: correct, Total: total}
	if total > 0 {
		r.Accuracy = float64(correct) / float64(total)
	}
	if total > 1 {
		r.StandardError = math.Sqrt(r.Accuracy * (1 - r.Accuracy) / float64(total-1))
	}
	return r
}
