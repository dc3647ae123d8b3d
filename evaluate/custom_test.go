package evaluate

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smt/dataset"
)

// rowsOf makes instruction rows of triples: instruction, output, answer.
func rowsOf(fields ...[3]string) (rows []dataset.Row) {
	for i, f := range fields {
		rows = append(rows, dataset.Row{Format: dataset.FormatInstruction, File: "x.json", Line: i + 1, Instruction: f[0], Output: f[1], Answer: f[2]})
	}
	return rows
}

func TestNewTask(t *testing.T) {
	options := rowsOf([3]string{"a? Answer format: yes/no", "So: yes", "yes"}, [3]string{"b? Answer format: no/unknown", "So: unknown", "unknown"})
	numbers := rowsOf([3]string{"1+1", "it is 3", "2"}, [3]string{"1/2", "", " 0.5 "})
	letters := rowsOf([3]string{"a", "", "A"}, [3]string{"b", "", "E"})
	labels := rowsOf([3]string{"a", "good", "good"}, [3]string{"b", "bad", "bad"}, [3]string{"c", "good", "good"}, [3]string{"d", "bad", "bad"})
	free := rowsOf([3]string{"a", "", "ein Mann"}, [3]string{"b", "", "eine Frau"})
	programs := rowsOf([3]string{"a", "", ""})
	programs[0].Tests = []string{"assert f()"}
	for _, c := range []struct {
		name, kind string
		rows       []dataset.Row
		want       kind
		response   string
	}{
		{"mine", "", options, choice, "So: "},
		{"mine", "", numbers, number, ""},
		{"mine", "", letters, letter, ""},
		{"mine", "", labels, label, ""},
		{"mine", "", programs, code, ""},
		{"mine", "translation", free, translation, ""},
		{"mine", "label", free, label, ""},
		{"mine", "choice", options, choice, "So: "},
		{"BOOLQ", "", options, choice, answerIs},
		{"boolq", "choice", options, choice, answerIs},
		{"gsm8k", "", letters, number, ""},
	} {
		task, err := NewTask(c.name, c.kind, c.rows)
		if err != nil || task.kind != c.want || task.response != c.response {
			t.Errorf("%s, %q: kind %v, response %q, %v; expected %v and %q", c.name, c.kind, task.kind, task.response, err, c.want, c.response)
		}
	}
	for _, c := range []struct {
		name, kind string
		rows       []dataset.Row
		want       string
	}{
		{"mine", "", free, `task "mine" is none of boolq, piqa`},
		{"mine", "", free, ", mbpp, perplexity, and its rows"},
		{"Perplexity", "number", numbers, "perplexity is the loss of responses"},
		{"mine", "", free, "say so with answer_kind: choice, number, letter, label, translation, code"},
		{"mine", "text", free, `answer_kind "text": expected one of choice`},
		{"gsm8k", "letter", letters, "the answers of task gsm8k are of the kind number"},
		{"../mine", "", numbers, "expected a name without slashes"},
		{"", "number", numbers, "expected a name"},
		{"mine", "number", nil, "no rows"},
	} {
		if _, err := NewTask(c.name, c.kind, c.rows); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %q: error %v, expected %q in it", c.name, c.kind, err, c.want)
		}
	}
}

func TestFirstOption(t *testing.T) {
	for _, c := range []struct {
		text    string
		options []string
		want    string
	}{
		{"the correct answer is yes", []string{"yes", "no", "maybe"}, "yes"},
		{"No.", []string{"yes", "no", "maybe"}, "no"},
		{"I do not know, maybe no", []string{"yes", "no", "maybe"}, "maybe"},
		{"notes and yesterday", []string{"yes", "no", "maybe"}, ""},
		{"Irrelevant", []string{"Relevant", "Irrelevant"}, "Irrelevant"},
		{"It is not relevant.", []string{"Relevant", "Irrelevant"}, "Relevant"},
		{"Contract by using, I think", []string{"Contract", "Contract by using"}, "Contract by using"},
		{"Contract by, using", []string{"Contract by using", "Contract"}, "Contract"},
		{"de facto merger,mere continuation", []string{"mere continuation", "de facto merger,mere continuation"}, "de facto merger,mere continuation"},
		{"answer2 or answer1", []string{"answer1", "answer2"}, "answer2"},
		{"answer12", []string{"answer1"}, ""},
		{"A+ or A", []string{"A", "A+"}, "A+"},
		{"xÄ, ä", []string{"Ä"}, "Ä"},
		{"(b)", []string{"B"}, "B"},
		{"", []string{"a"}, ""},
		{"\xff yes\xff", []string{"yes"}, "yes"},
	} {
		if got := firstOption(c.text, c.options); got != c.want {
			t.Errorf("%q of %q: %q, expected %q", c.text, c.options, got, c.want)
		}
	}
}

