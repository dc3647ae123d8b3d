package evaluate

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Right on 1, 1, 0, 0 against 1, 0, 1, 1: differences 0, -1, 1, 1, mean 1/4, variance 11/12.
func TestCompareAccuracies(t *testing.T) {
	records := func(right ...bool) (all []Record) {
		for i, r := range right {
			all = append(all, Record{Row: i}.judged(r))
		}
		return all
	}
	d, err := CompareRecords(MeasureAccuracy, records(true, true, false, false), records(true, false, true, true))
	if err != nil {
		t.Fatal(err)
	}
	if d.A != 0.5 || d.B != 0.75 || d.Difference != 0.25 || !(math.Abs(d.StandardError-math.Sqrt(11.0/12/4)) <= 1e-12) || d.OnlyA != 1 || d.OnlyB != 2 || d.Rows != 4 {
		t.Errorf("%+v", d)
	}
}

func TestCompareLosses(t *testing.T) {
	a := []Record{{Loss: 6, Tokens: 3}, {Loss: 2, Tokens: 1}, {}}
	b := []Record{{Loss: 3, Tokens: 3}, {Loss: 2.5, Tokens: 1}, {}}
	d, err := CompareRecords(MeasureLoss, a, b)
	if err != nil {
		t.Fatal(err)
	}
	// (5.5 - 8)/4; deviations -3+0.625·3, 0.5+0.625, 0.
	want := math.Sqrt(1.5*(1.125*1.125+1.125*1.125)) / 4
	if d.A != 2 || d.B != 1.375 || d.Difference != -0.625 || !(math.Abs(d.StandardError-want) <= 1e-12) || d.OnlyA != 1 || d.OnlyB != 1 {
		t.Errorf("%+v, expected a standard error of %g", d, want)
	}
	b[0].Tokens = 2
	if _, err := CompareRecords(MeasureLoss, a, b); err == nil || !strings.Contains(err.Error(), "row 0 has 3 supervised tokens and 2") {
		t.Errorf("other tokens: error %v", err)
	}
}

// The same outputs differ by nothing, and surely; others have a standard error smaller than those of the scores, which
// vary with the rows that are drawn.
func TestCompareTranslations(t *testing.T) {
	var a, b []Record
	for i, line := range []string{"ein Mann geht nach Hause", "eine Frau liest ein dickes Buch", "zwei Hunde spielen im Schnee", "der alte Baum steht am Fluss"} {
		a = append(a, Record{Row: i, Extracted: line[:len(line)-i], Answer: line})
		b = append(b, Record{Row: i, Extracted: line[:len(line)-2*i], Answer: line})
	}
	for _, measure := range []string{MeasureBLEU, MeasureChrF} {
		same, err := CompareRecords(measure, a, a)
		if err != nil || same.Difference != 0 || same.StandardError != 0 || same.A <= 0 {
			t.Errorf("%s of the same: %+v, %v", measure, same, err)
		}
		d, err := CompareRecords(measure, a, b)
		if err != nil || d.Difference == 0 || d.StandardError <= 0 || !(math.Abs(d.B-d.A-d.Difference) <= 1e-12) {
			t.Errorf("%s: %+v, %v", measure, d, err)
		}
	}
	b[1].Answer = "etwas anderes"
	if _, err := CompareRecords(MeasureChrF, a, b); err == nil || !strings.Contains(err.Error(), "row 1 has different references") {
		t.Errorf("other references: error %v", err)
	}
}

// TestCompareRuns compares two files of records as the command does.
func TestCompareRuns(t *testing.T) {
	task, rows, dir := mustFind(t, "ARC-Easy"), questionRows(5), t.TempDir()
	var runs []*Run
	for _, name := range []string{"llama", "qwen3"} {
		e := newEvaluator(t, name)
		e.Records, e.Model = filepath.Join(dir, name), name
		if _, err := e.Run(task, Likelihood, rows); err != nil {
			t.Fatal(err)
		}
		run, err := ReadRecords(e.Records)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
	}
	differences, err := Compare(runs[0], runs[1])
	if err != nil || len(differences) != 1 || differences[0].Measure != MeasureAccuracy || differences[0].Task != "ARC-Easy" || differences[0].Rows != 5 {
		t.Fatalf("%+v, %v", differences, err)
	}

	e := newEvaluator(t, "llama")
	e.Records = filepath.Join(dir, "loss")
	if _, _, err := e.ResponseLoss(t.Context(), answered(rows), 0); err != nil {
		t.Fatal(err)
	}
	loss, err := ReadRecords(e.Records)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := Compare(loss, loss); err != nil || len(d) != 1 || d[0].Measure != MeasureLoss || d[0].A <= 0 || d[0].StandardError != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := Compare(runs[0], loss); err == nil || !strings.Contains(err.Error(), "the task of") {
		t.Errorf("other tasks: error %v", err)
	}

	whole, err := os.ReadFile(runs[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"incomplete": {whole[:len(whole)-5], "records of 4 of 5 rows"},
		"empty":      {nil, "no records in it"},
		"damaged":    {append([]byte("{}"), whole...), ":1: not a record"},
	} {
		path := filepath.Join(dir, "damaged")
		if err := os.WriteFile(path, c.content, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRecords(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected %q in it", name, err, c.want)
		}
	}
}

// FuzzRecords checks that no file of records breaks its reader, and that what it accepts is complete and can be compared.
func FuzzRecords(f *testing.F) {
	header, _ := json.Marshal(recordHeader{Task: "boolq", Kind: "choice", Protocol: Likelihood, Rows: 1})
	record, _ := json.Marshal(Record{Extracted: "true", Options: []string{"true", "false"}, Scores: []float64{-1, -2}})
	good := bytes.Join([][]byte{header, record, nil}, []byte("\n"))
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(append(good, good...))
	f.Add([]byte(`{"rows":2}` + "\n" + `{"row":1}` + "\n" + `{"row":0,"loss":1e308,"supervised_tokens":-4}` + "\n"))
	f.Add([]byte(`{"rows":-1}` + "\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		run, err := parseRun(bytes.NewReader(content), "fuzz")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "evaluate: ") {
				t.Fatalf("error %v", err)
			}
			return
		}
		if len(run.Records) != run.header.Rows {
			t.Fatalf("%d records, header says %d", len(run.Records), run.header.Rows)
		}
		for i, r := range run.Records {
			if r.Row != i {
				t.Fatalf("record %d is of row %d", i, r.Row)
			}
		}
		if len(run.Records) < 20 && run.header.Kind != translation.String() {
			if _, err := Compare(run, run); err != nil {
				t.Fatal(err)
			}
		}
	})
}
