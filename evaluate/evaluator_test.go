package evaluate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"smt/dataset"
	"smt/generate"
	"smt/model"
)

// questionRows are short, since the prompts alone take most of the positions that the tiny models have.
func questionRows(n int) []dataset.Row {
	var rows []dataset.Row
	for i := range n {
		options, answer := "answer1/answer2/answer3", fmt.Sprintf("answer%d", 1+i%3)
		rows = append(rows, dataset.Row{Format: dataset.FormatInstruction, File: "x.json", Line: i + 1,
			Instruction: strings.Repeat("?", i%5) + "\nAnswer format: " + options, Answer: answer})
	}
	return rows
}

func newEvaluator(t testing.TB, name string) *Evaluator {
	d := openReference(t, name)
	d.Config.MaxPosition = 1024
	return &Evaluator{Decoder: d, Tokenizer: bytesTokenizer{}}
}

// TestLikelihood compares the scores with those of whole passes over every option.
func TestLikelihood(t *testing.T) {
	for _, c := range []struct {
		model, task string
		rows        []dataset.Row
	}{
		// The options end in one token, ...
		{"llama", "ARC-Easy", questionRows(9)},
		// ... differ in length and from the first token on, ...
		{"qwen3", "boolq", []dataset.Row{
			{Format: dataset.FormatInstruction, Instruction: "a? Answer format: true/false", Answer: "false"},
			{Format: dataset.FormatInstruction, Instruction: "b! Answer format: false/true", Answer: "false"},
		}},
		// ... or there is only one.
		{"mistral_swa", "piqa", []dataset.Row{
			{Format: dataset.FormatInstruction, Instruction: "a? Answer format: solution2", Answer: "solution2"},
			{Format: dataset.FormatInstruction, Instruction: "b Answer format: solution2/solution1", Answer: "solution2"},
		}},
	} {
		t.Run(c.task, func(t *testing.T) {
			e := newEvaluator(t, c.model)
			e.Records = filepath.Join(t.TempDir(), "records.jsonl")
			result, err := e.Run(mustFind(t, c.task), Likelihood, c.rows)
			if err != nil {
				t.Fatal(err)
			}
			records := loadRecords(t, e.Records)
			if len(records) != len(c.rows) || result.Total != len(c.rows) {
				t.Fatalf("%d records, total %d, expected %d", len(records), result.Total, len(c.rows))
			}
			correct := 0
			for _, r := range records {
				best := 0
				for o, option := range r.Options {
					want := wholePass(t, e, r.Prompt, "the correct answer is "+option)
					if !(math.Abs(r.Scores[o]-want) <= 1e-9) {
						t.Errorf("row %d, %s: score %g, expected %g", r.Row, option, r.Scores[o], want)
					}
					if r.Scores[o] > r.Scores[best] {
						best = o
					}
				}
				right := r.Options[best] == c.rows[r.Row].Answer
				if r.Extracted != r.Options[best] || r.Correct != right {
					t.Errorf("row %d: %+v", r.Row, r)
				}
				if right {
					correct++
				}
			}
			if result.Correct != correct {
				t.Errorf("%d correct, expected %d", result.Correct, correct)
			}
		})
	}
}

// wholePass is the mean log-probability of a response after a prompt, from one pass over both.
func wholePass(t *testing.T, e *Evaluator, prompt, response string) float64 {
	t.Helper()
	ids, _ := e.Tokenizer.EncodeOffsets(prompt, true, nil, nil)
	start := len(ids) - 1 // without the token behind
	tail, _ := e.Tokenizer.EncodeOffsets(response, false, nil, nil)
	ids = append(ids[:start], tail...)
	labels := make([]int32, len(ids))
	for i := range labels {
		if labels[i] = -100; i >= start-1 && i+1 < len(ids) {
			labels[i] = ids[i+1]
		}
	}
	e.Decoder.Prepare(model.Limits{Tokens: len(ids), Supervised: len(ids), Positions: len(ids)})
	var in model.Input
	in.SetRows([][]int32{ids}, [][]int32{labels})
	loss, err := e.Decoder.Loss(&in)
	if err != nil {
		t.Fatal(err)
	}
	return -loss / float64(len(tail))
}

