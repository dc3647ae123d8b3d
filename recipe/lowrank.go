package recipe

import (
	"context"
	"errors"
	"fmt"

	"smt/config"
	"smt/export"
	"smt/lowrank"
)

// lowRank is LoRA or DoRA: new adapters on the target modules, with AdamW over them.
func (s *session) lowRank(ctx context.Context) error {
	r := s.recipe
	layers, rank, err := lowrank.AttachNew(s.device, s.decoder, lowrank.Options{Modules: r.TargetModules, Rank: r.LoRARank, Alpha: r.LoRAAlpha,
		DoRA: r.FinetuningType == config.DoRA, Seed: uint64(r.Seed)})
	if err != nil {
		return err
	}
	st := &stage{name: stageTraining, steps: s.trainingSteps(), afterUpdate: func() { lowrank.Changed(layers) }}
	st.optimizer = s.newOptimizer(lowrank.Tensors(layers))
	st.schedule = s.schedule(r.LearningRate, st.steps)
	s.decoder.Prepare(s.limits())
	lowrank.Prepare(layers, s.limits().Tokens)
	if err := s.quantize(stageTraining); err != nil {
		return err
	}
	trainable := 0
	for _, t := range st.optimizer.Tensors() {
		trainable += t.Value.Len()
	}
	s.reportTrainable(trainable, fmt.Sprintf("rank %d on %d matrices", rank, len(layers)))
	if err := s.restore(st); err != nil {
		return err
	}
	lowrank.Changed(layers)
	if err := s.run(ctx, st); err != nil && !errors.Is(err, errStoppedEarly) {
		return err
	}
	if err := s.loadBest(st); err != nil {
		return err
	}
	lowrank.Changed(layers)
	return s.writeLowRank(ctx, layers, export.LowRank{Rank: rank, Alpha: r.LoRAAlpha, DoRA: r.FinetuningType == config.DoRA, TargetModules: r.TargetModules})
}
