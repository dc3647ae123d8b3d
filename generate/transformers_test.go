package generate

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"smt/model"
)

// TestTransformers compares greedy and beam search with the sequences that transformers generates from the same models
// (bench/beam/golden.py writes them).
func TestTransformers(t *testing.T) {
	raw, err := os.ReadFile("testdata/transformers.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Model   string
		Options struct {
			Beams             int     `json:"num_beams"`
			RepetitionPenalty float64 `json:"repetition_penalty"`
			LengthPenalty     float64 `json:"length_penalty"`
			EarlyStopping     bool    `json:"early_stopping"`
		}
		Stop             []int32
		Prompts, Outputs [][]int32
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	decoders := map[string]*model.Decoder{}
	for i, c := range cases {
		if decoders[c.Model] == nil {
			decoders[c.Model] = openReference(t, c.Model)
		}
		o := c.Options
		t.Run(fmt.Sprintf("%d/%s/beams=%d,repetition=%g,length=%g,early=%t,stops=%d", i, c.Model, o.Beams,
			o.RepetitionPenalty, o.LengthPenalty, o.EarlyStopping, len(c.Stop)), func(t *testing.T) {
			got, err := Batch(decoders[c.Model], c.Prompts, Options{MaxNewTokens: 24, Beams: o.Beams, RepetitionPenalty: o.RepetitionPenalty,
				LengthPenalty: o.LengthPenalty, EarlyStopping: o.EarlyStopping, StopIDs: c.Stop, Concurrent: 3}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for p := range got {
				if !slices.Equal(got[p], c.Outputs[p]) {
					t.Errorf("prompt %d:\n got %v\nwant %v", p, got[p], c.Outputs[p])
				}
			}
		})
	}
}