func loadRecords(t *testing.T, path string) []Record {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var records []Record
	for _, line := range bytes.Split(bytes.TrimSpace(raw), []byte("\n"))[1:] {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b Record) int { return a.Row - b.Row })
	return records
}

// TestResume cuts the file of records at every line and inside lines, goes on, and expects the uninterrupted result.
func TestResume(t *testing.T) {
	for _, c := range []struct {
		protocol string
		rows     int
		cuts     []int
	}{
		{Likelihood, 6, []int{0, 30, 1, 2, 4, 6}},
		{LLMAdapters, 3, []int{0, 2}},
	} {
		t.Run(c.protocol, func(t *testing.T) {
			e, task, rows := newEvaluator(t, "llama"), mustFind(t, "ARC-Easy"), questionRows(c.rows)
			e.Records, e.Model = filepath.Join(t.TempDir(), "records.jsonl"), "tiny"
			want, err := e.Run(task, c.protocol, rows)
			if err != nil {
				t.Fatal(err)
			}
			records := loadRecords(t, e.Records)
			whole, err := os.ReadFile(e.Records)
			if err != nil {
				t.Fatal(err)
			}
			lines := bytes.SplitAfter(whole, []byte("\n"))
			for _, n := range c.cuts {
				left := whole[:min(n, 30)] // inside the header
				if n < len(lines) {
					left = append(bytes.Join(lines[:n], nil), lines[n][:len(lines[n])/2]...)
				}
				if err := os.WriteFile(e.Records, left, 0o644); err != nil {
					t.Fatal(err)
				}
				first := -1
				e.Progress = func(done, total int) {
					if first < 0 {
						first = done
					}
				}
				got, err := e.Run(task, c.protocol, rows)
				if err != nil {
					t.Fatalf("%d lines left: %v", n, err)
				}
				// Questions share their passes as before, so that even the last bits of their scores are the same.
				same := reflect.DeepEqual(loadRecords(t, e.Records), records)
				if c.protocol != Likelihood {
					same = slices.EqualFunc(loadRecords(t, e.Records), records, closeRecords)
				}
				if got != want || !same {
					t.Errorf("%d lines left: %+v, expected %+v", n, got, want)
				}
				if n > 1 && n < len(lines) && first != n-1 {
					t.Errorf("%d lines left: the first progress is %d, expected the %d rows that are there", n, first, n-1)
				}
			}
		})
	}
}

// closeRecords compares records, and scores up to rounding: what runs together in a batch may differ.
func closeRecords(a, b Record) bool {
	for i := range a.Scores {
		if i < len(b.Scores) && math.Abs(a.Scores[i]-b.Scores[i]) < 1e-9 {
			b.Scores[i] = a.Scores[i]
		}
	}
	return reflect.DeepEqual(a, b)
}

