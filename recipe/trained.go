package recipe

import (
	"fmt"
	"path/filepath"

	"smt/device"
	"smt/export"
	"smt/lowrank"
	"smt/model"
	"smt/sparse"
	"smt/tokenizer"
)

// A Trained is a model ready to compute, with an adapter if it has one: what a run has left, opened again.
type Trained struct {
	Base      *model.Base
	Decoder   *model.Decoder
	Tokenizer *tokenizer.Tokenizer
}

// OpenTrained opens a model directory and puts an SMT, LoRA or DoRA adapter on it; adapter may be empty. Without
// tokenizerDir, the tokenizer is the model's own.
func OpenTrained(dev device.Device, dir, tokenizerDir, adapter string) (_ *Trained, err error) {
	if tokenizerDir == "" {
		tokenizerDir = dir
	}
	t := &Trained{}
	if t.Tokenizer, err = tokenizer.Load(tokenizerDir); err != nil {
		return nil, err
	}
	if t.Base, err = model.Open(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			t.Base.Close()
		}
	}()
	if t.Decoder, err = model.New(dev, t.Base); err != nil {
		return nil, err
	}
	if adapter != "" {
		if err := t.attach(adapter); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Close unmaps the weights.
func (t *Trained) Close() error { return t.Base.Close() }

// attach puts an adapter of either kind on the decoder.
func (t *Trained) attach(dir string) error {
	kind, err := export.Kind(dir)
	if err != nil {
		return err
	}
	dec := t.Decoder
	if kind == export.KindLoRA {
		a, err := export.ReadLowRank(dir)
		if err != nil {
			return err
		}
		_, err = lowrank.Attach(dec.Device, dec, a, false)
		return err
	}
	a, err := export.ReadAdapter(dir)
	if err != nil {
		return err
	}
	if err := a.CheckBase(t.Base.Files); err != nil {
		return fmt.Errorf("%w (%s)", err, filepath.Clean(dir))
	}
	g, err := sparse.Attach(dec.Device, a, sparse.Targets(dec.Linears(), model.Modules), func(m sparse.Matrix) (sparse.Base, error) {
		return dec.Linear(m.Name).Base, nil
	})
	if err != nil {
		return err
	}
	for i, m := range g.Selected {
		*dec.Linear(m.Name).Linear = g.Linears[i]
	}
	return nil
}
