// Package recipe is a training run from the first row to the last file: smt.go, full.go and lowrank.go read top to bottom;
// the loop, checkpoints and reports that they share are beside them.
package recipe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"

	"smt/config"
	"smt/internal/memory"
	"smt/optimizer"
	"smt/report"
	"smt/sparse"
)

// Train runs a recipe and returns what came of it. When ctx ends, the run saves its state after the step at hand and
// returns ErrInterrupted.
func Train(ctx context.Context, r config.Recipe, reporter Reporter) (*Summary, error) {
	return TrainBlocks(ctx, r, nil, reporter)
}

// TrainBlocks is Train with the blocks already chosen: a recipe of SMT then has no warm-up. Without a selection it is Train.
func TrainBlocks(ctx context.Context, r config.Recipe, selection *sparse.Selection, reporter Reporter) (*Summary, error) {
	s, err := open(ctx, r, reporter)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if selection != nil && s.state.Selection == nil {
		s.state.Selection = newSelectionFile(selection)
	}
	s.chosen = selection != nil
	switch r.FinetuningType {
	case config.SMT:
		err = s.smt(ctx)
	case config.Full:
		err = s.full(ctx)
	case config.LoRA, config.DoRA:
		err = s.lowRank(ctx)
	default:
		err = fmt.Errorf("recipe: finetuning_type %q: expected smt, full, lora or dora", r.FinetuningType)
	}
	if err != nil {
		return nil, err
	}
	return s.finish()
}

// trainingSteps is the number of steps that update what is being tuned: max_steps, or as many as the epochs have.
func (s *session) trainingSteps() int {
	if s.recipe.MaxSteps > 0 {
		return s.recipe.MaxSteps
	}
	return s.timeline.steps(s.recipe.NumTrainEpochs)
}

// passes is how often the run sees its rows, about: epochs of packed rows differ by a step or so, and packing them all to know it
// exactly would take its time on large files.
func (s *session) passes() float64 {
	if s.recipe.MaxSteps > 0 {
		return float64(s.recipe.MaxSteps) / float64(s.timeline.stepsOf(0))
	}
	return s.recipe.NumTrainEpochs
}

// schedule is the recipe's schedule over a stage.
func (s *session) schedule(peak float64, steps int) optimizer.Schedule {
	r := s.recipe
	warmup := r.WarmupSteps
	if warmup == 0 {
		warmup = int(math.Ceil(r.WarmupRatio * float64(steps)))
	}
	return optimizer.Schedule{Kind: r.LRSchedulerType, Peak: peak, Steps: steps, WarmupSteps: warmup, MinRatio: r.MinLRRatio, DecayRatio: r.WSDDecayRatio}
}

// newOptimizer is AdamW with the recipe's constants.
func (s *session) newOptimizer(tensors []optimizer.Tensor) *optimizer.AdamW {
	o := optimizer.New(s.device, tensors)
	r := s.recipe
	o.Beta1, o.Beta2, o.Epsilon, o.WeightDecay, o.MaxNorm = r.AdamBeta1, r.AdamBeta2, r.AdamEpsilon, r.WeightDecay, r.MaxGradNorm
	return o
}

// releaseMemory gives back what the stage before has left, so that the peak of a run is that of its largest stage and not
// of their sum.
func releaseMemory() {
	runtime.GC()
	debug.FreeOSMemory()
}

// log tells the reporter and metrics.jsonl of a finished step.
func (s *session) log(st *stage, e Step) error {
	e.Event, e.Stage, e.Step, e.StageStep, e.StageSteps = "step", st.name, s.state.Step, s.state.StageStep, st.steps
	e.TokensPerSec, e.PeakRSS = float64(e.Tokens)/e.Seconds, memory.PeakRSS()
	s.reporter.Step(e)
	return s.metrics.Append(e)
}

// logValidation tells of a validation loss.
func (s *session) logValidation(v Validation) error {
	v.Event, v.Step = "eval", s.state.Step
	s.reporter.Validation(v)
	return s.metrics.Append(v)
}

// finish writes the curve and the summary.
func (s *session) finish() (*Summary, error) {
	st, sum := s.state, &s.summary
	sum.Event, sum.FinetuningType, sum.OutputDir = "done", s.recipe.FinetuningType, s.recipe.OutputDir
	sum.Steps, sum.TrainSeconds, sum.Tokens, sum.Supervised = st.Step, st.Seconds, st.Tokens, st.Supervised
	sum.TokensPerSec = float64(st.Tokens) / math.Max(st.Seconds, 1e-9)
	sum.PeakRSS, sum.FinalLoss, sum.ValLoss = memory.PeakRSS(), st.FinalLoss, st.ValLoss
	sum.Params, sum.Device = s.base.Config.Params(), s.device.Name()
	if st.Best != nil {
		sum.BestValLoss, sum.BestStep = st.Best.Loss, st.Best.Step
	}
	series, err := readCurve(s.path("metrics.jsonl"))
	if err != nil {
		return nil, err
	}
	if err := report.LossCurve(s.path("loss.png"), fmt.Sprintf("%s: loss per supervised token", s.recipe.FinetuningType), series); err != nil {
		return nil, err
	}
	return sum, errors.Join(s.metrics.Append(sum), s.metrics.Sync())
}
