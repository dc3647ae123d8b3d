package experiment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"smt/config"
	"smt/dataset"
	"smt/demo"
	"smt/evaluate"
	"smt/recipe"
)

// A Task is a measure beside the loss: a task of package evaluate, or "demo" for exact match on the demo's held-out rows.
type Task struct {
	Name     string `json:"name"`
	File     string `json:"file"`
	Protocol string `json:"protocol,omitempty"` // "": what suits the task
	Limit    int    `json:"limit,omitempty"`    // rows; 0: all
	// AllowCode lets the task run the programs that a model writes.
	AllowCode bool `json:"allow_code_execution,omitempty"`
	// Digest is the SHA-256 of the file: scores of rows that have been edited since are not those of the task.
	Digest string `json:"sha256,omitempty"`
}

// same reports whether two tasks ask the same of a model, wherever their rows lie. A task without a digest, as earlier versions
// stored it, is not known to.
func (t Task) same(other Task) bool {
	if t.Digest != "" {
		t.File = other.File
	}
	return t == other
}

// DemoTask is the name of the demo's own measure.
const DemoTask = "demo"

// unit is the unit of the task's score.
func (t Task) unit() string {
	if which, err := evaluate.FindTask(t.Name); err == nil && which.Translates() {
		return "chrF"
	}
	return "%"
}

// records is the name of the file of the task's records: tasks that differ have different ones.
func (t Task) records() string {
	sum := sha256.Sum256(fmt.Append(nil, t.Digest, "\n", t.Protocol, "\n", t.Limit))
	return "task-" + t.Name + "-" + hex.EncodeToString(sum[:4]) + ".jsonl"
}

// Check finds the task and its protocol, and says what is in the way of measuring it beside its rows.
func (t Task) Check() (which evaluate.Task, protocol string, err error) {
	if which, err = evaluate.FindTask(t.Name); err != nil {
		return which, "", err
	}
	if which.RunsCode() && !t.AllowCode {
		return which, "", evaluate.ErrCodeExecution
	}
	protocol = t.Protocol
	if protocol == "" {
		protocol = evaluate.DefaultProtocol(which)
	}
	return which, protocol, evaluate.CheckProtocol(protocol, which)
}

// open finds the task, its protocol and those of its rows that it can judge, up to the limit, and refuses rows whose answers are none.
func (t Task) open() (which evaluate.Task, protocol string, rows []dataset.Row, err error) {
	if which, protocol, err = t.Check(); err != nil {
		return which, "", nil, err
	}
	if rows, err = dataset.Load([]string{t.File}, dataset.ReadOptions{Evaluation: true}); err != nil {
		return which, "", nil, err
	}
	if which, err = evaluate.NewTask(t.Name, "", rows); err != nil { // labels are collected from all rows
		return which, "", nil, err
	}
	if rows = which.Judged(rows); len(rows) == 0 {
		return which, "", nil, fmt.Errorf("evaluate: %s: no row has a closed set of labels to choose from", t.File)
	}
	if t.Limit > 0 && len(rows) > t.Limit {
		rows = rows[:t.Limit]
	}
	return which, protocol, rows, evaluate.CheckRows(which, rows)
}

// checkTasks finds out before anything is trained what would be in the way of measuring a task, and returns the tasks with the
// digests of their files.
func checkTasks(tasks []Task) ([]Task, error) {
	checked := slices.Clone(tasks)
	for i, t := range checked {
		var err error
		if t.Name != DemoTask {
			_, _, _, err = t.open()
		}
		if err == nil {
			checked[i].Digest, err = fileDigest(t.File)
		}
		if err != nil {
			return nil, fmt.Errorf("task %s=%s: %w", t.Name, t.File, err)
		}
	}
	return checked, nil
}

// measureTask measures a trained model on a task.
func measureTask(ctx context.Context, e evaluate.Evaluator, m *recipe.Trained, c config.Recipe, task Task) (evaluate.Result, error) {
	if task.Name == DemoTask {
		r, err := demo.ExactMatch(m.Decoder, m.Tokenizer, task.File)
		if err != nil {
			return evaluate.Result{}, err
		}
		return evaluate.Result{Task: DemoTask, Protocol: "exact match", Correct: r.Correct, Total: r.Total, Accuracy: r.Accuracy(),
			StandardError: accuracyError(r.Accuracy(), r.Total)}, nil
	}
	which, protocol, rows, err := task.open()
	if err != nil {
		return evaluate.Result{}, err
	}
	if e.Template, err = recipe.NewTemplate(c, rows[0].Format, m.Tokenizer); err != nil {
		return evaluate.Result{}, err
	}
	if which.RunsCode() {
		if e.Sandbox, err = evaluate.NewSandbox(ctx); err != nil {
			return evaluate.Result{}, err
		}
	}
	r, _, err := e.Evaluate(ctx, which, protocol, rows)
	return r, err
}
