package recipe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"smt/durable"
	"smt/export"
	"smt/lowrank"
	"smt/model"
	"smt/sparse"
)

// writeBlocks writes what SMT has learnt: the adapter, and the merged model if the recipe wants it. After a warm-up whose
// updates were kept, the result is a dense change of the base, which no adapter of blocks describes: a full model is
// written instead.
func (s *session) writeBlocks(ctx context.Context, g *sparse.Gatherer, update sparse.Update) error {
	adapter := g.Adapter(s.device)
	adapter.BaseModel, adapter.BaseSHA256, adapter.Score = s.recipe.ModelNameOrPath, s.baseHash, s.recipe.BlockScore
	adapter.ChatTemplate = s.data.ChatTemplate()
	if update == sparse.UpdateKeep {
		s.reporter.Note("warmup_update keep has moved all weights: base + blocks is not the result, so a full model is written and no adapter")
		return s.writeDense(ctx, adapter.Deltas())
	}
	if err := export.WriteAdapter(s.path("adapter"), adapter); err != nil {
		return err
	}
	s.summary.Adapter = s.path("adapter")
	return s.merge(ctx, adapter.Deltas())
}

// writeLowRank writes a LoRA or DoRA adapter, and the merged model if the recipe wants it.
func (s *session) writeLowRank(ctx context.Context, layers []lowrank.Layer, a export.LowRank) error {
	a.BaseModel, a.ChatTemplate = s.recipe.ModelNameOrPath, s.data.ChatTemplate()
	a.Matrices = lowrank.Read(s.device, layers)
	if err := export.WriteLowRank(s.path("adapter"), a); err != nil {
		return err
	}
	s.summary.Adapter = s.path("adapter")
	return s.merge(ctx, a.Deltas())
}

// writeDense writes the whole model with the parameters as they are now, and blocks on top.
func (s *session) writeDense(ctx context.Context, blocks map[string]export.Delta) error {
	s.endPasses()
	deltas := map[string]export.Delta{}
	largest := 0
	for _, p := range s.decoder.Parameters {
		largest = max(largest, p.Len())
	}
	buffer := make([]float64, largest)
	for _, p := range s.decoder.Parameters {
		wide := buffer[:p.Len()]
		s.device.Read(p.Value, wide)
		d := export.Replacement{Rows: p.Rows, Cols: p.Cols, Values: make([]float32, len(wide))}
		for i, v := range wide {
			d.Values[i] = float32(v)
		}
		for r := range p.Rows {
			if b, ok := blocks[p.Name]; ok {
				b.Apply(r, d.Values[r*p.Cols:(r+1)*p.Cols])
			}
		}
		deltas[p.Name] = d
	}
	// Some models store the head that they tie to the embedding. Left as it was, it would be read as a head of its own.
	if _, stored := s.base.Files.Tensor(model.HeadName); stored && s.base.Config.Tied {
		deltas[model.HeadName] = deltas[model.EmbeddingName]
	}
	return s.mergeInto(ctx, deltas)
}

// merge writes the merged model if the recipe wants it.
func (s *session) merge(ctx context.Context, deltas map[string]export.Delta) error {
	if !s.recipe.Merge {
		return nil
	}
	s.endPasses()
	return s.mergeInto(ctx, deltas)
}

// endPasses gives back the memory of activations. What is written after the last pass needs room of its own, for copies of the
// parameters or another map of the base, and the peak of a run should be that of its training.
func (s *session) endPasses() {
	s.decoder.Release()
	releaseMemory()
}

// mergeInto writes the base with deltas to model/ of the output directory. The first Ctrl-C does not stop it: no checkpoint holds what
// the last steps have learnt, and to write it takes less than to learn it again.
func (s *session) mergeInto(ctx context.Context, deltas map[string]export.Delta) error {
	dir := s.path("model")
	if err := export.Merge(context.WithoutCancel(ctx), s.base.Dir, dir, deltas, export.MergeOptions{Overwrite: true, ChatTemplate: s.data.ChatTemplate()}); err != nil {
		return err
	}
	s.summary.Model = dir
	return nil
}

// writeJSON writes a value to a file of the output directory, all of it or nothing.
func (s *session) writeJSON(name string, v any) error {
	err := durable.WriteFile(s.path(name), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(v)
	})
	if err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	return nil
}
