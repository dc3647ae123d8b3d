// Command beam generates from the prompts of a file that peer.py wrote, and compares the sequences token for
// token. See README.md.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"smt/device/cpu"
	"smt/generate"
	"smt/model"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: beam MODEL_DIR RESULTS.json")
		os.Exit(2)
	}
	same, err := compare(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !same {
		os.Exit(1)
	}
}

// A result is one way of decoding and what transformers made of it.
type result struct {
	Name    string
	Options struct {
		Beams             int     `json:"num_beams"`
		RepetitionPenalty float64 `json:"repetition_penalty"`
	}
	MaxNewTokens     int `json:"max_new_tokens"`
	Stop             []int32
	Prompts, Outputs [][]int32
	Seconds          float64
}

func compare(dir, path string) (same bool, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	var results []result
	if err := json.Unmarshal(raw, &results); err != nil {
		return false, fmt.Errorf("beam: %s: %w", path, err)
	}
	base, err := model.Open(dir)
	if err != nil {
		return false, err
	}
	defer base.Close()
	dev := cpu.New()
	decoder, err := model.New(dev, base)
	if err != nil {
		return false, err
	}
	fmt.Println(dev.Name())
	same = true
	for _, r := range results {
		options := generate.Options{MaxNewTokens: r.MaxNewTokens, Beams: r.Options.Beams,
			RepetitionPenalty: r.Options.RepetitionPenalty, StopIDs: r.Stop}
		start := time.Now()
		outputs, err := generate.Batch(decoder, r.Prompts, options, nil)
		if err != nil {
			return false, err
		}
		seconds := time.Since(start).Seconds()
		equal, tokens := 0, 0
		for i, got := range outputs {
			tokens += len(got)
			want := r.Outputs[i]
			if slices.Equal(got, want) {
				equal++
				continue
			}
			same = false
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			fmt.Printf("  prompt %d: the first %d tokens are equal, then %v, expected %v\n", i, at, got[at:], want[at:])
		}
		fmt.Printf("%s: %d of %d equal; %d new tokens in %.1f s, transformers %.1f s\n", r.Name, equal, len(outputs), tokens,
			seconds, r.Seconds)
	}
	return same, nil
}
