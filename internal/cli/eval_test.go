package cli

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"smt/evaluate"
	"smt/model/modeltest"
)

// evalFiles writes a directory of tasks that the tests' tokenizer can read, and returns the model as well.
func evalFiles(t *testing.T) (modelDir, dir string) {
	t.Helper()
	modelDir, dir = longTiny(t), t.TempDir()
	write(t, filepath.Join(dir, "boolq.json"), `[
		{"instruction": "is it? Answer format: true/false", "input": "", "output": "the correct answer is true", "answer": "true"},
		{"instruction": "was it? Answer format: true/false", "input": "", "output": "the correct answer is false", "answer": "false"}]`)
	write(t, filepath.Join(dir, "mine.jsonl"), strings.Repeat(`{"instruction": "add", "output": "it is good", "answer": "good"}`+"\n"+
		`{"instruction": "sub", "output": "it is bad", "answer": "bad"}`+"\n", 2))
	write(t, filepath.Join(dir, "multi30k.json"), `[{"instruction": "say", "output": "", "answer": "ein mann"}]`)
	write(t, filepath.Join(dir, "mbpp.json"), `[{"instruction": "write", "output": "", "answer": "", "test_list": ["assert f() == 1"]}]`)
	write(t, filepath.Join(dir, "perplexity.json"), `[{"instruction": "say", "output": "hello"}, {"instruction": "tell", "output": "why not"}]`)
	return modelDir, dir
}

// longTiny is tiny for longer texts, without rows.
func longTiny(t *testing.T) string {
	t.Helper()
	c := modeltest.Llama()
	c["num_hidden_layers"], c["max_position_embeddings"] = 1, 512
	return modeltest.WriteWithTokenizer(t, c, 31)
}

