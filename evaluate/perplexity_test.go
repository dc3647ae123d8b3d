package evaluate

import (
	"math"
	"strings"
	"testing"

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
	if math.Abs(got.Mean-want.Mean) > 1e-9 || math.Abs(got.StandardError-want.StandardError) > 1e-9 ||
		math.Abs(got.Perplexity/want.Perplexity-1) > 1e-9 || got.Tokens != want.Tokens || got.Rows != want.Rows {
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
