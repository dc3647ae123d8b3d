package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"smt/export"
	"smt/hub"
	"smt/lowrank"
	"smt/model"
	"smt/recipe"
	"smt/sparse"
	"smt/tokenizer"
)

// modelOptions are the flags of commands that use a model as it is.
type modelOptions struct {
	Model   string
	Adapter string
	Device  string
	Threads int
}

// bind registers the flags.
func (o *modelOptions) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.Model, "model_name_or_path", "", "model directory or hub name")
	f.StringVar(&o.Adapter, "adapter", "", "directory of an SMT, LoRA or DoRA adapter to put on it")
	f.StringVar(&o.Device, "device", "cpu", "what computes: cpu or reference")
	f.IntVar(&o.Threads, "threads", 0, "cores to use; 0: all")
	cmd.SetFlagErrorFunc(flagError)
}

// loaded is a model ready to compute, with its adapter if it has one.
type loaded struct {
	Base      *model.Base
	Decoder   *model.Decoder
	Tokenizer *tokenizer.Tokenizer
}

// Close unmaps the weights.
func (l *loaded) Close() error { return l.Base.Close() }

// openModel opens a model directory or hub name, and puts an adapter on it.
func openModel(ctx context.Context, o modelOptions, w *watch) (*loaded, error) {
	if o.Model == "" {
		return nil, &ExitError{ExitUsage, fmt.Errorf("cli: model_name_or_path is missing: give a model directory or a hub name")}
	}
	dir, err := hub.Resolve(ctx, o.Model, w.Download)
	if err != nil {
		return nil, err
	}
	dev, err := recipe.NewDevice(o.Device, o.Threads)
	if err != nil {
		return nil, &ExitError{ExitUsage, err}
	}
	l := &loaded{}
	if l.Tokenizer, err = tokenizer.Load(dir); err != nil {
		return nil, err
	}
	if l.Base, err = model.Open(dir); err != nil {
		return nil, err
	}
	if l.Decoder, err = model.New(dev, l.Base); err == nil && o.Adapter != "" {
		err = l.attach(o.Adapter)
	}
	if err != nil {
		l.Base.Close()
		return nil, err
	}
	return l, nil
}

// attach puts an adapter of either kind on the decoder.
func (l *loaded) attach(dir string) error {
	kind, err := export.Kind(dir)
	if err != nil {
		return err
	}
	dec := l.Decoder
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
	if err := a.CheckBase(l.Base.Files); err != nil {
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
