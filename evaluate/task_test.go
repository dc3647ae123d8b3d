package evaluate

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

func mustFind(t *testing.T, name string) Task {
	t.Helper()
	task, err := FindTask(name)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func TestFindTask(t *testing.T) {
	for _, name := range TaskNames() {
		if task := mustFind(t, strings.ToUpper(name)); task.Name != name {
			t.Errorf("%s is found as %s", name, task.Name)
		}
	}
	if _, err := FindTask("mmlu"); err == nil || !strings.Contains(err.Error(), `task "mmlu": expected one of boolq, piqa`) {
		t.Errorf("error %v", err)
	}
}

func TestExtract(t *testing.T) {
	for _, c := range []struct{ task, text, want string }{
		{"boolq", "the correct answer is true", "true"},
		{"boolq", "false, not true", "false"},
		{"boolq", "untrue", "true"},
		{"boolq", "True", ""},
		{"boolq", "", ""},
		{"piqa", "solution2 and solution1", "solution2"},
		{"piqa", "solution3", ""},
		{"piqa", "Solution1", ""},
		{"social_i_qa", "answer 1", ""},
		{"social_i_qa", "the answer3.", "answer3"},
		{"ARC-Easy", "answer5", "answer5"},
		{"ARC-Challenge", "answer6 answer4", "answer4"},
		{"openbookqa", "answer12", "answer1"},
		{"hellaswag", "ending4\nending1", "ending4"},
		{"hellaswag", "ending5", ""},
		{"winogrande", "option2", "option2"},
		{"winogrande", "option3", ""},
		{"gsm8k", "He has 3 apples and 4 pears. The answer is 7.", "7."},
		{"gsm8k", "1,234,567 dollars", "1234567"},
		{"gsm8k", "from 1, 2, 3", "3"},
		{"gsm8k", "it is -12.50", "-12.50"},
		{"gsm8k", "10-5", "-5"},
		{"gsm8k", "10 - 5", "5"},
		{"gsm8k", "3.4.5", "5"},
		{"gsm8k", "version 3.14.", "3.14"},
		{"gsm8k", ".5", "5"},
		{"gsm8k", "1e3", "3"},
		{"gsm8k", "--4", "-4"},
		{"gsm8k", "5%", "5"},
		{"gsm8k", "$18", "18"},
		{"gsm8k", "no number", ""},
		{"gsm8k", "答案是４２", "４２"},
		{"mawps", "٣٫٥ or ٣.٥", "٣.٥"},
		{"AQuA", "The answer is C", "C"},
		{"AQuA", "the answer is (B) or A", "B"},
		{"AQuA", "An apple", "A"},
		{"AQuA", "f, g and F", ""},
		{"AQuA", "the answer is c", ""},
	} {
		if got := mustFind(t, c.task).Extract(c.text); got != c.want {
			t.Errorf("%s: %q gives %q, expected %q", c.task, c.text, got, c.want)
		}
	}
}

func TestCorrect(t *testing.T) {
	for _, c := range []struct {
		task, extracted, answer string
		want                    bool
	}{
		{"boolq", "true", "true", true},
		{"boolq", "true", "false", false},
		{"boolq", "", "", false},
		{"AQuA", "A", "A", true},
		{"AQuA", "A", "B", false},
		{"gsm8k", "7.", "7.0", true},
		{"gsm8k", "7", " 7 ", true},
		{"gsm8k", "-7", "7", false},
		{"gsm8k", "3.333", "3.3333333", true},
		{"gsm8k", "3.33", "3.3333333", false},
		{"gsm8k", "3.5005", "3.5", true},
		{"gsm8k", "3.502", "3.5", false},
		{"gsm8k", "", "0", false},
		{"gsm8k", strings.Repeat("9", 400), "9", false},
		{"gsm8k", "-" + strings.Repeat("9", 400), "9", false},
		{"gsm8k", "４２", "42", true},
		{"gsm8k", "٣.٥", "3.5", true},
		{"gsm8k", "𝟙𝟘", "10", true},
	} {
		if got := mustFind(t, c.task).Correct(c.extracted, c.answer); got != c.want {
			t.Errorf("%s: %q for %q is %t, expected %t", c.task, c.extracted, c.answer, got, c.want)
		}
	}
}

// The value of a digit is computed from its place in its range, which must therefore hold whole sets of ten.
func TestDigits(t *testing.T) {
	n := 0
	for _, in := range unicode.Nd.R16 {
		if in.Stride != 1 || (in.Hi-in.Lo+1)%10 != 0 {
			t.Errorf("range %x to %x", in.Lo, in.Hi)
		}
		n++
	}
	for _, in := range unicode.Nd.R32 {
		if in.Stride != 1 || (in.Hi-in.Lo+1)%10 != 0 {
			t.Errorf("range %x to %x", in.Lo, in.Hi)
		}
		n++
	}
	if n < 30 {
		t.Errorf("%d ranges of digits", n)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		task, instruction string
		want              []string
	}{
		{"boolq", "question: is it?\n\nAnswer format: true/false", []string{"true", "false"}},
		{"winogrande", "Option1: Erin Option2: Cynthia Answer format: option1/option2", []string{"option1", "option2"}},
		{"ARC-Easy", "Answer format: x\n\nAnswer format: answer1/answer2/answer3\n", []string{"answer1", "answer2", "answer3"}},
	} {
		if got, err := mustFind(t, c.task).Options(c.instruction); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v, expected %v", c.instruction, got, err, c.want)
		}
	}
	for instruction, want := range map[string]string{
		"is it true or false?":             `no "Answer format:" in it`,
		"Answer format: yes/no":            `options "yes/no"`,
		"Answer format: true/true":         "expected different ones of true|false",
		"Answer format: true/":             "expected different ones",
		"Answer format: true/false please": "expected different ones",
	} {
		if _, err := mustFind(t, "boolq").Options(instruction); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, expected %q in it", instruction, err, want)
		}
	}
}

