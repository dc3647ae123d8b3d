package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"smt/dataset"
	"smt/evaluate"
)

// An evalJob is one task with its rows.
type evalJob struct {
	name     string
	task     evaluate.Task
	protocol string
	rows     []dataset.Row
	left     int // rows that the task cannot judge
	records  string
}

// loss reports whether the job measures the loss of responses.
func (j *evalJob) loss() bool { return j.name == evaluate.PerplexityTask }

// jobs reads the rows of all tasks and checks them.
func (o *evalOptions) jobs() ([]evalJob, error) {
	usage := func(format string, args ...any) error {
		return &ExitError{ExitUsage, fmt.Errorf("cli: "+format, args...)}
	}
	if len(o.tasks) == 0 || o.dataset == "" {
		return nil, usage("--task and --dataset are needed")
	}
	if o.limit < 0 || o.newTokens < 1 || o.length < 2 {
		return nil, usage("limit %d, max_new_tokens %d and max_seq_length %d: expected at least 0, 1 and 2", o.limit, o.newTokens, o.length)
	}
	if len(o.tasks) > 1 && o.records != "" {
		if err := os.MkdirAll(o.records, 0o777); err != nil {
			return nil, fmt.Errorf("cli: with several tasks, records is a directory: %w", err)
		}
	}
	var jobs []evalJob
	for _, name := range o.tasks {
		job, err := o.job(name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(jobs, func(j evalJob) bool { return strings.EqualFold(j.name, job.name) }) {
			return nil, usage("task %s is named twice", job.name)
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

func (o *evalOptions) job(name string) (evalJob, error) {
	job := evalJob{name: name, records: o.records}
	if known, err := evaluate.FindTask(name); err == nil {
		job.name = known.Name
	} else if strings.EqualFold(name, evaluate.PerplexityTask) {
		job.name = evaluate.PerplexityTask
	}
	if len(o.tasks) > 1 && o.records != "" {
		job.records = filepath.Join(o.records, job.name+".jsonl")
	}
	file, err := taskFile(o.dataset, job.name, len(o.tasks) > 1)
	if err != nil {
		return job, err
	}
	rows, err := dataset.Load([]string{file}, dataset.ReadOptions{Evaluation: !job.loss(), Columns: o.columns})
	if err != nil {
		return job, err
	}
	job.rows, job.protocol = rows, "loss"
	if !job.loss() {
		if job.task, err = evaluate.NewTask(job.name, o.answerKind, rows); err != nil {
			return job, &ExitError{ExitUsage, err}
		}
		job.rows = job.task.Judged(rows)
		job.left = len(rows) - len(job.rows)
		if len(job.rows) == 0 {
			return job, fmt.Errorf("evaluate: %s: no row has a closed set of labels to choose from", file)
		}
		job.protocol = o.protocol
		if o.protocol == "auto" {
			job.protocol = evaluate.DefaultProtocol(job.task)
		}
	}
	if o.limit > 0 {
		job.rows = job.rows[:min(o.limit, len(job.rows))]
	}
	if job.loss() {
		return job, nil
	}
	if err := evaluate.CheckProtocol(job.protocol, job.task); err != nil {
		return job, &ExitError{ExitUsage, err}
	}
	return job, evaluate.Check(job.task, job.protocol, job.rows)
}

// taskExtensions are what a task's file in a directory may end with, in the order in which they are looked for.
var taskExtensions = []string{".json", ".jsonl", ".json.gz", ".jsonl.gz", ".json.zst", ".jsonl.zst", ".parquet"}

// taskFile finds the rows of a task: path itself, or a file of the task's name if path is a directory.
func taskFile(path, task string, directory bool) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", &ExitError{ExitBadData, fmt.Errorf("dataset: %w", err)}
	}
	if !info.IsDir() {
		if directory {
			return "", &ExitError{ExitUsage, fmt.Errorf("cli: dataset %s: several tasks need a directory with a file TASK.json for each", path)}
		}
		return path, nil
	}
	for _, extension := range taskExtensions {
		file := filepath.Join(path, task+extension)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
	}
	return "", &ExitError{ExitBadData, fmt.Errorf("dataset: %s: no file %s.json in it, nor with the ending %s", path, task,
		strings.Join(taskExtensions[1:], ", "))}
}

// sandbox makes what runs programs, if a job needs it and the user allows it.
func (o *evalOptions) sandbox(ctx context.Context, jobs []evalJob) (*evaluate.Sandbox, error) {
	if !slices.ContainsFunc(jobs, func(j evalJob) bool { return !j.loss() && j.task.RunsCode() }) {
		return nil, nil
	}
	if !o.allowCode {
		return nil, &ExitError{ExitUsage, evaluate.ErrCodeExecution}
	}
	s, err := evaluate.NewSandbox(ctx)
	return s, WithCode(ExitFailure, err)
}
