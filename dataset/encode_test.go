package dataset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// byteTokenizer has one token per byte, with a beginning and an end of sequence that "<s>" and "</s>" also spell.
type byteTokenizer struct {
	bos, eos  bool // the post-processor adds them
	noEOS     bool
	wordBreak bool // instead of bytes, tokens are words with the space before them
	failed    error
}

const (
	bosID = 1000
	eosID = 1001
)

func (b byteTokenizer) BOS() (int32, bool) { return bosID, true }
func (b byteTokenizer) EOS() (int32, bool) { return eosID, !b.noEOS }
func (b byteTokenizer) Err() error         { return b.failed }

func (b byteTokenizer) EncodeOffsets(text string, addSpecial bool, ids []int32, offsets []Span) ([]int32, []Span) {
	add := func(id int32, start, end int) {
		ids = append(ids, id)
		offsets = append(offsets, Span{Start: start, End: end})
	}
	if addSpecial && b.bos {
		add(bosID, -1, -1)
	}
	for at := 0; at < len(text); {
		switch {
		case strings.HasPrefix(text[at:], "<s>"):
			add(bosID, at, at+3)
			at += 3
		case strings.HasPrefix(text[at:], "</s>"):
			add(eosID, at, at+4)
			at += 4
		default:
			end := at + 1
			for b.wordBreak && end < len(text) && text[end] != ' ' {
				end++
			}
			add(int32(text[at]), at, end)
			at = end
		}
	}
	if addSpecial && b.eos {
		add(eosID, -1, -1)
	}
	return ids, offsets
}

func (b byteTokenizer) Decode(ids []int32, _ bool) string {
	var s strings.Builder
	for _, id := range ids {
		switch id {
		case bosID:
			s.WriteString("<s>")
		case eosID:
			s.WriteString("</s>")
		default:
			s.WriteByte(byte(id))
		}
	}
	return s.String()
}

func completionRows(pairs ...string) []Row {
	var rows []Row
	for i := 0; i < len(pairs); i += 2 {
		rows = append(rows, Row{Format: FormatCompletion, File: "f", Line: i/2 + 1, Prompt: pairs[i], Completion: pairs[i+1]})
	}
	return rows
}

func mustTemplate(t testing.TB, name string, format Format, opt TemplateOptions) *Template {
	t.Helper()
	template, err := NewTemplate(name, format, opt)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func TestEncodeLabels(t *testing.T) {
	const i = Ignore
	tests := []struct {
		name   string
		row    Row
		tok    byteTokenizer
		opt    TemplateOptions
		ids    []int32
		labels []int32
	}{
		{"prompt is ignored, the end of sequence is a target", completionRows("ab", "cd")[0], byteTokenizer{}, TemplateOptions{},
			[]int32{'a', 'b', 'c', 'd', eosID}, []int32{i, 'c', 'd', eosID, i}},
		{"beginning of sequence", completionRows("a", "c")[0], byteTokenizer{bos: true}, TemplateOptions{},
			[]int32{bosID, 'a', 'c', eosID}, []int32{i, 'c', eosID, i}},
		{"end of sequence by the post-processor stands once", completionRows("a", "c")[0], byteTokenizer{bos: true, eos: true},
			TemplateOptions{}, []int32{bosID, 'a', 'c', eosID}, []int32{i, 'c', eosID, i}},
		{"end of sequence in the text stands once", completionRows("a", "c</s>")[0], byteTokenizer{bos: true},
			TemplateOptions{}, []int32{bosID, 'a', 'c', eosID}, []int32{i, 'c', eosID, i}},
		{"end of sequence in the text and by the post-processor stands once", completionRows("a", "c</s>")[0], byteTokenizer{bos: true, eos: true},
			TemplateOptions{}, []int32{bosID, 'a', 'c', eosID}, []int32{i, 'c', eosID, i}},
		{"beginning of sequence in the text stands once", completionRows("<s>a", "c")[0], byteTokenizer{bos: true},
			TemplateOptions{}, []int32{bosID, 'a', 'c', eosID}, []int32{i, 'c', eosID, i}},
		{"train on prompt", completionRows("ab", "c")[0], byteTokenizer{bos: true}, TemplateOptions{TrainOnPrompt: true},
			[]int32{bosID, 'a', 'b', 'c', eosID}, []int32{'a', 'b', 'c', eosID, i}},
		{"a token across the border is supervised", completionRows("x y", "z w")[0], byteTokenizer{wordBreak: true},
			TemplateOptions{}, []int32{'x', ' ', ' ', eosID}, []int32{' ', ' ', eosID, i}},
		{"text", Row{Format: FormatText, Text: "ab"}, byteTokenizer{bos: true}, TemplateOptions{},
			[]int32{bosID, 'a', 'b', eosID}, []int32{'a', 'b', eosID, i}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, err := Encode([]Row{test.row}, mustTemplate(t, "", test.row.Format, test.opt), test.tok, EncodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.ids, set.Examples[0].IDs); diff != "" {
				t.Error("ids:", diff)
			}
			if twice := strings.Count(test.row.Completion, "</s>"); set.Report.DoubleEOS != twice ||
				strings.Contains(set.Report.String(), "end-of-sequence token themselves") != (twice > 0) {
				t.Errorf("report: %d rows end with the end of sequence, expected %d: %s", set.Report.DoubleEOS, twice, set.Report.String())
			}
			if diff := cmp.Diff(test.labels, set.Examples[0].Labels); diff != "" {
				t.Error("labels:", diff)
			}
		})
	}
}

