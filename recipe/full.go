package recipe

import (
	"context"
	"errors"

	"smt/config"
	"smt/model"
	"smt/optimizer"
)

// full is full fine-tuning: every parameter learns, with AdamW over all of them. It is the baseline that SMT is measured
// against, and what pretrains a model from a random start.
func (s *session) full(ctx context.Context) error {
	st := &stage{name: stageTraining, steps: s.trainingSteps()}
	s.optimizeAll(st)
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
	// The model is written from float32 copies of all parameters: what only training needs makes room for them.
	s.decoder.OnGradients(nil)
	for _, p := range s.decoder.Parameters {
		p.StopGradient()
	}
	return s.writeDense(ctx, nil)
}

// updatesByLayer reports whether a recipe that trains all parameters updates each layer in the backward pass, as soon as the
// layer's gradients are complete, so that the gradients of one layer are held instead of those of the model. That needs
// steps of one pass, since gradients are summed over passes, and no clipping: the factor depends on the norm of all
// gradients. (A second backward pass would do without holding them, at the price of half a step; a norm for each layer would
// be another method.) The updates are the same bits either way.
func updatesByLayer(r config.Recipe) bool {
	return r.MaxGradNorm == 0 && r.GradientAccumulationSteps == 1
}

// optimizeAll makes every parameter of the model learn in a stage. Weight decay leaves out vectors, which are the weights of norms and
// biases, as the Trainer of transformers does.
func (s *session) optimizeAll(st *stage) {
	st.layerwise = updatesByLayer(s.recipe)
	for _, p := range s.decoder.Parameters {
		p.Thaw(s.device)
	}
	s.decoder.WantGradients(st.layerwise)
	var all []optimizer.Tensor
	places := map[*model.Parameter]int{}
	for i, p := range s.decoder.Parameters {
		all = append(all, optimizer.Tensor{Name: p.Name, Value: p.Value, Grad: p.Grad, NoDecay: p.Rows == 1})
		places[p] = i
	}
	st.optimizer = s.newOptimizer(all)
	if st.layerwise {
		s.reporter.Note("max_grad_norm 0: every layer is updated in the backward pass, and its gradients are not kept")
		s.decoder.OnGradients(func(p *model.Parameter) { st.optimizer.Apply(places[p]) })
	}
}
