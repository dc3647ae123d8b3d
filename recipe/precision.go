package recipe

import (
	"fmt"

	"smt/dataset"
	"smt/model"
)

// calibrationBatches is how many batches show how large input channels are. They are the first of the run, so that a resumed
// run finds the same.
const calibrationBatches = 4

// quantize makes 8-bit copies of the frozen weights, if the recipe's precision asks for them.
func (s *session) quantize() error {
	precision := model.Precision(s.recipe.Precision)
	if precision == model.Float32 {
		return nil
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
	s.reporter.Note("precision %s: frozen weights of linear layers are multiplied in 8-bit integers", precision)
	return nil
}

// calibrate measures the input channels of the linear layers.
func (s *session) calibrate() ([]model.Channels, error) {
	limits := s.limits()
	limits.Backward = false
	s.decoder.Prepare(limits)
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
