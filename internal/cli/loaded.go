package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"smt/export"
	"smt/hub"
	"smt/recipe"
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
type loaded = recipe.Trained

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
	m, err := recipe.OpenTrained(dev, dir, "", o.Adapter)
	if err != nil || o.Adapter == "" {
		return m, err
	}
	// An adapter speaks the language that it was trained in.
	source, err := export.ReadChatTemplate(o.Adapter)
	if err != nil {
		m.Close()
		return nil, err
	}
	if source != "" {
		m.Tokenizer.SetChatTemplate(source)
	}
	return m, nil
}

// modelIdentity names what is evaluated, wherever it lies: two models with the same identity give the same answers. It ends with that
// of the adapter if there is any.
func modelIdentity(m *loaded, adapter string) (string, error) {
	identity, err := export.ModelIdentity(m.Base.Files, m.Base.Dir, m.Base.Dir, tokenizer.Files())
	if err != nil || adapter == "" {
		return identity, err
	}
	of, err := export.AdapterIdentity(adapter)
	return identity + ", adapter " + of, err
}