func TestEncodeChat(t *testing.T) {
	chat, err := NewChatTemplate("{{ bos_token }}{% for m in messages %}{{ m.role[0] }}{{ m.content }}{{ eos_token }}{% endfor %}",
		ChatOptions{BOS: "<s>", EOS: "</s>"})
	if err != nil {
		t.Fatal(err)
	}
	row := Row{Format: FormatChat, Messages: []Message{{Role: RoleUser, Content: "x"}, {Role: RoleAssistant, Content: "y"}, {Role: RoleUser, Content: "z"}, {Role: RoleAssistant, Content: "w"}}}
	const i = Ignore
	for _, test := range []struct {
		opt    TemplateOptions
		labels []int32
	}{
		{TemplateOptions{Chat: chat}, []int32{i, i, i, i, 'y', eosID, i, i, i, i, 'w', eosID, i}},
		{TemplateOptions{Chat: chat, MaskHistory: true}, []int32{i, i, i, i, i, i, i, i, i, i, 'w', eosID, i}},
		{TemplateOptions{Chat: chat, TrainOnPrompt: true}, []int32{'u', 'x', eosID, 'a', 'y', eosID, 'u', 'z', eosID, 'a', 'w', eosID, i}},
	} {
		// The template writes both special tokens; the post-processor must not add them once more.
		set, err := Encode([]Row{row}, mustTemplate(t, "", FormatChat, test.opt), byteTokenizer{bos: true, eos: true}, EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := []int32{bosID, 'u', 'x', eosID, 'a', 'y', eosID, 'u', 'z', eosID, 'a', 'w', eosID}
		if diff := cmp.Diff(want, set.Examples[0].IDs); diff != "" {
			t.Error("ids:", diff)
		}
		if diff := cmp.Diff(test.labels, set.Examples[0].Labels); diff != "" {
			t.Error("labels:", diff)
		}
	}
}

func TestEncodeTooLong(t *testing.T) {
	rows := completionRows("ab", "cd", "abcdefgh", "x", "abc", "defgh", "a", "b")
	template := mustTemplate(t, "", FormatCompletion, TemplateOptions{})
	set, err := Encode(rows, template, byteTokenizer{bos: true}, EncodeOptions{MaxLength: 6})
	if err != nil {
		t.Fatal(err)
	}
	want := Report{Rows: 4, Kept: 3, Tokens: 6 + 6 + 4, Supervised: 3 + 2 + 2, Longest: 11, Truncated: 2, TokensCut: 5 + 4,
		SupervisedCut: 4 + 2, NoSupervised: 1, FirstTooLong: []Location{{"f", 2}, {"f", 3}}, FirstUnlearned: []Location{{"f", 2}}}
	if diff := cmp.Diff(want, set.Report); diff != "" {
		t.Error(diff)
	}
	if text := set.Report.String(); !strings.Contains(text, "2 rows truncated, 9 tokens lost, 6 of them supervised: f:2, f:3") ||
		!strings.Contains(text, "1 rows dropped because none of their tokens carries loss: f:2") {
		t.Errorf("report %q", text)
	}
	if e := set.Examples[1]; e.Row != 2 || !slices.Equal(e.Labels, []int32{Ignore, Ignore, Ignore, 'd', 'e', Ignore}) {
		t.Errorf("truncated example %+v: the label at the cut must be ignored", e)
	}
	set, err = Encode(rows, template, byteTokenizer{bos: true}, EncodeOptions{MaxLength: 6, Excess: ExcessDrop})
	if err != nil || len(set.Examples) != 2 || set.Report.Dropped != 2 || set.Where[1] != (Location{"f", 4}) {
		t.Errorf("drop: %+v, %v", set, err)
	}
	_, err = Encode(rows, template, byteTokenizer{bos: true}, EncodeOptions{MaxLength: 6, Excess: ExcessRaise})
	if err == nil || !strings.Contains(err.Error(), "f:2: 11 tokens, max_seq_length is 6") {
		t.Errorf("raise: %v", err)
	}
}

func TestEncodeErrors(t *testing.T) {
	template := mustTemplate(t, "", FormatCompletion, TemplateOptions{})
	for want, encode := range map[string]func() error{
		"no end-of-sequence token": func() error {
			_, err := Encode(completionRows("a", "b"), template, byteTokenizer{noEOS: true}, EncodeOptions{})
			return err
		},
		"the ids are not reliable": func() error {
			_, err := Encode(completionRows("a", "b"), template, byteTokenizer{failed: errors.New("the ids are not reliable")}, EncodeOptions{})
			return err
		},
		`excess_length: expected truncate, drop or raise, got "cut"`: func() error {
			_, err := Encode(completionRows("a", "b"), template, byteTokenizer{}, EncodeOptions{Excess: "cut"})
			return err
		},
		"max_seq_length: expected at least 2 tokens": func() error {
			_, err := Encode(completionRows("a", "b"), template, byteTokenizer{}, EncodeOptions{MaxLength: 1})
			return err
		},
		"nothing to train on: 0 of 1 rows": func() error {
			_, err := Encode(completionRows("abc", "d"), template, byteTokenizer{}, EncodeOptions{MaxLength: 2})
			return err
		},
		"nothing to train on: 0 of 0 rows": func() error {
			_, err := Encode(nil, template, byteTokenizer{}, EncodeOptions{})
			return err
		},
		"2 bad rows\n  f:3: ": func() error {
			rows := completionRows("a", "b", "a", "b", "a", "b", "a", "b")
			rows[2].Format, rows[3].Format = FormatText, FormatText
			_, err := Encode(rows, template, byteTokenizer{}, EncodeOptions{})
			return err
		},
	} {
		if err := encode(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestEncodeIsTheSameForAnyWorkers: the set does not depend on how the rows are shared out.
func TestEncodeIsTheSameForAnyWorkers(t *testing.T) {
	var pairs []string
	for i := range 3*encodeChunk + 17 {
		pairs = append(pairs, strings.Repeat("p", i%37), strings.Repeat("c", i%23+1))
	}
	rows := completionRows(pairs...)
	template := mustTemplate(t, "", FormatCompletion, TemplateOptions{})
	var first *Set
	for _, workers := range []int{1, 2, 7} {
		set, err := Encode(rows, template, byteTokenizer{}, EncodeOptions{MaxLength: 40, Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = set
		} else if diff := cmp.Diff(first, set); diff != "" {
			t.Fatalf("%d workers: %s", workers, diff)
		}
	}
	for i, e := range first.Examples {
		if i > 0 && e.Row <= first.Examples[i-1].Row {
			t.Fatalf("example %d is row %d after row %d", i, e.Row, first.Examples[i-1].Row)
		}
		count := 0
		for _, label := range e.Labels {
			if label != Ignore {
				count++
			}
		}
		if count != e.Supervised {
			t.Fatalf("example %d counts %d supervised, has %d", i, e.Supervised, count)
		}
	}
}

func TestShow(t *testing.T) {
	rows := completionRows("1+1=", "2", "abcdefgh", "x", "ab", "cdefgh", "left", "out")
	var out strings.Builder
	template := mustTemplate(t, "", FormatCompletion, TemplateOptions{})
	err := Show(&out, rows, template, byteTokenizer{bos: true}, ShowOptions{Rows: 3, Encode: EncodeOptions{MaxLength: 8}})
	if err != nil {
		t.Fatal(err)
	}
	want := `--- f:1: 7 tokens, 2 supervised
<s>1+1=[[2</s>]]
--- f:2: 8 tokens, 0 supervised, dropped: nothing carries loss
<s>abcdefg
--- f:3: 8 tokens, 5 supervised, 2 cut
<s>ab[[cdefg]]
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	if err := Show(&out, rows[:1], template, byteTokenizer{}, ShowOptions{Color: true}); err != nil ||
		!strings.Contains(out.String(), "1+1=\x1b[32m2</s>\x1b[0m\n") {
		t.Errorf("%q, %v", out.String(), err)
	}
	out.Reset()
	gaveUp := errors.New("gave up")
	if err := Show(&out, rows[:1], template, byteTokenizer{failed: gaveUp}, ShowOptions{}); err != gaveUp || out.Len() > 0 {
		t.Errorf("a tokenizer that gave up: %q, %v", out.String(), err)
	}
}

func TestSplit(t *testing.T) {
	var pairs []string
	for i := range 100 {
		pairs = append(pairs, fmt.Sprint(i), "c")
	}
	set, err := Encode(completionRows(pairs...), mustTemplate(t, "", FormatCompletion, TemplateOptions{}), byteTokenizer{}, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[float64]int{0: 0, 0.05: 5, 0.001: 1, 1: 1, 30: 30, 0.99: 99} {
		train, validation, err := Split(set, size, 7)
		if err != nil || len(validation.Examples) != want || len(train.Examples) != 100-want {
			t.Fatalf("size %v: %d and %d examples, %v; want %d set aside", size, len(train.Examples), len(validation.Examples), err, want)
		}
		seen := map[int]bool{}
		for _, part := range []*Set{train, validation} {
			for i, e := range part.Examples {
				if seen[e.Row] || i > 0 && e.Row < part.Examples[i-1].Row || part.Where[i].Line != e.Row+1 {
					t.Fatalf("size %v: row %d twice, out of order or misplaced", size, e.Row)
				}
				seen[e.Row] = true
			}
		}
		if train.Report.Tokens+validation.Report.Tokens != set.Report.Tokens {
			t.Errorf("size %v: tokens are lost", size)
		}
	}
	_, first, _ := Split(set, 10, 7)
	_, second, _ := Split(set, 10, 7)
	_, other, _ := Split(set, 10, 8)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error("the same seed gives another split:", diff)
	}
	if cmp.Equal(first, other) {
		t.Error("two seeds give the same split")
	}
	for _, size := range []float64{-1, 0.999, 1.5, 100, 1e300} {
		if _, _, err := Split(set, size, 1); err == nil {
			t.Errorf("size %v is accepted", size)
		}
	}
}

func TestCheck(t *testing.T) {
	chat, err := NewChatTemplate("{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"+
		"{{ m.content }}</s>{% endfor %}", ChatOptions{EOS: "</s>"})
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, "a.jsonl", strings.Join([]string{
		`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`,
		`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`,
		`{"messages":[{"role":"user","content":"a"}]}`,
		`{"messages":`,
		`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`,
	}, "\n"))
	empty, text := write(t, "empty.json", ""), write(t, "text.jsonl", `{"text":"a"}`)
	report := Check([]string{empty, path, text}, ReadOptions{}, func(f Format) (*Template, error) {
		return NewTemplate(TemplateChat, f, TemplateOptions{Chat: chat})
	})
	var out strings.Builder
	if err := report.Write(&out); err != nil {
		t.Fatal(err)
	}
	want := `dataset: FILE:2: the chat template refuses this chat: no system
dataset: FILE:3: field "messages": the last message is from user, expected assistant
dataset: FILE:4: column 13: expected a value, got end of text
dataset: FILE:5: the chat template refuses this chat: no system
dataset: EMPTY: empty file
FILE: 1 chat rows, 4 bad
dataset: template "chat" does not fit rows of the format "text", expected text (rows of TEXT)
`
	got := strings.NewReplacer(path, "FILE", empty, "EMPTY", text, "TEXT").Replace(out.String())
	if diff := cmp.Diff(want, got); diff != "" || report.Failed() != 2 {
		t.Error(report.Failed(), diff)
	}
}
