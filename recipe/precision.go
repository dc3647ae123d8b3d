package recipe

import (
	"fmt"

	"smt/dataset"
	"smt/model"
)

// calibrationBatches is how many batches show which input channels are outliers. They are the first of the run, so that a
// resumed run finds the same ones.
const calibrationBatches = 4

// quantize makes 8-bit copies of the frozen weights, if the recipe's precision asks for them.
func (s *session) quantize() error {
	precision := model.Precision(s.recipe.Precision)
	if precision == model.Float32 {
		return nil
	}
	var outliers [][]int32
	if precision == model.Int8 {
		var err error
		if outliers, err = s.outliers(); err != nil {
			return err
		}
	}
	if err := s.decoder.SetPrecision(precision, outliers); err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	s.reporter.Note("precision %s: frozen weights of linear layers are multiplied in 8-bit integers", precision)
	return nil
}

// outliers finds the input channels that stay float32.
func (s *session) outliers() ([][]int32, error) {
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
	return s.decoder.OutlierColumns(inputs, s.recipe.Int8OutlierRatio)
}
