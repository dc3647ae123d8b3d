package recipe

import (
	"context"
	"errors"
)

// full is full fine-tuning: every parameter learns, with AdamW over all of them. It is the baseline that SMT is measured
// against, and what pretrains a model from a random start.
func (s *session) full(ctx context.Context) error {
	st := &stage{name: stageTraining, steps: s.trainingSteps()}
	st.optimizer = s.optimizeAll()
	st.schedule = s.schedule(s.recipe.LearningRate, st.steps)
	s.decoder.Prepare(s.limits())
	s.reportTrainable(s.base.Config.Params(), "all parameters")
	if err := s.restore(st); err != nil {
		return err
	}
	if err := s.run(ctx, st); err != nil && !errors.Is(err, errStoppedEarly) {
		return err
	}
	if err := s.loadBest(st); err != nil {
		return err
	}
	return s.writeDense(ctx, nil)
}