// Labels are those of a row's own sub-task; what has no closed set of them is not judged.
func TestLabels(t *testing.T) {
	rows := rowsOf([3]string{"a", "Yes", "Yes"}, [3]string{"b", "No", "No"}, [3]string{"c", "A", "A"}, [3]string{"d", "$5", "$5"}, [3]string{"e", "$7", "$7"})
	for i, sub := range []string{"x", "x", "y", "sara_numeric", "sara_numeric"} {
		rows[i].Task = sub
	}
	task, err := NewTask("legalbench", "", rows)
	if err != nil {
		t.Fatal(err)
	}
	judged := task.Judged(rows)
	if len(judged) != 2 || judged[0].Task != "x" || judged[1].Task != "x" {
		t.Errorf("judged: %+v", judged)
	}
	if got, err := task.options(&rows[1]); err != nil || !slices.Equal(got, []string{"Yes", "No"}) {
		t.Errorf("options %q, %v", got, err)
	}
	e := newEvaluator(t, "llama")
	if _, err := e.Run(task, Likelihood, rows); err == nil || !strings.Contains(err.Error(), `x.json:3: no list of labels for the sub-task "y"`) {
		t.Errorf("error %v", err)
	}
	for _, protocol := range []string{Likelihood, Greedy} {
		e.MaxNewTokens = 4
		result, records, err := e.Evaluate(t.Context(), task, protocol, judged)
		if err != nil || result.Total != 2 || len(records) != 2 || records[1].Answer != "No" {
			t.Errorf("%s: %+v, %+v, %v", protocol, result, records, err)
		}
		if protocol == Likelihood {
			for o, option := range []string{"Yes", "No"} {
				if want := wholePass(t, e, records[0].Prompt, option); !(math.Abs(records[0].Scores[o]-want) <= 1e-9) {
					t.Errorf("%s: score %g, expected %g", option, records[0].Scores[o], want)
				}
			}
		}
	}
}

// Two of three rows "Yes" and the only "No" of x right: (2/3 + 1) / 2. One of y's two labels right: 1/2. The options of
// pubmedqa are labels, too; those of a task of the papers are not, nor those that differ from row to row.
func TestBalancedAccuracy(t *testing.T) {
	const either, reversed = "Answer format: Yes/No", "Answer format: No/Yes"
	rows := rowsOf([3]string{either, "", "Yes"}, [3]string{either, "", "Yes"}, [3]string{reversed, "", "Yes"}, [3]string{either, "", "No"},
		[3]string{either, "", "Yes"}, [3]string{reversed, "", "No"})
	for i, sub := range []string{"x", "x", "x", "x", "y", "y"} {
		rows[i].Task = sub
	}
	var records []Record
	for i, correct := range []bool{true, false, true, true, false, true} {
		records = append(records, Record{Row: i, Answer: rows[i].Answer}.judged(correct))
	}
	for _, name := range []string{"legalbench", "pubmedqa"} {
		labelled := newResult(mustFind(t, name), Likelihood, rows, records)
		if labelled.BalancedAccuracy == nil {
			t.Errorf("%s: no balanced accuracy: %+v", name, labelled)
			continue
		}
		if want := (5.0/6 + 1.0/2) / 2; !(math.Abs(*labelled.BalancedAccuracy-want) <= 1e-15) || labelled.Correct != 4 {
			t.Errorf("%s: %+v, %g, expected a balanced accuracy of %g, 4 correct", name, labelled, *labelled.BalancedAccuracy, want)
		}
	}
	for _, name := range []string{"boolq", "gsm8k"} {
		if other := newResult(mustFind(t, name), Likelihood, rows, records); other.BalancedAccuracy != nil {
			t.Errorf("%+v: a task without labels", other)
		}
	}
	rows[5].Instruction = "Answer format: No/Maybe"
	if other := newResult(Task{Name: "mine", kind: choice}, Likelihood, rows, records); other.BalancedAccuracy != nil {
		t.Errorf("%+v: the rows list different options", other)
	}
}