// TestGeneration checks the whole way from rows to accuracy: what stands in a record is what generate makes of the row's
// prompt, cut and judged as the protocol says.
func TestGeneration(t *testing.T) {
	for _, c := range []struct {
		protocol, task string
		answers        []string
	}{{LLMAdapters, "boolq", []string{"true", "false"}}, {SMT, "gsm8k", []string{"3"}}, {Greedy, "gsm8k", []string{"0"}}} {
		e, task := newEvaluator(t, "llama"), mustFind(t, c.task)
		e.MaxNewTokens = 16
		var rows []dataset.Row
		for i, answer := range c.answers {
			rows = append(rows, dataset.Row{Format: dataset.FormatInstruction, Instruction: []string{"a", "longer"}[i], Answer: answer})
		}
		calls := 0
		e.Progress = func(done, total int) {
			if calls++; done != calls || total != len(rows) {
				t.Errorf("progress %d of %d, expected %d of %d", done, total, calls, len(rows))
			}
		}
		result, records, err := e.Evaluate(t.Context(), task, c.protocol, rows)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != len(rows) || result.Total != len(rows) || result.Task != c.task || result.Protocol != c.protocol || calls != len(rows) {
			t.Fatalf("%+v, %d records, %d calls of progress", result, len(records), calls)
		}
		template, err := e.template(c.protocol)
		if err != nil {
			t.Fatal(err)
		}
		var prompts [][]int32
		for i := range rows {
			text, err := template.Prompt(&rows[i])
			if err != nil {
				t.Fatal(err)
			}
			prompts = append(prompts, e.encodePrompt(text))
		}
		written, err := generate.Batch(e.Decoder, prompts, decoding(c.protocol, task, e.MaxNewTokens), nil)
		if err != nil {
			t.Fatal(err)
		}
		correct, wrote := 0, 0
		for i, r := range records {
			prompt := e.Tokenizer.Decode(prompts[i], true)
			output := scored(c.protocol, task, prompt, prompt+e.Tokenizer.Decode(written[i], true))
			if r.Answer != rows[i].Answer || !strings.Contains(r.Prompt, rows[i].Instruction) || r.Output != output ||
				r.Extracted != task.Extract(r.Output) || r.Correct != task.Correct(r.Extracted, r.Answer) {
				t.Errorf("%s: record %+v, expected the output %q", c.protocol, r, output)
			}
			wrote += len(output)
			if r.Correct {
				correct++
			}
		}
		if result.Correct != correct || wrote == 0 {
			t.Errorf("%s: %d correct, expected %d; %d bytes were written", c.protocol, result.Correct, correct, wrote)
		}
	}
}

func TestRunErrors(t *testing.T) {
	e := newEvaluator(t, "llama")
	row := func(instruction, answer string) []dataset.Row {
		rows := questionRows(2)
		rows[1].Instruction, rows[1].Answer = instruction, answer
		return rows
	}
	for _, c := range []struct {
		task, protocol string
		rows           []dataset.Row
		want           string
	}{
		{"boolq", "zero_shot", questionRows(1), `protocol "zero_shot": expected one of likelihood, llm_adapters, smt`},
		{"gsm8k", Likelihood, questionRows(1), "task gsm8k has no options to compare by likelihood"},
		{"boolq", Likelihood, nil, "no rows"},
		{"boolq", LLMAdapters, questionRows(1), `x.json:1: field "answer": "answer1", expected one of true, false`},
		{"ARC-Easy", Likelihood, row("no options", "answer1"), `x.json:2: field "instruction": no "Answer format:"`},
		{"ARC-Easy", Likelihood, row("Answer format: answer1/answer2", "answer3"), `x.json:2: field "answer": "answer3", expected one of the options`},
		{"ARC-Easy", Likelihood, row(strings.Repeat("x", 1024)+" Answer format: answer1/answer2", "answer1"), "the model was made for 1024"},
		{"ARC-Easy", LLMAdapters, row(strings.Repeat("x", 1024), "answer1"), "x.json:2: 1"},
		{"ARC-Easy", LLMAdapters, row(strings.Repeat("x", 1024), "answer1"), " tokens and up to 32 new ones, the model was made for 1024"},
		{"ARC-Easy", Likelihood, []dataset.Row{{Format: dataset.FormatInstruction}}, "row 0: field \"answer\""},
	} {
		if _, err := e.Run(mustFind(t, c.task), c.protocol, c.rows); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: error %v, expected %q in it", c.task, c.protocol, err, c.want)
		}
	}
}

func TestResult(t *testing.T) {
	r := accuracy("boolq", SMT, 3, 4)
	if r.Accuracy != 0.75 || !(math.Abs(r.StandardError-0.25) <= 1e-12) {
		t.Errorf("%+v", r)
	}
	if r := accuracy("boolq", SMT, 1, 1); r.Accuracy != 1 || r.StandardError != 0 {
		t.Errorf("%+v", r)
	}
	raw, _ := json.Marshal(r)
	want := `{"task":"boolq","protocol":"smt","correct":3,"total":4,"accuracy":0.75,"standard_error":0.25}`
	if string(raw) != want {
		t.Errorf("%s, expected %s", raw, want)
	}
}
