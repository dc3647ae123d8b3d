// Command tokenizer is the Go side of compare.py and speed.py: it encodes the texts it is given with smt's tokenizer.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"smt/tokenizer"
)

// request is what standard input holds: texts as base64, since they need not be UTF-8, and lists of ids to decode.
type request struct {
	Texts  [][]byte  `json:"texts"`
	Decode [][]int32 `json:"decode"`
}

// response answers with ids, byte offsets [start, end] and decoded texts of the texts, and what the lists of ids
// decode to.
type response struct {
	IDs       [][]int32  `json:"ids"`
	Offsets   [][][2]int `json:"offsets"`
	RoundTrip []string   `json:"round_trip"`
	Decoded   []string   `json:"decoded"`
}

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 2 || args[0] != "encode" && args[0] != "speed" {
		return fmt.Errorf("usage: tokenizer encode|speed DIRECTORY < request.json")
	}
	var req request
	if err := json.NewDecoder(in).Decode(&req); err != nil {
		return err
	}
	began := time.Now()
	tok, err := tokenizer.Load(args[1])
	if err != nil {
		return err
	}
	loading := time.Since(began)
	if args[0] == "speed" {
		return speed(tok, req.Texts, loading, out)
	}
	var resp response
	for _, text := range req.Texts {
		ids, spans := tok.EncodeOffsets(string(text), true, []int32{}, nil)
		offsets := make([][2]int, len(spans))
		for i, span := range spans {
			offsets[i] = [2]int{span.Start, span.End}
		}
		resp.IDs = append(resp.IDs, ids)
		resp.Offsets = append(resp.Offsets, offsets)
		resp.RoundTrip = append(resp.RoundTrip, tok.Decode(ids, true))
	}
	for _, ids := range req.Decode {
		resp.Decoded = append(resp.Decoded, tok.Decode(ids, false))
	}
	if err := tok.Err(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(resp)
}

// speed encodes all texts five times on one core and prints the time of the first pass, which finds no word remembered, and
// the best.
func speed(tok *tokenizer.Tokenizer, texts [][]byte, loading time.Duration, out io.Writer) error {
	runtime.GOMAXPROCS(1)
	first, best, tokens := time.Duration(0), time.Duration(1<<62), 0
	for pass := range 5 {
		began := time.Now()
		tokens = 0
		for _, text := range texts {
			tokens += len(tok.Encode(string(text), true))
		}
		took := time.Since(began)
		if pass == 0 {
			first = took
		}
		best = min(best, took)
	}
	return json.NewEncoder(out).Encode(map[string]any{
		"load_seconds": loading.Seconds(), "first_seconds": first.Seconds(), "seconds": best.Seconds(), "tokens": tokens,
	})
}