// TestSharedData checks that the files of the shared data are what their tasks expect.
func TestSharedData(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is not there", dir)
	}
	for _, c := range []struct {
		task, file string
		judged     int
	}{
		{"boolq", "commonsense/test/boolq.json", 3270},
		{"piqa", "commonsense/test/piqa.json", 1838},
		{"social_i_qa", "commonsense/test/social_i_qa.json", 1954},
		{"ARC-Easy", "commonsense/test/ARC-Easy.json", 2376},
		{"ARC-Challenge", "commonsense/test/ARC-Challenge.json", 1172},
		{"openbookqa", "commonsense/test/openbookqa.json", 500},
		{"gsm8k", "math/test/gsm8k.json", 1319},
		{"AddSub", "math/test/AddSub.json", 395},
		{"MultiArith", "math/test/MultiArith.json", 600},
		{"SVAMP", "math/test/SVAMP.json", 1000},
		{"pubmedqa", "domains/pubmedqa_test.json", 500},
		{"legalbench", "domains/legalbench_fewshot.json", 747},
		{"mbpp", "domains/mbpp_test.json", 500},
		{"multi30k", "domains/multi30k_en_de_test.json", 1000},
	} {
		rows, err := dataset.Load([]string{filepath.Join(dir, c.file)}, dataset.ReadOptions{Evaluation: true})
		if err != nil {
			t.Error(err)
			continue
		}
		task, err := NewTask(c.task, "", rows)
		if err != nil {
			t.Error(err)
			continue
		}
		judged := task.Judged(rows)
		if err := CheckRows(task, judged); err != nil || len(judged) != c.judged {
			t.Errorf("%s: %d rows are judged, %v; expected %d", c.task, len(judged), err, c.judged)
		}
		// The response of a file is right by its own answer, where nobody else has written it.
		for i := range judged {
			if row := &judged[i]; task.HasOptions() && task.extract(row.Output, row) != row.Answer {
				t.Errorf("%s:%d: %q gives %q, expected %q", row.File, row.Line, row.Output, task.extract(row.Output, row), row.Answer)
			}
		}
		// A file under another name is the same task but for the rules of extraction.
		custom, err := NewTask("mine", "", rows)
		if task.kind == translation || task.kind == label {
			continue
		}
		if err != nil || custom.kind != task.kind || custom.HasOptions() && custom.response != answerIs {
			t.Errorf("%s under another name: kind %v, response %q, %v", c.task, custom.kind, custom.response, err)
		}
	}
}

// FuzzTask checks that no row breaks the making of a task, and that its own answer is right where the task accepts it.
func FuzzTask(f *testing.F) {
	f.Add("Is it? Answer format: yes/no", "the correct answer is yes", "yes", "")
	f.Add("1+1", "2", "2", "number")
	f.Add("a", "", "A", "letter")
	f.Add("a", "", "\xff", "label")
	f.Add("Answer format: ß/ẞ", "ß", "ß", "choice")
	f.Fuzz(func(t *testing.T, instruction, output, answer, answerKind string) {
		rows := rowsOf([3]string{instruction, output, answer}, [3]string{instruction, output, answer + "x"})
		task, err := NewTask("mine", answerKind, rows)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "evaluate: ") {
				t.Fatalf("error %v", err)
			}
			return
		}
		for i := range rows {
			row := &rows[i]
			if task.check(row) != nil || task.kind == code || task.kind == translation || !utf8Valid(answer) {
				continue
			}
			got := task.extract(row.Answer, row)
			if task.kind != number && got == "" {
				t.Fatalf("%q: nothing is found in the answer itself", row.Answer)
			}
		}
	})
}
