package recipe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smt/checkpoint"
	"smt/dataset"
	"smt/device"
	"smt/internal/finite"
	"smt/model"
	"smt/optimizer"
)

// A stage is a stretch of steps with one optimizer and one schedule: the warm-up, or the training proper.
type stage struct {
	name      string
	steps     int
	start     int                // steps of the run before this stage
	optimizer *optimizer.AdamW   // nil if nothing is updated
	schedule  optimizer.Schedule // of the stage's own steps
	layerwise bool               // the optimizer updates each layer in the backward pass: see updatesByLayer
	// afterBackward runs after a step's last backward pass: the gradients are complete and, unless layerwise, not yet clipped
	// or applied.
	afterBackward func()
	// afterUpdate runs after the optimizer, if there is one.
	afterUpdate func()
	// tensors is the stage's state beyond that of the optimizer.
	tensors []checkpoint.Tensor
}

// Errors that end a run early with its state saved.
var (
	// ErrInterrupted says that the run was asked to stop and has saved its state.
	ErrInterrupted  = errors.New("recipe: interrupted")
	errStoppedEarly = errors.New("recipe: stopped early")
)

// A GuardError stops a run whose numbers went wrong.
type GuardError struct {
	Step int
	What string
	Rows []string // where the step's rows came from; none if it is not the step's loss or gradient
}

func (e *GuardError) Error() string {
	if len(e.Rows) == 0 {
		return fmt.Sprintf("recipe: step %d: %s; the run ends here. Try a lower learning_rate or a max_grad_norm", e.Step, e.What)
	}
	return fmt.Sprintf("recipe: step %d: %s; nothing of this step was kept. Its rows: %v. Try a lower learning_rate, a max_grad_norm, or look at these rows with smt data show",
		e.Step, e.What, e.Rows)
}

// run does the steps of a stage from the one that state says to the end.
func (s *session) run(ctx context.Context, st *stage) error {
	s.state.Stage = st.name
	s.reporter.Phase(st.name, st.steps, s.state.StageStep)
	for s.state.StageStep < st.steps {
		if err := s.step(st); err != nil {
			return err
		}
		if err := s.afterStep(st); err != nil {
			return err
		}
		if ctx.Err() != nil {
			path, err := s.save(st)
			if err != nil {
				return err
			}
			s.reporter.Note("interrupted: the state after step %d is in %s; go on with --resume_from_checkpoint auto", s.state.Step, path)
			return ErrInterrupted
		}
	}
	return nil
}

// step is one step: all its passes, the gradient's norm, the update.
func (s *session) step(st *stage) error {
	began := time.Now()
	epoch, first, count := s.timeline.locate(s.state.StageStep)
	tokens, supervised := 0, 0
	for len(s.batches) < count {
		s.batches = append(s.batches, dataset.Batch{})
	}
	for i := range count {
		s.loader.Batch(epoch, first+i, &s.batches[i])
		tokens += len(s.batches[i].IDs)
		supervised += s.batches[i].Supervised
	}
	// The loss is the mean over all supervised tokens of the step, however they are spread over its passes.
	scale := 1 / float64(max(supervised, 1))
	sum, rate, norm := 0.0, 0.0, 0.0
	if st.optimizer != nil {
		rate = st.schedule.At(s.state.StageStep)
	}
	if st.layerwise {
		st.optimizer.Begin(rate)
	}
	for i := range count {
		s.input.set(&s.batches[i])
		loss, err := s.decoder.Step(&s.input.Input, scale)
		if err != nil {
			return err
		}
		sum += loss
	}
	loss := sum * scale
	if !finite.Is(loss) {
		return s.guard(count, fmt.Sprintf("the loss is %g", loss))
	}
	if st.afterBackward != nil {
		st.afterBackward()
	}
	if st.optimizer != nil {
		update := func() (float64, error) { return st.optimizer.Step(rate) }
		if st.layerwise {
			update = st.optimizer.End
		}
		var err error
		if norm, err = update(); err != nil {
			var bad optimizer.ErrNotFinite
			if errors.As(err, &bad) {
				return s.guard(count, fmt.Sprintf("the gradient's norm is %g", bad.Norm))
			}
			return err
		}
		if st.afterUpdate != nil {
			st.afterUpdate()
		}
	}
	s.state.StageStep++
	s.state.Step++
	s.state.Tokens += tokens
	s.state.Supervised += supervised
	s.state.FinalLoss = loss
	elapsed := time.Since(began)
	s.state.Seconds += elapsed.Seconds()
	return s.log(st, Step{Loss: loss, GradNorm: norm, LearningRate: rate, Tokens: tokens, Supervised: supervised,
		Epoch: s.timeline.epochAt(s.state.StageStep), Seconds: elapsed.Seconds()})
}

