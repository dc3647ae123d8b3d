package recipe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"smt/checkpoint"
	"smt/device"
	"smt/model"
	"smt/optimizer"
	"smt/sparse"
)

// The stages of a run, by the names that logs and checkpoints use.
const (
	stageWarmup   = "warm-up"
	stageTuning   = "tuning"
	stageTraining = "training"
)

// smt is Sparse Matrix Tuning from the first gradient to the adapter:
// warm-up controller → gradient accumulator → sub-matrix selector → sparse linears → sparse gatherer/optimizer.
func (s *session) smt(ctx context.Context) error {
	targets, size, err := s.targets()
	if err != nil {
		return err
	}
	controller := s.controller()
	if s.chosen {
		controller.WarmupSteps, controller.Update = 0, sparse.UpdateNone
	}

	if s.state.Selection == nil {
		groups, err := blockGroups(s.recipe, size, s.base.Config.Params(), targets)
		if err != nil {
			return err
		}
		candidates := candidates(s.recipe, targets)
		scores, err := s.scores(ctx, controller, candidates, size, groups)
		if err != nil {
			return err
		}
		selection, err := s.selectBlocks(candidates, scores, size, controller.WarmupSteps, groups)
		if err != nil {
			return err
		}
		if err := s.reportSelection(selection); err != nil {
			return err
		}
		s.state.Selection = newSelectionFile(selection)
		s.state.StageStep = 0
		releaseMemory()
	} else if _, err := os.Stat(s.path(selectionName)); errors.Is(err, fs.ErrNotExist) {
		// The blocks were chosen elsewhere: by the caller, or in the output directory of the run that this one goes on with.
		if err := s.reportSelection(s.state.Selection.selection()); err != nil {
			return err
		}
	}

	gatherer, err := s.sparseLinears(s.state.Selection.selection())
	if err != nil {
		return err
	}
	if err := s.tune(ctx, controller, gatherer); err != nil && !errors.Is(err, errStoppedEarly) {
		return err
	}
	s.summary.Blocks, s.summary.BlockSize, s.summary.ShareV = gatherer.Blocks(), gatherer.Size, s.state.Selection.selection().Share("v_proj")
	return s.writeBlocks(ctx, gatherer, controller.Update)
}

// controller decides how long the warm-up lasts. With frozen weights a second pass over the same rows would gather the same
// gradients, so it ends with the first epoch at the latest. A rule that reads no data has none, and moves no weight.
func (s *session) controller() sparse.Controller {
	r := s.recipe
	c := sparse.Controller{WarmupSteps: r.WarmupFullSteps, Update: sparse.Update(r.WarmupUpdate), TuningSteps: s.trainingSteps()}
	if sparse.Score(r.BlockScore).DataFree() {
		note := fmt.Sprintf("block_score %s reads no data: there is no warm-up", r.BlockScore)
		if c.WarmupSteps > 0 {
			note += fmt.Sprintf(", and warmup_full_steps %d has no effect", c.WarmupSteps)
		}
		if c.Update.Trains() {
			note += fmt.Sprintf("; warmup_update %s has none either", c.Update)
		}
		s.reporter.Note("%s", note)
		c.WarmupSteps, c.Update = 0, sparse.UpdateNone
		return c
	}
	if c.WarmupSteps == 0 {
		c.WarmupSteps = sparse.WarmupSteps(c.TuningSteps)
	}
	if epoch := s.timeline.stepsOf(0); c.Update == sparse.UpdateNone && c.WarmupSteps > epoch {
		s.reporter.Note("warmup_full_steps %d: an epoch has %d steps, and with frozen weights a second one would gather the same gradients: the warm-up has %d steps",
			c.WarmupSteps, epoch, epoch)
		c.WarmupSteps = epoch
	}
	return c
}

// targets lists the matrices that blocks are selected from, and the block size.
func (s *session) targets() ([]sparse.Matrix, int, error) {
	r := s.recipe
	targets := sparse.Targets(s.decoder.Linears(), r.TargetModules)
	if len(targets) == 0 {
		return nil, 0, fmt.Errorf("recipe: target_modules %v: the model has none of them", r.TargetModules)
	}
	size, reason := sparse.ChooseBlockSize(r.BlockSize, targets, s.decoder.Config.HiddenSize)
	if reason != "" {
		s.reporter.Note("%s", reason)
	}
	return targets, size, nil
}

