package main

import (
	"regexp"
	"sort"
	"strings"
)

// words cuts text as the tokenizer's pre-tokenizer does: a word with the space before it, or a run of punctuation.
var words = regexp.MustCompile(` ?\pL+| ?[^\s\pL]+`)

// learn finds merges of a byte-level BPE: again and again the most frequent pair of neighbours, ties in order of the text,
// until every word is one token or limit merges are found. It returns the vocabulary in order of ids, after first reserved
// ids, and the merges.
func learn(texts []string, alphabet []string, limit int) (vocabulary []string, merges []string) {
	counts := map[string]int{}
	for _, text := range texts {
		for _, w := range words.FindAllString(text, -1) {
			counts[strings.ReplaceAll(w, " ", "Ġ")]++
		}
	}
	type word struct {
		parts []string
		count int
	}
	var all []word
	for w, n := range counts {
		var parts []string
		for _, r := range w {
			parts = append(parts, string(r))
		}
		all = append(all, word{parts, n})
	}
	sort.Slice(all, func(i, j int) bool { return strings.Join(all[i].parts, "") < strings.Join(all[j].parts, "") })
	vocabulary = append(vocabulary, alphabet...)
	for len(merges) < limit {
		pairs := map[[2]string]int{}
		for _, w := range all {
			for i := 0; i+1 < len(w.parts); i++ {
				pairs[[2]string{w.parts[i], w.parts[i+1]}] += w.count
			}
		}
		best, top := [2]string{}, 0
		for p, n := range pairs {
			if n > top || n == top && (p[0]+" "+p[1]) < (best[0]+" "+best[1]) {
				best, top = p, n
			}
		}
		if top == 0 {
			break
		}
		joined := best[0] + best[1]
		merges, vocabulary = append(merges, best[0]+" "+best[1]), append(vocabulary, joined)
		for k, w := range all {
			var parts []string
			for i := 0; i < len(w.parts); i++ {
				if i+1 < len(w.parts) && w.parts[i] == best[0] && w.parts[i+1] == best[1] {
					parts = append(parts, joined)
					i++
				} else {
					parts = append(parts, w.parts[i])
				}
			}
			all[k].parts = parts
		}
	}
	return vocabulary, merges
}

// alphabet is the byte-level spelling of printable ASCII, space and new line: enough for every text of the demo's world,
// and for what people type to try it.
func alphabet() []string {
	var out []string
	for c := '!'; c <= '~'; c++ {
		out = append(out, string(c))
	}
	return append(out, "Ġ", "Ċ")
}