func TestCheckAnswer(t *testing.T) {
	for _, c := range []struct {
		task, answer string
		ok           bool
	}{
		{"boolq", "true", true}, {"boolq", "True", false}, {"boolq", "", false}, {"boolq", "true false", false},
		{"ARC-Easy", "answer5", true}, {"ARC-Easy", "A", false},
		{"AQuA", "E", true}, {"AQuA", "F", false}, {"AQuA", "", false}, {"AQuA", "AB", false},
		{"gsm8k", "12.0", true}, {"gsm8k", "-3", true}, {"gsm8k", "", false}, {"gsm8k", "twelve", false},
		{"gsm8k", "inf", false}, {"gsm8k", "NaN", false}, {"gsm8k", "1,000", false},
	} {
		if err := mustFind(t, c.task).checkAnswer(c.answer); (err == nil) != c.ok {
			t.Errorf("%s: answer %q: error %v", c.task, c.answer, err)
		}
	}
}

// FuzzExtract checks that no text breaks the extraction, and that what is extracted can be compared.
func FuzzExtract(f *testing.F) {
	for _, s := range []string{"the answer is 1,000.50", "--1..2", "٣", "true", "\xff9\x00", "９．９", "𝟙𝟘", "1" + strings.Repeat("0", 400)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range TaskNames() {
			task := mustFind(t, name)
			got := task.Extract(text)
			if got == "" {
				continue
			}
			if !strings.Contains(strings.ReplaceAll(text, ",", ""), got) && utf8Valid(text) {
				t.Fatalf("%s: %q gives %q, which is not in it", name, text, got)
			}
			if task.kind == number {
				if _, ok := parseNumber(got); !ok {
					t.Fatalf("%s: %q gives %q, which is no number", name, text, got)
				}
			} else if !task.Correct(got, got) {
				t.Fatalf("%s: %q is not itself", name, got)
			}
		}
	})
}

func utf8Valid(s string) bool { return strings.ToValidUTF8(s, "") == s }
