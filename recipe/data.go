package recipe

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"smt/config"
	"smt/dataset"
	"smt/model"
	"smt/tokenizer"
)

// Data is what a recipe trains and validates on, tokenized.
type Data struct {
	Train, Validation *dataset.Set // Validation is nil if there is none
	Template          *dataset.Template
	Longest           int // tokens of the longest row
	maxLength         int // of a packed sequence
	recipe            config.Recipe
}

// chatClock is the date that chat templates which write one see: fixed, so that a resumed run reads the same text.
var chatClock = time.Date(2024, time.July, 26, 0, 0, 0, 0, time.UTC)

// ReadData reads, checks and tokenizes the recipe's files. c bounds the length of rows. note is told what was lost.
func ReadData(r config.Recipe, tok *tokenizer.Tokenizer, c *model.Config, note func(format string, args ...any)) (*Data, error) {
	d := &Data{recipe: r, maxLength: MaxLength(r, c, note)}
	train, err := d.read(r.Dataset, tok, note)
	if err != nil {
		return nil, err
	}
	note("training rows: %s", train.Report.String())
	d.Train = train
	if r.ValSize > 0 {
		if d.Train, d.Validation, err = dataset.Split(train, r.ValSize, uint64(r.Seed)); err != nil {
			return nil, err
		}
		note("validation rows: %d of them, held out", len(d.Validation.Examples))
	}
	if len(r.EvalDataset) > 0 {
		if d.Validation, err = d.read(r.EvalDataset, tok, note); err != nil {
			return nil, err
		}
		note("validation rows: %s", d.Validation.Report.String())
	}
	return d, nil
}

// MaxLength is the longest row of a recipe on a model, in tokens: max_seq_length, but no more than the positions that the model was
// made for. note is told where that makes a difference.
func MaxLength(r config.Recipe, c *model.Config, note func(format string, args ...any)) int {
	if r.MaxSeqLength > c.MaxPosition {
		note("max_seq_length %d: the model was made for %d positions; rows are cut there", r.MaxSeqLength, c.MaxPosition)
	}
	if r.MaxSeqLength == 0 || r.MaxSeqLength > c.MaxPosition {
		return c.MaxPosition
	}
	return r.MaxSeqLength
}

// ChatTemplate is the source of the recipe's own chat template, which a model tuned on its text needs from then on; empty where rows
// are written in the tokenizer's, or in none.
func (d *Data) ChatTemplate() string {
	if d.recipe.ChatTemplate == "" {
		return ""
	}
	return d.Template.ChatSource()
}

// read reads and tokenizes some files.
func (d *Data) read(files []string, tok *tokenizer.Tokenizer, note func(format string, args ...any)) (*dataset.Set, error) {
	o := ReadOptions(d.recipe)
	o.MaxRows = d.recipe.MaxRows
	o.LeftOut = func(path string, rows int) { note("max_rows %d: %d rows of %s are left out", o.MaxRows, rows, path) }
	rows, err := dataset.Load(files, o)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].Format != rows[0].Format {
			return nil, fmt.Errorf("dataset: %s:%d: a row of the form %q among rows of the form %q: a run needs one form; rename fields with columns",
				rows[i].File, rows[i].Line, rows[i].Format, rows[0].Format)
		}
	}
	template, err := NewTemplate(d.recipe, rows[0].Format, tok)
	if err != nil {
		return nil, err
	}
	if d.Template == nil { // that of the rows that are trained on, which are read first
		d.Template = template
	}
	set, err := dataset.Encode(rows, template, tok, dataset.EncodeOptions{MaxLength: d.maxLength, Excess: d.recipe.ExcessLength})
	if err != nil {
		return nil, err
	}
	if len(set.Examples) == 0 {
		return nil, fmt.Errorf("dataset: %v: no row has a supervised token: %s", files, set.Report.String())
	}
	for i := range set.Examples {
		d.Longest = max(d.Longest, len(set.Examples[i].IDs))
	}
	return set, nil
}

// digest is the SHA-256 of all token ids and labels, in order: a run goes on only with the rows it began with.
func (d *Data) digest() string {
	h := sha256.New()
	var buffer []byte
	for _, set := range []*dataset.Set{d.Train, d.Validation} {
		if set == nil {
			continue
		}
		buffer = binary.LittleEndian.AppendUint64(buffer[:0], uint64(len(set.Examples)))
		for _, e := range set.Examples {
			buffer = binary.LittleEndian.AppendUint64(buffer, uint64(len(e.IDs)))
			for i, id := range e.IDs {
				buffer = binary.LittleEndian.AppendUint32(buffer, uint32(id))
				buffer = binary.LittleEndian.AppendUint32(buffer, uint32(e.Labels[i]))
			}
			h.Write(buffer)
			buffer = buffer[:0]
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ReadOptions are the recipe's words about the fields of files.
func ReadOptions(r config.Recipe) dataset.ReadOptions { return dataset.ReadOptions{Columns: r.Columns} }

// NewTemplate makes the recipe's template for rows of a format, with the model's chat template where one is needed.
func NewTemplate(r config.Recipe, format dataset.Format, tok *tokenizer.Tokenizer) (*dataset.Template, error) {
	name := r.Template
	if name == "auto" {
		name = ""
	}
	o := dataset.TemplateOptions{TrainOnPrompt: r.TrainOnPrompt, MaskHistory: r.MaskHistory}
	if name == dataset.TemplateChat || name == "" && format == dataset.FormatChat {
		source := tok.ChatTemplate()
		if r.ChatTemplate != "" {
			text, err := os.ReadFile(r.ChatTemplate)
			if err != nil {
				return nil, fmt.Errorf("dataset: chat_template: %w", err)
			}
			source = string(text)
		}
		if source == "" {
			return nil, fmt.Errorf("dataset: the tokenizer has no chat template; give one with chat_template, or another template")
		}
		special := func(id int32, ok bool) string {
			if !ok {
				return ""
			}
			text, _ := tok.Token(id)
			return text
		}
		var err error
		if o.Chat, err = dataset.NewChatTemplate(source, dataset.ChatOptions{BOS: special(tok.BOS()), EOS: special(tok.EOS()), Clock: chatClock}); err != nil {
			return nil, err
		}
	}
	return dataset.NewTemplate(name, format, o)
}

// loader cuts a set into batches of the given number of sequences.
func (d *Data) loader(set *dataset.Set, batch int, shuffle bool) *dataset.Loader {
	return dataset.NewLoader(set, dataset.LoaderOptions{BatchSize: batch, MaxLength: d.maxLength, Packing: d.recipe.Packing,
		Seed: uint64(d.recipe.Seed), Shuffle: shuffle})
}
