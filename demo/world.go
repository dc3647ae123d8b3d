package demo

import (
	"fmt"
	"slices"
	"strings"
)

// The world of the demo: lists of words.
var (
	names   = []string{"Ann", "Bob", "Cid", "Dan", "Eva", "Fay", "Gus", "Hal", "Ida", "Joe", "Kim", "Leo"}
	colours = []string{"red", "blue", "green", "pink", "black", "white", "brown", "grey"}
	things  = []string{"ball", "cup", "hat", "key", "lamp", "book", "coin", "drum", "fork", "kite", "ring", "boat"}
	words   = slices.Concat(names, colours, things)
)

// Lists have this many words.
const shortest, longest = 5, 10

// random is a generator that depends on its seed alone (splitmix64).
type random uint64

// below returns a number from 0 to n-1.
func (r *random) below(n int) int {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) >> 1 % uint64(n))
}

// choose returns n different words of a list.
func (r *random) choose(words []string, n int) []string {
	all := append([]string{}, words...)
	for i := range n {
		j := i + r.below(len(all)-i)
		all[i], all[j] = all[j], all[i]
	}
	return all[:n]
}

// list makes a list of different words.
func (r *random) list() []string { return r.choose(words, shortest+r.below(longest-shortest+1)) }

// PretrainingRow is row number i of the corpus that the demo's model learns to speak from: a list, said twice. Nothing in it
// asks for anything.
func PretrainingRow(i int) Row {
	r := random(uint64(i)*0x2545f4914f6cdd1d + 1)
	list := strings.Join(r.list(), " ")
	return Row{Prompt: "list: " + list + ". again:", Completion: " " + list + "."}
}

// A Row is a question with its answer.
type Row struct {
	Prompt     string `json:"prompt"`
	Completion string `json:"completion"`
}

// TaskRow is example number i of the new task: to name the first or the last word of a list.
func TaskRow(i int) Row {
	r := random(uint64(i)*0x9e6c63d0876a9a47 + 7)
	list := r.list()
	which, answer := "first", list[0]
	if r.below(2) == 1 {
		which, answer = "last", list[len(list)-1]
	}
	return Row{Prompt: fmt.Sprintf("list: %s. what is %s?", strings.Join(list, " "), which), Completion: " " + answer + "."}
}

// How many rows of the new task there are; the held-out ones come after the training rows and repeat none of them.
const (
	TrainRows   = 4000
	HeldOutRows = 300
)
