package demo

import (
	"fmt"
	"strings"
)

// The world of the demo: people who each own one thing of one colour.
var (
	names   = []string{"Ann", "Bob", "Cid", "Dan", "Eva", "Fay", "Gus", "Hal", "Ida", "Joe", "Kim", "Leo", "Mia", "Ned", "Ola", "Pam"}
	colours = []string{"red", "blue", "green", "pink", "black", "white", "brown", "grey", "gold", "lilac", "amber", "olive"}
	things  = []string{"ball", "cup", "hat", "key", "lamp", "book", "coin", "drum", "fork", "kite", "ring", "boat", "shoe", "bell", "desk", "rope"}
)

// facts is how many people a text tells of.
const facts = 4

// A fact says who owns what.
type fact struct{ name, colour, thing string }

func (f fact) String() string { return fmt.Sprintf("%s has a %s %s.", f.name, f.colour, f.thing) }

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

// scene makes the facts of one text; names, colours and things occur once each.
func (r *random) scene() []fact {
	n, c, t := r.choose(names, facts), r.choose(colours, facts), r.choose(things, facts)
	out := make([]fact, facts)
	for i := range out {
		out[i] = fact{n[i], c[i], t[i]}
	}
	return out
}

// tell writes the facts of a scene.
func tell(scene []fact) string {
	var words []string
	for _, f := range scene {
		words = append(words, f.String())
	}
	return strings.Join(words, " ")
}

// PretrainingRow is row number i of the corpus that the demo's model learns to speak from: a scene, and a question about it
// of one of the kinds "who has the cup?", "what does Ann have?" and "what colour is the cup?" with its answer. Nothing in it
// asks for a person by a colour.
func PretrainingRow(i int) Row {
	r := random(uint64(i)*0x2545f4914f6cdd1d + 1)
	scene := r.scene()
	f := scene[r.below(facts)]
	row := Row{Prompt: tell(scene)}
	switch r.below(3) {
	case 0:
		row.Prompt += fmt.Sprintf(" who has the %s?", f.thing)
		row.Completion = fmt.Sprintf(" %s.", f.name)
	case 1:
		row.Prompt += fmt.Sprintf(" what does %s have?", f.name)
		row.Completion = fmt.Sprintf(" a %s %s.", f.colour, f.thing)
	case 2:
		row.Prompt += fmt.Sprintf(" what colour is the %s?", f.thing)
		row.Completion = fmt.Sprintf(" %s.", f.colour)
	}
	return row
}

// A Row is a question with its answer.
type Row struct {
	Prompt     string `json:"prompt"`
	Completion string `json:"completion"`
}

// TaskRow is example number i of the new task: to find a person by the colour of the thing, in a wording that the
// pretraining does not know.
func TaskRow(i int) Row {
	r := random(uint64(i)*0x9e6c63d0876a9a47 + 7)
	scene := r.scene()
	f := scene[r.below(facts)]
	return Row{Prompt: fmt.Sprintf("%s %s belongs to?", tell(scene), f.colour), Completion: " " + f.name + "."}
}

// How many rows of the new task there are; the held-out ones come after the training rows and repeat none of them.
const (
	TrainRows   = 4000
	HeldOutRows = 300
)