// guard makes the error that stops the run, naming the rows of the step's batches.
func (s *session) guard(count int, what string) error {
	e := &GuardError{Step: s.state.Step + 1, What: what}
	for i := range count {
		for _, segment := range s.batches[i].Spans {
			if len(e.Rows) == 10 {
				e.Rows = append(e.Rows, "...")
				return e
			}
			e.Rows = append(e.Rows, s.data.Train.Where[segment.Row].String())
		}
	}
	return e
}

// afterStep validates and saves where the recipe says so.
func (s *session) afterStep(st *stage) error {
	r, done := s.recipe, s.state.StageStep
	trained := st.optimizer != nil && st.name != stageWarmup
	if trained && s.validation != nil && (r.EvalSteps > 0 && done%r.EvalSteps == 0 || done == st.steps) {
		stop, err := s.validate(st)
		if err != nil {
			return err
		}
		if stop {
			return errStoppedEarly
		}
	}
	if r.SaveSteps > 0 && s.state.Step%r.SaveSteps == 0 {
		if _, err := s.save(st); err != nil {
			return err
		}
	}
	return nil
}

// validate measures the loss per supervised token on the validation rows, keeps the best state, and reports whether the
// recipe's patience is over.
func (s *session) validate(st *stage) (stop bool, err error) {
	began := time.Now()
	loss, err := s.validationLoss()
	if err != nil {
		return false, err
	}
	if !finite.Is(loss) {
		return false, &GuardError{Step: s.state.Step, What: fmt.Sprintf("the validation loss is %g", loss)}
	}
	s.state.ValLoss = loss
	better := s.state.Best == nil || loss < s.state.Best.Loss
	if err := s.logValidation(Validation{Loss: loss, Best: better, Seconds: time.Since(began).Seconds()}); err != nil {
		return false, err
	}
	if better {
		s.state.Best = &best{Step: s.state.Step, Loss: loss}
		if s.recipe.LoadBestModelAtEnd {
			err := s.saveBest(st)
			return false, err
		}
		return false, nil
	}
	s.state.Best.Since++
	return s.recipe.EarlyStoppingPatience > 0 && s.state.Best.Since >= s.recipe.EarlyStoppingPatience, nil
}

// validationLoss is the mean cross-entropy over the supervised tokens of the validation rows.
func (s *session) validationLoss() (float64, error) {
	sum, n := 0.0, 0
	if len(s.batches) == 0 {
		s.batches = append(s.batches, dataset.Batch{})
	}
	for i := range s.validation.BatchesPerEpoch(0) {
		s.validation.Batch(0, i, &s.batches[0])
		s.input.set(&s.batches[0])
		loss, err := s.decoder.Loss(&s.input.Input)
		if err != nil {
			return 0, err
		}
		sum += loss
		n += s.batches[0].Supervised
	}
	return sum / float64(max(n, 1)), nil
}

// input is a model.Input that takes batches of the dataset, reusing its memory.
type input struct{ model.Input }

// set turns a batch into what the decoder reads.
func (in *input) set(b *dataset.Batch) {
	in.IDs, in.Positions = b.IDs, b.Positions
	in.Segments, in.Targets, in.Labels = in.Segments[:0], in.Targets[:0], in.Labels[:0]
	for _, s := range b.Spans {
		in.Segments = append(in.Segments, device.Segment{Q: s.Start, QLen: s.Len, K: s.Start, KLen: s.Len})
	}
	for t, label := range b.Labels {
		if label >= 0 {
			in.Targets = append(in.Targets, int32(t))
			in.Labels = append(in.Labels, label)
		}
	}
}
