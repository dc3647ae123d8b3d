package evaluate

import (
	"fmt"
	"io"
	"math"
	"os"
)

// A Run is a file of records that is complete.
type Run struct {
	Path     string
	Task     string
	Protocol string
	Model    string
	Records  []Record // in the order of the rows
	header   recordHeader
}

// ReadRecords reads a complete file of records.
func ReadRecords(path string) (*Run, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("evaluate: records: %w", err)
	}
	defer file.Close()
	return parseRun(file, path)
}

// maxRows bounds what a header may claim.
const maxRows = 50_000_000

func parseRun(in io.Reader, path string) (*Run, error) {
	run := &Run{Path: path}
	var found []Record
	seen := map[int]bool{}
	_, err := readRecords(in, path, func(h recordHeader) error {
		if h.Rows < 1 || h.Rows > maxRows {
			return fmt.Errorf("%d rows, expected 1 to %d", h.Rows, maxRows)
		}
		run.header, run.Task, run.Protocol, run.Model = h, h.Task, h.Protocol, h.Model
		return nil
	}, func(r Record) error {
		if r.Row < 0 || r.Row >= run.header.Rows || seen[r.Row] {
			return fmt.Errorf("row %d: expected each of 0 to %d once", r.Row, run.header.Rows-1)
		}
		seen[r.Row] = true
		found = append(found, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if run.header.Rows == 0 {
		return nil, fmt.Errorf("evaluate: %s: no records in it", path)
	}
	if len(found) != run.header.Rows {
		return nil, fmt.Errorf("evaluate: %s: records of %d of %d rows; run the evaluation to its end", path, len(found), run.header.Rows)
	}
	run.Records = make([]Record, len(found))
	for _, r := range found {
		run.Records[r.Row] = r
	}
	return run, nil
}

// A Difference is a measure of two models on the same rows, and the difference of the second from the first.
//
// The rows' difficulty is common to both and cancels: with d_r the difference of row r and d its mean over R rows, the
// standard error is sqrt(Σ_r (d_r - d)²/(R(R-1))). For losses, whose means are over tokens, d_r is the difference of the
// sums over the row's T_r tokens and the standard error that of a ratio, sqrt(R/(R-1)·Σ_r (d_r - d·T_r)²)/Σ_r T_r. For BLEU
// and chrF, which are no means of rows, both models are scored on the same 1000 resampled corpora.
type Difference struct {
	Task     string `json:"task"`
	Protocol string `json:"protocol"`
	// Measure is accuracy, loss (nats per supervised token), bleu or chrf.
	Measure       string  `json:"measure"`
	Rows          int     `json:"rows"`
	A             float64 `json:"a"`
	B             float64 `json:"b"`
	Difference    float64 `json:"difference"` // B - A
	StandardError float64 `json:"standard_error"`
	// OnlyA and OnlyB count the rows on which one model is better than the other: right where the other is wrong, of a
	// smaller loss, or of a larger chrF.
	OnlyA int `json:"a_better"`
	OnlyB int `json:"b_better"`
}

// Compare compares two runs of the same task and protocol on the same rows: accuracy, loss, or BLEU and chrF.
func Compare(a, b *Run) ([]Difference, error) {
	for _, c := range []struct {
		what     string
		of, with any
	}{
		{"task", a.header.Task, b.header.Task}, {"kind", a.header.Kind, b.header.Kind}, {"protocol", a.header.Protocol, b.header.Protocol},
		{"limit of tokens", a.header.Limit, b.header.Limit}, {"rows", a.header.Rows, b.header.Rows}, {"sum of the rows", a.header.Data, b.header.Data},
	} {
		if c.of != c.with {
			return nil, fmt.Errorf("evaluate: compare: the %s of %s is %v, that of %s is %v; only the same rows asked in the same way can be compared",
				c.what, a.Path, c.of, b.Path, c.with)
		}
	}
	measures := []string{MeasureAccuracy}
	switch a.header.Kind {
	case lossKind:
		measures = []string{MeasureLoss}
	case translation.String():
		measures = []string{MeasureBLEU, MeasureChrF}
	}
	var differences []Difference
	for _, measure := range measures {
		d, err := CompareRecords(measure, a.Records, b.Records)
		if err != nil {
			return nil, fmt.Errorf("%w (%s and %s)", err, a.Path, b.Path)
		}
		d.Task, d.Protocol = a.Task, a.Protocol
		differences = append(differences, d)
	}
	return differences, nil
}

// What [CompareRecords] can compare.
const (
	MeasureAccuracy = "accuracy"
	MeasureLoss     = "loss"
	MeasureBLEU     = "bleu"
	MeasureChrF     = "chrf"
)

// CompareRecords compares two models by the records of the same rows, in the same order, as [Evaluator.Evaluate] and
// [Evaluator.ResponseLoss] return them.
func CompareRecords(measure string, a, b []Record) (Difference, error) {
	if len(a) != len(b) || len(a) == 0 {
		return Difference{}, fmt.Errorf("evaluate: compare: records of %d and of %d rows, expected the same rows", len(a), len(b))
	}
	d := Difference{Measure: measure, Rows: len(a)}
	var err error
	switch measure {
	case MeasureAccuracy:
		d.ofMeans(a, b, func(r Record) (sum, weight float64) {
			if r.Correct {
				return 1, 1
			}
			return 0, 1
		})
	case MeasureLoss:
		for i := range a {
			if a[i].Tokens != b[i].Tokens {
				return d, fmt.Errorf("evaluate: compare: row %d has %d supervised tokens and %d; losses per token of different tokenizers "+
					"or templates cannot be compared", i, a[i].Tokens, b[i].Tokens)
			}
		}
		d.ofMeans(a, b, func(r Record) (sum, weight float64) { return r.Loss, float64(r.Tokens) })
		d.OnlyA, d.OnlyB = d.OnlyB, d.OnlyA // a smaller loss is better
	case MeasureBLEU, MeasureChrF:
		err = d.ofTranslations(a, b)
	default:
		err = fmt.Errorf("evaluate: compare: measure %q: expected accuracy, loss, bleu or chrf", measure)
	}
	return d, err
}

// ofMeans compares two ratios of sums over rows, whose weights are the same on both sides.
func (d *Difference) ofMeans(a, b []Record, of func(Record) (sum, weight float64)) {
	sumA, sumB, weights := 0.0, 0.0, 0.0
	for i := range a {
		x, weight := of(a[i])
		y, _ := of(b[i])
		sumA, sumB, weights = sumA+x, sumB+y, weights+weight
		switch {
		case x > y:
			d.OnlyA++
		case x < y:
			d.OnlyB++
		}
	}
	if weights == 0 {
		return
	}
	d.A, d.B = sumA/weights, sumB/weights
	d.Difference = (sumB - sumA) / weights
	squares := 0.0
	for i := range a {
		x, weight := of(a[i])
		y, _ := of(b[i])
		deviation := y - x - d.Difference*weight
		squares += deviation * deviation
	}
	if n := float64(d.Rows); n > 1 {
		d.StandardError = math.Sqrt(n/(n-1)*squares) / weights
	}
}

// ofTranslations compares corpora: the error is that of the difference on corpora resampled for both alike.
func (d *Difference) ofTranslations(a, b []Record) error {
	var outputsA, outputsB, references []string
	for i := range a {
		if a[i].Answer != b[i].Answer {
			return fmt.Errorf("evaluate: compare: row %d has different references", i)
		}
		outputsA, outputsB, references = append(outputsA, a[i].Extracted), append(outputsB, b[i].Extracted), append(references, a[i].Answer)
		switch {
		case a[i].Value > b[i].Value:
			d.OnlyA++
		case a[i].Value < b[i].Value:
			d.OnlyB++
		}
	}
	bleuA, chrfA := translationCounts(outputsA, references)
	bleuB, chrfB := translationCounts(outputsB, references)
	if d.Measure == MeasureBLEU {
		ofCorpora(d, bleuA, bleuB)
	} else {
		ofCorpora(d, chrfA, chrfB)
	}
	return nil
}

func ofCorpora[T counts[T]](d *Difference, a, b []T) {
	d.A, d.B = total(a).score(), total(b).score()
	d.Difference = d.B - d.A
	d.StandardError = resample(len(a), func(rows []int) float64 { return total(pick(b, rows)).score() - total(pick(a, rows)).score() })
}
