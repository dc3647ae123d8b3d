// Command generate makes the demo from nothing: the tokenizer, the pretraining corpus, the model (pretrained with this
// repository's own full fine-tuning from random weights), and the rows of the new task. Run it by go generate ./demo.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"smt/config"
	"smt/demo"
	"smt/format/safetensors"
	"smt/recipe"
)

func main() {
	out := flag.String("out", "model", "directory of the model and the rows")
	texts := flag.Int("rows", 55000, "rows of the pretraining corpus")
	epochs := flag.String("epochs", "1", "passes over the corpus")
	rate := flag.String("learning_rate", "2e-3", "peak learning rate of the pretraining")
	flag.Parse()
	if err := generate(*out, *texts, *epochs, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// tokenizerRows is how many rows of the corpus the tokenizer is learnt from: every word of the world is among them.
const tokenizerRows = 5000

// generate writes everything to out.
func generate(out string, texts int, epochs, rate string) error {
	began := time.Now()
	work, err := os.MkdirTemp("", "smt-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	var rows []any
	var sample []string
	for i := range texts {
		row := demo.PretrainingRow(i)
		rows = append(rows, row)
		if i < tokenizerRows {
			sample = append(sample, row.Prompt+row.Completion)
		}
	}
	if err := writeTokenizer(out, sample); err != nil {
		return err
	}
	data := filepath.Join(work, "corpus.jsonl")
	if err := writeLines(data, rows); err != nil {
		return err
	}
	if err := writeTask(out); err != nil {
		return err
	}
	r, _, err := config.Load("", []config.Override{
		{Key: "finetuning_type", Value: "full"}, {Key: "init_config", Value: filepath.Join(out, "config.json")}, {Key: "tokenizer", Value: out},
		{Key: "dataset", Value: data}, {Key: "output_dir", Value: filepath.Join(work, "run")}, {Key: "max_seq_length", Value: "256"},
		{Key: "per_device_train_batch_size", Value: "4"}, {Key: "learning_rate", Value: rate}, {Key: "lr_scheduler_type", Value: "cosine"},
		{Key: "warmup_steps", Value: "100"}, {Key: "num_train_epochs", Value: epochs}, {Key: "weight_decay", Value: "0.01"}, {Key: "seed", Value: "1"}, {Key: "train_on_prompt", Value: "true"},
	})
	if err != nil {
		return err
	}
	sum, err := recipe.Train(context.Background(), r, lines{})
	if err != nil {
		return err
	}
	if err := store(filepath.Join(sum.Model, "model.safetensors"), filepath.Join(out, "model.safetensors")); err != nil {
		return err
	}
	fmt.Printf("%s is complete after %s\n", out, time.Since(began).Round(time.Second))
	return nil
}

// store copies weights in BF16 at half the size: the demo's model ships inside the program.
func store(from, to string) error {
	f, err := safetensors.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	var outputs []safetensors.Output
	for _, t := range f.Tensors() {
		values, err := t.Float32s()
		if err != nil {
			return err
		}
		outputs = append(outputs, safetensors.OutputFloat32(t.Name, safetensors.BF16, t.Shape, values))
	}
	return safetensors.Write(to, outputs, map[string]string{"format": "pt"})
}

// writeTask writes the rows of the new task. Held-out rows that also occur among the training rows are passed over.
func writeTask(out string) error {
	var train, held []any
	seen := map[string]bool{}
	for i := 0; len(train) < demo.TrainRows; i++ {
		row := demo.TaskRow(i)
		seen[row.Prompt] = true
		train = append(train, row)
	}
	for i := demo.TrainRows; len(held) < demo.HeldOutRows; i++ {
		if row := demo.TaskRow(i); !seen[row.Prompt] {
			held = append(held, row)
		}
	}
	if err := writeLines(filepath.Join(out, "train.jsonl"), train); err != nil {
		return err
	}
	return writeLines(filepath.Join(out, "heldout.jsonl"), held)
}

// writeTokenizer writes tokenizer.json, tokenizer_config.json, config.json and generation_config.json.
func writeTokenizer(out string, texts []string) error {
	special := []string{"<pad>", "<s>", "</s>"}
	vocabulary, merges := learn(texts, alphabet(), 400)
	ids := map[string]int{}
	var added []map[string]any
	for i, s := range special {
		ids[s] = i
		added = append(added, map[string]any{"id": i, "content": s, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
	}
	for _, v := range vocabulary {
		ids[v] = len(ids)
	}
	byteLevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	for name, v := range map[string]any{
		"tokenizer.json": map[string]any{"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": nil,
			"pre_tokenizer": byteLevel, "post_processor": nil, "decoder": byteLevel,
			"model": map[string]any{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
				"fuse_unk": false, "byte_fallback": false, "vocab": ids, "merges": merges}},
		"tokenizer_config.json":  map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "model_max_length": 256},
		"generation_config.json": map[string]any{"bos_token_id": 1, "eos_token_id": 2},
		"config.json": map[string]any{"architectures": []string{"LlamaForCausalLM"}, "model_type": "llama", "vocab_size": (len(ids) + 31) / 32 * 32, "hidden_size": 128,
			"intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
			"rms_norm_eps": 1e-5, "initializer_range": 0.08, "rope_theta": 10000.0, "tie_word_embeddings": true, "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2, "dtype": "float32"},
	} {
		data, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, name), append(data, '\n'), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// writeLines writes JSON Lines.
func writeLines(path string, rows []any) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	e := json.NewEncoder(f)
	for _, r := range rows {
		if err := e.Encode(r); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

// lines shows every fiftieth step.
type lines struct{}

func (lines) Phase(name string, steps, _ int) { fmt.Printf("%s: %d steps\n", name, steps) }
func (lines) Step(s recipe.Step) {
	if s.Step%50 == 0 {
		fmt.Printf("step %d of %d: loss %.4f, gradient %.2f, %.0f tokens/s\n", s.Step, s.StageSteps, s.Loss, s.GradNorm, s.TokensPerSec)
	}
}
func (lines) Validation(recipe.Validation)       {}
func (lines) Note(format string, args ...any)    { fmt.Printf(format+"\n", args...) }
func (lines) Table(string, []string, [][]string) {}
func (lines) Download(string, int64, int64)      {}
