package evaluate

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"smt/dataset"
	"smt/model"
)

// TestPerplexity compares the mean and its standard error with sums over rows that are run one by one, and with the
// softmax of their logits.
func TestPerplexity(t *testing.T) {
	d := openReference(t, "qwen2")
	var rows, labels [][]int32
	for n := range 40 {
		ids, label := []int32{}, []int32{}
		for i := range 20 + 3*(n%30) {
			ids = append(ids, int32((5+11*i+7*n*i)%512))
		}
		for i := range ids {
			if label = append(label, -100); i+1 < len(ids) && (i+n)%3 == 0 && n != 4 {
				label[i] = ids[i+1]
			}
		}
		rows, labels = append(rows, ids), append(labels, label)
	}
	var calls [][2]int
	got, err := Perplexity(d, rows, labels, func(done, total int) { calls = append(calls, [2]int{done, total}) })
	if err != nil {
		t.Fatal(err)
	}
	if last := calls[len(calls)-1]; len(calls) < 2 || last != [2]int{40, 40} {
		t.Errorf("progress %v", calls)
	}

	sums, counts, total, tokens := make([]float64, 40), make([]float64, 40), 0.0, 0.0
	d.Prepare(model.Limits{Tokens: 200, Supervised: 200, Positions: 200})
	for r := range rows {
		var in model.Input
		in.SetRows(rows[r:r+1], labels[r:r+1])
		if err := d.Logits(&in, nil, func(i int, logits []float64) {
			sum := 0.0
			for _, v := range logits {
				sum += math.Exp(v)
			}
			sums[r] += math.Log(sum) - logits[in.Labels[i]]
			counts[r]++
		}); err != nil {
			t.Fatal(err)
		}
		total, tokens = total+sums[r], tokens+counts[r]
	}
	mean, squares := total/tokens, 0.0
	for r := range sums {
		squares += math.Pow(sums[r]-mean*counts[r], 2)
	}
	want := Loss{Mean: mean, StandardError: math.Sqrt(40.0/39*squares) / tokens, Perplexity: math.Exp(mean), Tokens: int(tokens), Rows: 40}
	if !(math.Abs(got.Mean-want.Mean) <= 1e-9) || !(math.Abs(got.StandardError-want.StandardError) <= 1e-9) ||
		!(math.Abs(got.Perplexity/want.Perplexity-1) <= 1e-9) || got.Tokens != want.Tokens || got.Rows != want.Rows {
		t.Errorf("%+v, expected %+v", got, want)
	}
	if got.StandardError <= 0 {
		t.Errorf("standard error %g", got.StandardError)
	}
}

func TestPerplexityErrors(t *testing.T) {
	d := openReference(t, "llama")
	for _, c := range []struct {
		rows, labels [][]int32
		want         string
	}{
		{[][]int32{{1, 2}}, [][]int32{{-100, -100}}, "no supervised token"},
		{nil, nil, "no supervised token"},
		{[][]int32{{1, 2}, {1, 600}}, [][]int32{{2, -100}, {2, -100}}, "rows 0 to 1: model: token id 600"},
	} {
		if _, err := Perplexity(d, c.rows, c.labels, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, expected %q in it", err, c.want)
		}
	}
}

// answered gives rows responses of different lengths.
func answered(rows []dataset.Row) []dataset.Row {
	for i := range rows {
		rows[i].Output = strings.Repeat("yes ", 1+i%3) + rows[i].Answer
	}
	return rows
}

// TestResponseLoss checks records and mean against passes over single rows, and goes on after an interruption with the same
// bits.
func TestResponseLoss(t *testing.T) {
	e := newEvaluator(t, "llama")
	rows := answered(questionRows(9))
	rows[4].Instruction = strings.Repeat("long ", 100) // its response is cut off
	want, records, err := e.ResponseLoss(t.Context(), rows, 300)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 9 || records[4].Tokens != 0 || records[4].Loss != 0 {
		t.Fatalf("records %+v", records)
	}
	sum, tokens := 0.0, 0
	for i, r := range records {
		if r.Row != i {
			t.Fatalf("record %d is of row %d", i, r.Row)
		}
		sum, tokens = sum+r.Loss, tokens+r.Tokens
		if i == 4 {
			continue
		}
		text, err := mustTemplate(t).Prompt(&rows[i])
		if err != nil {
			t.Fatal(err)
		}
		// The end of the sequence, which the tokenizer adds, is part of the response.
		if loss := wholePass(t, e, text.Content, rows[i].Output+eosText); !(math.Abs(r.Value+loss) <= 1e-9) {
			t.Errorf("row %d: %g, expected %g", i, r.Value, -loss)
		}
	}
	if !(math.Abs(want.Mean-sum/float64(tokens)) <= 1e-12) || want.Tokens != tokens || want.Rows != 9 || want.StandardError <= 0 {
		t.Errorf("%+v", want)
	}

	path := filepath.Join(t.TempDir(), "records")
	e.Records = path
	ctx, cancel := context.WithCancel(t.Context())
	e.Progress = func(done, total int) {
		if done > 1 {
			cancel()
		}
	}
	if _, _, err := e.ResponseLoss(ctx, rows, 300); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "of 9 rows; the same command goes on with "+path) {
		t.Errorf("interrupted: error %v", err)
	}
	e.Progress = nil
	got, again, err := e.ResponseLoss(t.Context(), rows, 300)
	if err != nil || got != want || !reflect.DeepEqual(again, records) {
		t.Errorf("after an interruption: %+v, %v; expected %+v", got, err, want)
	}
	if _, _, err := e.ResponseLoss(t.Context(), rows, 200); err == nil || !strings.Contains(err.Error(), "records are of another run") {
		t.Errorf("another length: error %v", err)
	}
}

func mustTemplate(t *testing.T) *dataset.Template {
	t.Helper()
	template, err := dataset.NewTemplate("", dataset.FormatInstruction, dataset.TemplateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return template
}