// scores are those of the recipe's rule: from a warm-up, or from what is known before any row is read.
func (s *session) scores(ctx context.Context, c sparse.Controller, targets []sparse.Matrix, size int, groups []sparse.Group) ([][]float64, error) {
	switch sparse.Score(s.recipe.BlockScore) {
	case sparse.Random:
		return sparse.RandomScores(targets, size, uint64(s.recipe.Seed)), nil
	case sparse.Diagonal:
		return sparse.DiagonalScores(targets, size), nil
	case sparse.Magnitude:
		return sparse.MagnitudeScores(s.device, targets, size, func(m sparse.Matrix) device.Tensor { return s.decoder.Linear(m.Name).Base.Weight.Value })
	}
	accumulator, err := s.warmup(ctx, c, targets, size, groups)
	if err != nil {
		return nil, err
	}
	return accumulator.Scores()
}

// warmup runs the iterations that gather gradients. Unless warmup_update asks for it, no weight changes.
func (s *session) warmup(ctx context.Context, c sparse.Controller, targets []sparse.Matrix, size int, groups []sparse.Group) (*sparse.Accumulator, error) {
	accumulator := sparse.NewAccumulator(s.device, sparse.Score(s.recipe.BlockScore), size, targets, s.recipe.GradientAccumulationSteps > 1)
	accumulator.Strategy, accumulator.Groups = sparse.Strategy(s.recipe.Selection), groups
	st := &stage{name: stageWarmup, steps: c.WarmupSteps, afterBackward: accumulator.EndStep}
	for i, t := range accumulator.State() {
		st.tensors = append(st.tensors, checkpoint.Tensor{Name: fmt.Sprintf("accumulator.%d", i), Tensor: t})
	}
	if c.Update.Trains() {
		s.optimizeAll(st)
		st.schedule = s.schedule(s.recipe.WarmupLearningRate, c.WarmupSteps)
		st.tensors = append(st.tensors, s.parameterTensors()...)
	}
	for i, m := range targets {
		slot := s.decoder.Linear(m.Name)
		*slot.Linear = accumulator.Observe(i, slot.Base)
	}
	s.decoder.Prepare(s.limits())
	if err := s.quantize(stageWarmup); err != nil {
		return nil, err
	}
	if err := s.restore(st); err != nil {
		return nil, err
	}
	accumulator.Restore(s.state.Gathered)
	err := s.run(ctx, st)
	s.decoder.OnGradients(nil)
	err = errors.Join(err, s.decoder.SetPrecision(model.Float32, nil)) // its copies go before tuning makes its own
	for _, m := range targets {
		s.decoder.Linear(m.Name).Reset()
	}
	for _, p := range s.decoder.Parameters {
		if c.Update == sparse.UpdateKeep {
			p.StopGradient()
		} else {
			p.Freeze()
		}
	}
	if err != nil {
		return nil, err
	}
	return accumulator, nil
}

// sparseLinears puts a sparse linear in the place of every matrix that owns selected blocks.
func (s *session) sparseLinears(selection *sparse.Selection) (*sparse.Gatherer, error) {
	gatherer, err := sparse.Gather(s.device, selection, func(m sparse.Matrix) (sparse.Base, error) {
		return s.decoder.Linear(m.Name).Base, nil
	}, true)
	if err != nil {
		return nil, err
	}
	for i, m := range gatherer.Selected {
		*s.decoder.Linear(m.Name).Linear = gatherer.Linears[i]
	}
	return gatherer, nil
}

// tune trains the selected blocks, with an optimizer and a schedule of their own.
func (s *session) tune(ctx context.Context, c sparse.Controller, g *sparse.Gatherer) error {
	r := s.recipe
	st := &stage{name: stageTuning, steps: c.TuningSteps, start: c.WarmupSteps, schedule: s.schedule(r.LearningRate, c.TuningSteps)}
	st.optimizer = s.newOptimizer([]optimizer.Tensor{{Name: "blocks", Value: g.Delta, Grad: g.Grad, Moment1: g.Moment1, Moment2: g.Moment2}})
	if c.Update == sparse.UpdateKeep {
		st.tensors = s.parameterTensors()
	}
	s.decoder.Prepare(s.limits())
	if err := s.quantize(stageTuning); err != nil {
		return err
	}
	s.reportTrainable(g.Values(), fmt.Sprintf("%d blocks of %d × %d in %d matrices", g.Blocks(), g.Size, g.Size, len(g.Linears)))
	if err := s.restore(st); err != nil {
		return err
	}
	if err := s.run(ctx, st); err != nil && !errors.Is(err, errStoppedEarly) {
		return err
	}
	return s.loadBest(st)
}

// parameterTensors are the weights that a training warm-up has moved, for checkpoints.
func (s *session) parameterTensors() []checkpoint.Tensor {
	var all []checkpoint.Tensor
	for _, p := range s.decoder.Parameters {
		p.Thaw(s.device)
		all = append(all, checkpoint.Tensor{Name: "parameter." + p.Name, Tensor: p.Value})
	}
	return all
}

var _ model.Linear = (*sparse.Observed)(nil)
var _ model.Linear = (*sparse.Linear)(nil)
