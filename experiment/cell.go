// Package experiment compares recipes on equal terms: what is run, how finished runs are stored and gone on with, what is
// measured of them, and the statistics of the measurements.
//
// An experiment is a list of cells. A [Cell] is one run of [recipe.Train] with a recipe of its own, followed by measures on
// rows that no run has trained on. Every cell runs in a process of its own, so that its peak memory is its own and its crash
// ends nothing else; [Execute] is what that process does. A [Lab] runs cells, finds those that are finished, and goes on with
// those that were interrupted. An experiment such as [Compare] makes the cells and says what came of them.
package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"smt/config"
	"smt/sparse"
)

// A Cell is one run, and what is measured of its result.
type Cell struct {
	// Name tells the cell apart from the others of its experiment, for people.
	Name string `json:"name"`
	// Method is what is compared: smt, full, lora, dora, the name of a block score, or base for the model as it is.
	Method string `json:"method"`
	// Labels are the cell's values of what the experiment varies beside method, learning rate and seed.
	Labels []Label `json:"labels,omitempty"`
	Recipe Recipe  `json:"recipe"`
	// Blocks, if not nil, are tuned in place of those that a warm-up would select.
	Blocks   *sparse.Selection `json:"blocks,omitempty"`
	Measures Measures          `json:"measures"`
	// Model is the digest of what the run begins with (see [modelDigest]). It is kept beside the ID, which has the model's path: a
	// cell whose stored digest is another one is not finished, and one of an earlier version, which stored none, is.
	Model string `json:"model_sha256,omitempty"`
}

// onOtherModel reports whether the cell was run with a model other than that of the digest.
func (c Cell) onOtherModel(digest string) bool {
	return c.Model != "" && digest != "" && c.Model != digest
}

// Base is the method of a cell that measures the model without training it.
const Base = "base"

// A Label is the cell's value of something that an experiment varies.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Label returns the value of a label, or "".
func (c Cell) Label(name string) string {
	for _, l := range c.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// A Recipe is a recipe that JSON holds as its YAML text: saved as a file, it runs with smt train.
type Recipe struct{ config.Recipe }

// MarshalJSON writes every key, defaults included.
func (r Recipe) MarshalJSON() ([]byte, error) { return json.Marshal(string(r.Resolved())) }

// UnmarshalJSON reads the text back.
func (r *Recipe) UnmarshalJSON(text []byte) error {
	var yaml string
	if err := json.Unmarshal(text, &yaml); err != nil {
		return err
	}
	loaded, _, err := config.Parse("recipe", []byte(yaml), nil)
	r.Recipe = loaded
	return err
}

// Measures are what is measured of a trained model. Whatever is "" or empty is not.
type Measures struct {
	// Validation are rows that learning rates are chosen by, Test rows that results are reported on; neither is trained on.
	Validation string `json:"validation,omitempty"`
	Test       string `json:"test,omitempty"`
	// Digest is the SHA-256 of the training, validation and test rows.
	Digest string `json:"digest"`
	Tasks  []Task `json:"tasks,omitempty"`
}

// cover reports whether who has these measures has the others, too.
func (m Measures) cover(others Measures) bool {
	return (m.Validation != "" || others.Validation == "") && (m.Test != "" || others.Test == "") &&
		(len(others.Tasks) == 0 || slices.EqualFunc(m.Tasks, others.Tasks, Task.same))
}

// told returns the measures with the digests of those of the tasks that are the same but for it: an earlier version stored none.
func (m Measures) told(tasks []Task) Measures {
	m.Tasks = slices.Clone(m.Tasks)
	for i := range m.Tasks {
		for _, t := range tasks {
			if digest := t.Digest; m.Tasks[i].Digest == "" {
				if t.Digest = ""; t == m.Tasks[i] {
					m.Tasks[i].Digest = digest
				}
			}
		}
	}
	return m
}

// ID identifies the run: cells that would train the same model on the same rows have the same. Names, labels, where the rows and
// results lie, what is measured of the model, and keys that mean nothing beside the others do not matter.
func (c Cell) ID() string {
	r := c.Recipe.Recipe
	r.OutputDir, r.ResumeFromCheckpoint, r.OverwriteOutputDir, r.LogFormat, r.LoggingSteps = "", "", false, "", 1
	r.Dataset, r.EvalDataset, r.SaveSteps, r.SaveTotalLimit = nil, nil, 0, 0
	if c.Method == Base {
		r = untrained(r)
	}
	c.Recipe.Recipe = r.Essential()
	c.Name, c.Labels, c.Model, c.Measures = "", nil, "", Measures{Digest: c.Measures.Digest}
	text, err := json.Marshal(c)
	if err != nil {
		panic("experiment: a cell that JSON cannot hold: " + err.Error()) // only NaN in a score could do that
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// untrained is the recipe with those keys alone that measures of the model as it is depend on.
func untrained(r config.Recipe) config.Recipe {
	u := config.Default()
	u.ModelNameOrPath, u.Tokenizer, u.Device, u.Threads = r.ModelNameOrPath, r.Tokenizer, r.Device, r.Threads
	u.Template, u.ChatTemplate, u.TrainOnPrompt, u.MaskHistory, u.MaxSeqLength = r.Template, r.ChatTemplate, r.TrainOnPrompt, r.MaskHistory, r.MaxSeqLength
	return u
}

// dirName is the directory of the cell below cells/.
func (c Cell) dirName() string {
	var out strings.Builder
	for _, r := range strings.ToLower(c.Name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.', r == '_', r == '=':
			out.WriteRune(r)
		default:
			out.WriteByte('-')
		}
		if out.Len() >= 60 {
			break
		}
	}
	return out.String() + "-" + c.ID()[:10]
}

// String names the cell with what it is made of.
func (c Cell) String() string {
	return fmt.Sprintf("%s (%s, learning rate %g, seed %d)", c.Name, c.Method, c.Recipe.LearningRate, c.Recipe.Seed)
}
