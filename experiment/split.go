package experiment

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"smt/config"
	"smt/dataset"
	"smt/durable"
	"smt/recipe"
)

// A Split are the rows of an experiment in three files: all cells train on the same rows, choose by the same and are reported
// on the same, whatever their seed.
type Split struct {
	Train      string `json:"train"`
	Validation string `json:"validation"` // rows that learning rates are chosen by
	Test       string `json:"test"`       // rows that results are reported on
	TrainRows  int    `json:"train_rows"`
	ValRows    int    `json:"validation_rows"`
	TestRows   int    `json:"test_rows"`
	Repeated   int    `json:"repeated_rows"` // training rows that were left out because a held-out row says the same
	Digest     string `json:"digest"`
}

const (
	// heldOutShare and heldOutMost are how many rows are held out where the recipe does not say: a fifth, but at most 400.
	heldOutShare = 0.2
	heldOutMost  = 400
	// splitSeed decides which rows are held out. It is no seed of the recipe: seeds vary the training, not the rows.
	splitSeed = 20240525
)

// SplitRows reads the recipe's rows and writes them to dir as train.jsonl, validation.jsonl and test.jsonl. Held out are the
// rows of eval_dataset, or val_size rows, or a fifth up to 400; half of them, drawn at random, become validation rows, half test
// rows.
func SplitRows(dir string, r config.Recipe) (Split, error) {
	o := recipe.ReadOptions(r)
	o.MaxRows = r.MaxRows
	rows, err := dataset.Load(r.Dataset, o)
	if err != nil {
		return Split{}, err
	}
	var held []dataset.Row
	if len(r.EvalDataset) > 0 {
		if held, err = dataset.Load(r.EvalDataset, o); err != nil {
			return Split{}, err
		}
		_, held = holdOut(held, len(held)) // in random order: a file that is sorted by topic must not be halved by it
	} else {
		n := int(r.ValSize)
		switch {
		case r.ValSize == 0:
			n = min(heldOutMost, int(heldOutShare*float64(len(rows))))
		case r.ValSize < 1:
			n = int(math.Round(r.ValSize * float64(len(rows))))
		}
		if n >= len(rows) || n < 2 {
			return Split{}, fmt.Errorf("dataset: %v: got %d rows, of which %d would be held out; expected at least 2 for validation and test, and some to train on: set val_size", r.Dataset, len(rows), n)
		}
		rows, held = holdOut(rows, n)
	}
	if len(held) < 2 {
		return Split{}, fmt.Errorf("dataset: %v: got %d held-out rows, expected at least one for validation and one for test", r.EvalDataset, len(held))
	}
	s := Split{Train: filepath.Join(dir, "train.jsonl"), Validation: filepath.Join(dir, "validation.jsonl"), Test: filepath.Join(dir, "test.jsonl")}
	known := map[string]bool{}
	for i := range held {
		known[string(rowJSON(&held[i]))] = true
	}
	var train []dataset.Row
	for i := range rows {
		if known[string(rowJSON(&rows[i]))] {
			s.Repeated++
			continue
		}
		train = append(train, rows[i])
	}
	if len(train) == 0 {
		return Split{}, fmt.Errorf("dataset: %v: every training row is among the held-out rows, so there is nothing to train on", r.Dataset)
	}
	half := len(held) / 2
	s.TrainRows, s.ValRows, s.TestRows = len(train), half, len(held)-half
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return Split{}, fmt.Errorf("experiment: %w", err)
	}
	hash := sha256.New()
	for _, part := range []struct {
		path string
		rows []dataset.Row
	}{{s.Train, train}, {s.Validation, held[:half]}, {s.Test, held[half:]}} {
		fmt.Fprintf(hash, "%d\n", len(part.rows))
		if err := writeRows(part.path, part.rows, hash); err != nil {
			return Split{}, err
		}
	}
	s.Digest = hex.EncodeToString(hash.Sum(nil))
	return s, nil
}

// holdOut takes n rows out, chosen at random and in random order; the rest stays in the order of the files.
func holdOut(rows []dataset.Row, n int) (rest, held []dataset.Row) {
	order := rand.New(rand.NewPCG(splitSeed, 0)).Perm(len(rows))
	taken := make([]bool, len(rows))
	for _, i := range order[:n] {
		taken[i] = true
		held = append(held, rows[i])
	}
	for i, row := range rows {
		if !taken[i] {
			rest = append(rest, row)
		}
	}
	return rest, held
}

// writeRows writes rows as JSON Lines, and to the hash.
func writeRows(path string, rows []dataset.Row, hash io.Writer) error {
	return durable.WriteFile(path, func(w io.Writer) error {
		out := bufio.NewWriter(io.MultiWriter(w, hash))
		for i := range rows {
			out.Write(rowJSON(&rows[i]))
			out.WriteByte('\n')
		}
		return out.Flush()
	})
}

// rowJSON is a row with the fields of its format, under the names that this program knows.
func rowJSON(r *dataset.Row) []byte {
	type message struct {
		Role    dataset.Role `json:"role"`
		Content string       `json:"content"`
		Weight  *int         `json:"weight,omitempty"`
	}
	var v any
	switch r.Format {
	case dataset.FormatCompletion:
		v = struct {
			Prompt     string `json:"prompt"`
			Completion string `json:"completion"`
		}{r.Prompt, r.Completion}
	case dataset.FormatChat:
		var all []message
		for _, m := range r.Messages {
			one := message{Role: m.Role, Content: m.Content}
			if m.Masked {
				one.Weight = new(int)
			}
			all = append(all, one)
		}
		v = struct {
			Messages []message `json:"messages"`
		}{all}
	case dataset.FormatText:
		v = struct {
			Text string `json:"text"`
		}{r.Text}
	default:
		v = struct {
			Instruction string `json:"instruction"`
			Input       string `json:"input"`
			Output      string `json:"output"`
		}{r.Instruction, r.Input, r.Output}
	}
	line, err := json.Marshal(v)
	if err != nil {
		panic("experiment: a row that JSON cannot hold: " + err.Error()) // strings always can be
	}
	return line
}