// TestEvalSeveralTasks evaluates tasks of every kind in one command, as JSON and as tables.
func TestEvalSeveralTasks(t *testing.T) {
	modelDir, dir := evalFiles(t)
	records := filepath.Join(t.TempDir(), "records")
	args := []string{"eval", "--model_name_or_path", modelDir, "--task", "boolq,mine,multi30k,perplexity", "--dataset", dir, "--max_new_tokens", "3",
		"--records", records, "--template", "alpaca"}
	code, out, errOut := run(t, append(args, "--log_format", "json")...)
	if code != ExitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines: %s", len(lines), out)
	}
	for i, want := range []struct {
		task, protocol string
		total          float64
	}{{"boolq", "likelihood", 2}, {"mine", "likelihood", 4}, {"multi30k", "greedy", 1}} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		if got["task"] != want.task || got["protocol"] != want.protocol || got["total"] != want.total || got["accuracy"] != got["correct"].(float64)/want.total {
			t.Errorf("%s, expected %+v", lines[i], want)
		}
	}
	if !strings.Contains(lines[2], `"chrf":`) || !strings.Contains(lines[3], `"task":"perplexity","loss":`) {
		t.Errorf("%s", out)
	}

	// All records are there: nothing is computed again.
	code, out, errOut = run(t, args...)
	if code != ExitOK || !strings.Contains(out, "mean of 2") || !strings.Contains(out, "BLEU") || !strings.Contains(out, "loss ") {
		t.Errorf("exit %d: %s %s", code, out, errOut)
	}
	for _, task := range []string{"boolq", "multi30k", "perplexity"} {
		path := filepath.Join(records, task+".jsonl")
		code, out, errOut := run(t, "eval", "--compare", path, path, "--log_format", "json")
		var d map[string]any
		if err := json.Unmarshal([]byte(strings.Split(out, "\n")[0]), &d); code != ExitOK || err != nil || d["difference"] != 0.0 || d["task"] != task {
			t.Errorf("compare %s: exit %d, %v: %s %s", task, code, err, out, errOut)
		}
	}
	if code, out, _ := run(t, "eval", "--compare", records+"/boolq.jsonl", records+"/boolq.jsonl"); code != ExitOK || !strings.Contains(out, "0.00 %") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, errOut := run(t, "eval", "--compare", records+"/boolq.jsonl", records+"/mine.jsonl"); code != ExitUsage || !strings.Contains(errOut, "the task of") {
		t.Errorf("other tasks: exit %d: %s", code, errOut)
	}

	// The records of another model are refused.
	other := longTiny(t)
	weights, err := os.ReadFile(filepath.Join(other, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	weights[len(weights)-2] ^= 1
	write(t, filepath.Join(other, "model.safetensors"), string(weights))
	if code, _, errOut := run(t, append(args, "--model_name_or_path", other)...); code != ExitBadData || !strings.Contains(errOut, "records are of another run") {
		t.Errorf("another model: exit %d: %s", code, errOut)
	}
}

// TestEvalKeepsResults: a task that fails late takes nothing from the report of those before it, and names its row.
func TestEvalKeepsResults(t *testing.T) {
	modelDir, dir := evalFiles(t)
	write(t, filepath.Join(dir, "multi30k.json"), `[{"instruction": "say", "output": "", "answer": "ein mann"},
		{"instruction": "`+strings.Repeat("say ", 150)+`", "output": "", "answer": "ein mann"}]`)
	code, out, errOut := run(t, "eval", "--model_name_or_path", modelDir, "--task", "PERPLEXITY,boolq,multi30k", "--dataset", dir, "--max_new_tokens", "3")
	if code != ExitBadData || !strings.Contains(errOut, "multi30k.json:2: ") || !strings.Contains(errOut, "up to 3 new ones") {
		t.Errorf("exit %d, expected %d and the row: %s", code, ExitBadData, errOut)
	}
	if !strings.Contains(out, "boolq ") || !strings.Contains(out, "loss ") {
		t.Errorf("output %q, expected the results of perplexity and boolq", out)
	}
}

// TestEvalReportErrors writes results to where nothing can be written.
func TestEvalReportErrors(t *testing.T) {
	for name, show := range map[string]func(r *evalReport){
		"accuracy": func(r *evalReport) { r.result(evaluate.Result{Task: "boolq"}) },
		"translation": func(r *evalReport) {
			r.result(evaluate.Result{Task: "multi30k", Translation: &evaluate.TranslationScore{}})
		},
		"loss":        func(r *evalReport) { r.loss(evaluate.Loss{}) },
		"differences": func(r *evalReport) { r.differences("a", "b", []evaluate.Difference{{Measure: evaluate.MeasureLoss}}) },
	} {
		for _, json := range []bool{false, true} {
			r := evalReport{out: fullDisk{}, json: json}
			show(&r)
			r.tables("rows")
			if !errors.Is(r.err, syscall.ENOSPC) || exitCode(r.err) != ExitIO {
				t.Errorf("%s, JSON %t: error %v, expected that the disk is full", name, json, r.err)
			}
		}
	}
}

// fullDisk is a file on a full disk.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestEvalUsage checks what is refused before a model is opened.
func TestEvalUsage(t *testing.T) {
	modelDir, dir := evalFiles(t)
	write(t, filepath.Join(dir, "winogrande.json"), `[{"instruction": "which one? option1 or option2", "output": "", "answer": "option1"}]`)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no options":          {[]string{"--task", "winogrande", "--dataset", dir, "--model_name_or_path", dir + "/none"}, ExitBadData, `winogrande.json:1: field "instruction": no "Answer format:"`},
		"unknown task":        {[]string{"--task", "perplexities", "--dataset", dir + "/multi30k.json"}, ExitUsage, "mbpp, perplexity, and its rows"},
		"nothing":             {nil, ExitUsage, "--task and --dataset are needed"},
		"code":                {[]string{"--task", "mbpp", "--dataset", dir}, ExitUsage, "--allow_code_execution"},
		"perplexity twice":    {[]string{"--task", "perplexity,Perplexity", "--dataset", dir}, ExitUsage, "task perplexity is named twice"},
		"a file for many":     {[]string{"--task", "boolq,mine", "--dataset", dir + "/boolq.json"}, ExitUsage, "several tasks need a directory"},
		"twice":               {[]string{"--task", "boolq,BoolQ", "--dataset", dir}, ExitUsage, "task boolq is named twice"},
		"no file":             {[]string{"--task", "piqa", "--dataset", dir}, ExitBadData, "no file piqa.json in it"},
		"no directory":        {[]string{"--task", "piqa", "--dataset", dir + "/none"}, ExitBadData, "none"},
		"protocol":            {[]string{"--task", "boolq", "--dataset", dir, "--protocol", "zero"}, ExitUsage, `protocol "zero": expected one of`},
		"protocol of a task":  {[]string{"--task", "multi30k", "--dataset", dir, "--protocol", "likelihood"}, ExitUsage, "no options to compare"},
		"kind":                {[]string{"--task", "mine", "--dataset", dir, "--answer_kind", "word"}, ExitUsage, `answer_kind "word"`},
		"kind of the rows":    {[]string{"--task", "mine", "--dataset", dir, "--answer_kind", "number"}, ExitBadData, `field "answer": "good", expected a number`},
		"format":              {[]string{"--task", "boolq", "--dataset", dir, "--log_format", "xml"}, ExitUsage, "text or json"},
		"limit":               {[]string{"--task", "boolq", "--dataset", dir, "--limit", "-1"}, ExitUsage, "limit -1"},
		"an argument":         {[]string{"boolq"}, ExitUsage, "got the argument boolq"},
		"compare one":         {[]string{"--compare", "a.jsonl"}, ExitUsage, "two files of records, got 1"},
		"compare what is not": {[]string{"--compare", dir + "/none", dir + "/none"}, ExitIO, "none"},
		"compare rows":        {[]string{"--compare", dir + "/boolq.json", dir + "/boolq.json"}, ExitBadData, "not a record"},
	} {
		code, _, errOut := run(t, append([]string{"eval", "--model_name_or_path", modelDir}, c.args...)...)
		if code != c.code || !strings.Contains(errOut, c.want) {
			t.Errorf("%s: exit %d, expected %d and %q: %s", name, code, c.code, c.want, errOut)
		}
	}
}

// TestEvalCode runs a program that a random model writes, which passes no test.
func TestEvalCode(t *testing.T) {
	modelDir, dir := evalFiles(t)
	args := []string{"eval", "--model_name_or_path", modelDir, "--task", "mbpp", "--dataset", dir, "--max_new_tokens", "3", "--allow_code_execution", "--log_format", "json"}
	if _, err := exec.LookPath("python3"); err == nil {
		code, out, errOut := run(t, args...)
		if code != ExitOK || !strings.Contains(out, `"correct":0,"total":1`) || !strings.Contains(errOut, "programs run with") {
			t.Errorf("exit %d: %s %s", code, out, errOut)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if code, _, errOut := run(t, args...); code != ExitFailure || !strings.Contains(errOut, "python3, which is not installed") {
		t.Errorf("without python3: exit %d: %s", code, errOut)
	}
}
