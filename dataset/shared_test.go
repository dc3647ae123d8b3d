package dataset

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smt/tokenizer"
)

// sharedFile returns the path of a file of the shared data, or skips the test.
func sharedFile(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(shared, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs %s: %v", path, err)
	}
	return path
}

// sharedTokenizer loads one of the shared tokenizers.
func sharedTokenizer(t testing.TB, name string) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load(sharedFile(t, filepath.Join("tokenizers", name)))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestSharedFiles reads every data file there is and compares each row with encoding/json.
func TestSharedFiles(t *testing.T) {
	for name, want := range map[string]int{
		"data/commonsense/train/commonsense_15k.json": 15000,
		"data/math/train/math_9k.json":                8938,
		"data/domains/multi30k_en_de_train.json":      -1,
		"data/domains/mbpp_train.json":                -1,
		"data/domains/pubmedqa_train.json":            -1,
		"data/domains/legalbench_fewshot.json":        -1,
		"data/math/test/gsm8k.json":                   1319,
	} {
		path := sharedFile(t, name)
		// The outputs of the test files were written by a model, which sometimes wrote nothing.
		rows, bad, err := Read(path, ReadOptions{Evaluation: strings.Contains(name, "test")})
		if err != nil || len(bad) > 0 || want >= 0 && len(rows) != want {
			t.Fatalf("%s: %d rows, bad %v, %v; want %d rows", name, len(rows), bad, err, want)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var reference []struct{ Instruction, Input, Output, Answer string }
		if err := json.Unmarshal(data, &reference); err != nil {
			t.Fatal(err)
		}
		if len(reference) != len(rows) {
			t.Fatalf("%s: %d rows, encoding/json reads %d", name, len(rows), len(reference))
		}
		lines := strings.Split(string(data), "\n")
		for i, r := range reference {
			row := rows[i]
			if row.Instruction != r.Instruction || row.Input != r.Input || row.Output != r.Output || row.Answer != r.Answer {
				t.Fatalf("%s: row %d is %+v, want %+v", name, i, row, r)
			}
			if !strings.Contains(lines[row.Line-1], "{") {
				t.Fatalf("%s: row %d is said to start on line %d: %q", name, i, row.Line, lines[row.Line-1])
			}
		}
	}
}

// TestSharedEncoding tokenizes real rows with real tokenizers, templates of every kind, and checks that what is
// supervised decodes to the response and the end of sequence, and nothing else.
func TestSharedEncoding(t *testing.T) {
	rows, err := Load([]string{sharedFile(t, "data/commonsense/train/commonsense_15k.json")}, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	more, err := Load([]string{sharedFile(t, "data/math/train/math_9k.json"), sharedFile(t, "data/domains/multi30k_en_de_train.json"),
		sharedFile(t, "data/domains/mbpp_train.json")}, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rows = append(rows[:150:150], append(more[:100:100], more[len(more)-150:]...)...)
	for _, name := range []string{"smollm2", "llama3.1", "qwen3", "llama2", "mistral-v0.1"} {
		tok := sharedTokenizer(t, name)
		eos, _ := tok.EOS()
		end := tok.Decode([]int32{eos}, false)
		names := []string{TemplateAlpaca, TemplateLLMAdapters, TemplateSMTReference}
		opt := TemplateOptions{}
		if source := tok.ChatTemplate(); source != "" {
			bos := ""
			if id, ok := tok.BOS(); ok {
				bos = tok.Decode([]int32{id}, false)
			}
			if opt.Chat, err = NewChatTemplate(source, ChatOptions{BOS: bos, EOS: end}); err != nil {
				t.Fatal(err)
			}
			names = append(names, TemplateChat)
		}
		for _, templateName := range names {
			set, err := Encode(rows, mustTemplate(t, templateName, FormatInstruction, opt), tok, EncodeOptions{MaxLength: 4096})
			if err != nil {
				t.Fatal(err)
			}
			if set.Report.Kept != len(rows) || set.Report.Truncated != 0 {
				t.Errorf("%s, %s: %s", name, templateName, set.Report.String())
			}
			for _, e := range set.Examples {
				var learned []int32
				for _, label := range e.Labels {
					if label != Ignore {
						learned = append(learned, label)
					}
				}
				got := tok.Decode(learned, false)
				want := strings.TrimSpace(rows[e.Row].Output) + end
				if templateName == TemplateChat && name == "qwen3" {
					want = "<think>\n\n</think>\n\n" + want
				}
				// The token across the border may bring white space of the prompt along.
				if strings.TrimSpace(got) != want && strings.Join(strings.Fields(got), "") != strings.Join(strings.Fields(want), "") {
					t.Fatalf("%s, %s, row %d: learns %q, want %q", name, templateName, e.Row, got, want)
				}
			}
			bos, _ := tok.BOS()
			if ids := set.Examples[0].IDs; ids[0] == bos && ids[1] == bos {
				t.Errorf("%s, %s: the beginning of sequence stands twice", name, templateName)
			}
		}
	}
}

// BenchmarkPrepare reads and renders commonsense_15k, without tokenizing.
func BenchmarkPrepare(b *testing.B) {
	path := sharedFile(b, "data/commonsense/train/commonsense_15k.json")
	template := mustTemplate(b, TemplateAlpaca, FormatInstruction, TemplateOptions{})
	for b.Loop() {
		rows, err := Load([]string{path}, ReadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for i := range rows {
			if _, err := template.Render(&rows[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkEncode tokenizes commonsense_15k with Llama 3.1's tokenizer.
func BenchmarkEncode(b *testing.B) {
	rows, err := Load([]string{sharedFile(b, "data/commonsense/train/commonsense_15k.json")}, ReadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	tok := sharedTokenizer(b, "llama3.1")
	template := mustTemplate(b, TemplateAlpaca, FormatInstruction, TemplateOptions{})
	tokens := int64(0)
	for b.Loop() {
		set, err := Encode(rows, template, tok, EncodeOptions{MaxLength: 512})
		if err != nil {
			b.Fatal(err)
		}
		tokens += set.Report.Tokens
	}
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkChat renders and places the loss of commonsense_15k as chats, with Qwen 3's template (89 lines).
func BenchmarkChat(b *testing.B) {
	rows, err := Load([]string{sharedFile(b, "data/commonsense/train/commonsense_15k.json")}, ReadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	chat, err := NewChatTemplate(sharedTokenizer(b, "qwen3").ChatTemplate(), ChatOptions{EOS: "<|im_end|>"})
	if err != nil {
		b.Fatal(err)
	}
	template := mustTemplate(b, TemplateChat, FormatInstruction, TemplateOptions{Chat: chat})
	for b.Loop() {
		for i := range rows {
			if _, err := template.Render(&rows[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
}
