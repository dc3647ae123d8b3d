package experiment

import (
	"fmt"

	"smt/benchmark"
	"smt/config"
	"smt/model"
	"smt/recipe"
	"smt/sparse"
)

// A TimeEstimate is what the cells of a dry run will take.
type TimeEstimate struct {
	Seconds  []float64 // of each cell, 0 for those that an earlier run has finished
	MiB      []float64 // its peak by smt plan
	Total    float64
	GFLOPS   float64 // at which steps are computed here
	Measured string  // what that was measured with
}

// estimateTokens bounds the sequence of the step that is measured.
const estimateTokens = 512

// Estimate measures one step of SMT on the lab's model and adds up the operations of all cells at this rate, as if every sequence
// of every batch were full. What tasks take is not counted: it depends on how much the model writes.
func (l *Lab) Estimate() (*TimeEstimate, error) {
	r := l.Recipe
	dev, err := recipe.NewDevice(r.Device, r.Threads)
	if err != nil {
		return nil, err
	}
	length := r.MaxSeqLength
	if length == 0 || length > l.Config.MaxPosition {
		length = l.Config.MaxPosition
	}
	seq := min(length, estimateTokens)
	step, err := benchmark.Step(dev, benchmark.StepOptions{Config: r.ModelNameOrPath, Method: "smt", Seq: seq, Batch: 1, Steps: 1, Warmup: 1, Precision: model.Precision(r.Precision)})
	if err != nil {
		return nil, err
	}
	measured := recipe.OperationsOf(l.Config, recipe.Method{Name: "smt", Targets: benchmark.Modules("smt"), Sequence: seq})
	rate := (measured.Forward + measured.Backward) * float64(seq) / step.StepSeconds
	e := &TimeEstimate{GFLOPS: rate / 1e9, Measured: fmt.Sprintf("%d tokens in %.2f s", seq, step.StepSeconds)}
	base, err := model.Open(r.ModelNameOrPath)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	for _, cell := range l.Results {
		c, split := cell.Recipe.Recipe, l.splits[cell.Measures.Digest]
		operations, mib := 0.0, 0.0
		if cell.Method != Base {
			p, err := recipe.PlanOf(base, c, c.FinetuningType)
			if err != nil {
				return nil, err
			}
			mib = float64(p.Peak) / (1 << 20)
			tokens := float64(length * c.PerDeviceTrainBatchSize * c.GradientAccumulationSteps)
			steps := tuningSteps(c, split.TrainRows)
			if c.FinetuningType == "smt" && cell.Blocks == nil && !sparse.Score(c.BlockScore).DataFree() {
				warmup := float64(c.WarmupFullSteps)
				if warmup == 0 {
					warmup = float64(sparse.WarmupSteps(int(steps)))
				}
				steps += warmup
			}
			if !cell.kept() {
				operations = steps * tokens * (p.Forward + p.Backward)
			}
		}
		rows := 0
		if cell.Measures.Validation != "" {
			rows += split.ValRows
		}
		if cell.Measures.Test != "" {
			rows += split.TestRows
		}
		operations += measured.Forward * float64(rows) * float64(length) / 2
		seconds := 0.0
		if cell.Planned() {
			seconds = operations / rate
		}
		e.Seconds, e.MiB, e.Total = append(e.Seconds, seconds), append(e.MiB, mib), e.Total+seconds
	}
	return e, nil
}

// tuningSteps are the steps of a recipe that train: max_steps or, with a sequence for each row, those of its epochs over so many rows.
func tuningSteps(r config.Recipe, rows int) float64 {
	if r.MaxSteps > 0 {
		return float64(r.MaxSteps)
	}
	return r.NumTrainEpochs * float64(rows) / float64(r.PerDeviceTrainBatchSize*r.GradientAccumulationSteps)
}
