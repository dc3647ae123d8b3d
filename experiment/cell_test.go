package experiment

import (
	"testing"

	"smt/config"
)

// TestID compares the identities of cells: another block size is another run of SMT, but the same of LoRA.
func TestID(t *testing.T) {
	cell := func(kind, size, output string) Cell {
		r, _, err := config.Parse("test", nil, []config.Override{{Key: "finetuning_type", Value: kind}, {Key: "block_size", Value: size}, {Key: "output_dir", Value: output}})
		if err != nil {
			t.Fatal(err)
		}
		return Cell{Name: kind + size, Method: kind, Recipe: Recipe{r}, Measures: Measures{Digest: "rows"}}
	}
	for kind, same := range map[string]bool{config.SMT: false, config.LoRA: true, config.DoRA: true, config.Full: true} {
		a, b := cell(kind, "32", "a"), cell(kind, "64", "b")
		if got := a.ID() == b.ID(); got != same {
			t.Errorf("%s with blocks of 32 and of 64: same run %t, expected %t", kind, got, same)
		}
		if a.ID() != cell(kind, "32", "c").ID() {
			t.Errorf("%s: the directory makes another run of it", kind)
		}
		other := b
		other.Measures.Digest = "other rows"
		if other.ID() == b.ID() {
			t.Errorf("%s: other rows make no other run of it", kind)
		}
	}
}

// TestBaseID compares identities of the model as it is: nothing that is said of training matters, what its losses depend on does.
func TestBaseID(t *testing.T) {
	id := func(keys ...config.Override) string {
		r, _, err := config.Parse("test", nil, keys)
		if err != nil {
			t.Fatal(err)
		}
		return Cell{Method: Base, Recipe: Recipe{r}}.ID()
	}
	plain := id()
	for _, k := range []config.Override{{Key: "block_size", Value: "64"}, {Key: "max_steps", Value: "7"}, {Key: "seed", Value: "3"}, {Key: "finetuning_type", Value: "lora"}, {Key: "block_score", Value: "random"}} {
		if id(k) != plain {
			t.Errorf("%s %s makes another model of it", k.Key, k.Value)
		}
	}
	for _, k := range []config.Override{{Key: "model_name_or_path", Value: "other"}, {Key: "tokenizer", Value: "other"}, {Key: "template", Value: "alpaca"}, {Key: "max_seq_length", Value: "99"}, {Key: "threads", Value: "3"}, {Key: "train_on_prompt", Value: "true"}} {
		if id(k) == plain {
			t.Errorf("%s %s does not make another measure of it", k.Key, k.Value)
		}
	}
}
