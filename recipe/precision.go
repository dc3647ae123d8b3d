package recipe

import (
	"fmt"

	"smt/dataset"
	"smt/model"
)

// calibrationBatches is how many batches show how large input channels are. They are the first of the run, so that a resumed
// run finds the same.
const calibrationBatches = 4

// quantize makes, for a decoder that is prepared, what the recipe's precision needs of the frozen weights in a stage. The
// warm-up never has a forward pass in 8-bit integers: its scores decide over the whole run, and the noise of 8-bit
// activations would choose other blocks (docs/performance.md).
func (s *session) quantize(stage string) error {
	precision := model.Precision(s.recipe.Precision)
	if precision == model.Int8 && stage == stageWarmup {
		precision = model.Int8Warmup
	}
	var channels []model.Channels
	if precision == model.Int8 {
		var err error
		if channels, err = s.calibrate(); err != nil {
			return err
		}
	}
	if err := s.decoder.SetPrecision(precision, channels); err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	if precision != model.Float32 {
		s.reporter.Note("%s: precision %s for products of frozen weights", stage, precision)
	}
	return nil
}

// calibrate measures the input channels of the linear layers, before any are in other numbers than float32.
func (s *session) calibrate() ([]model.Channels, error) {
	var inputs []*model.Input
	for i := range min(calibrationBatches, s.loader.BatchesPerEpoch(0)) {
		var batch dataset.Batch
		s.loader.Batch(0, i, &batch)
		var in input
		in.set(&batch)
		inputs = append(inputs, &in.Input)
	}
	return s.decoder.Calibrate(inputs, s.recipe.Int8OutlierRatio)
}
