package recipe

import (
	"math"

	"smt/dataset"
)

// A timeline says which batches a step sees: a pure function of the step's number, so that a resumed run goes on where it
// stopped with no other state. A step takes accumulation batches; the last step of an epoch takes what is left, and no step
// crosses into the next epoch.
type timeline struct {
	loader       *dataset.Loader
	accumulation int
	starts       []int // first step of each epoch met so far
}

func newTimeline(loader *dataset.Loader, accumulation int) *timeline {
	return &timeline{loader: loader, accumulation: max(accumulation, 1), starts: []int{0}}
}

// stepsOf is the number of steps of an epoch.
func (t *timeline) stepsOf(epoch int) int {
	return (t.loader.BatchesPerEpoch(epoch) + t.accumulation - 1) / t.accumulation
}

// locate returns the epoch of a step and the range of its batches in that epoch.
func (t *timeline) locate(step int) (epoch, first, count int) {
	for {
		last := len(t.starts) - 1
		next := t.starts[last] + t.stepsOf(last)
		if step < next {
			break
		}
		t.starts = append(t.starts, next)
	}
	epoch = len(t.starts) - 1
	for t.starts[epoch] > step {
		epoch--
	}
	first = (step - t.starts[epoch]) * t.accumulation
	return epoch, first, min(t.accumulation, t.loader.BatchesPerEpoch(epoch)-first)
}

// steps is the number of steps of the given number of epochs, which may be a fraction.
func (t *timeline) steps(epochs float64) int {
	n := 0
	whole := int(epochs)
	for e := range whole {
		n += t.stepsOf(e)
	}
	if part := epochs - float64(whole); part > 0 {
		n += int(math.Ceil(part * float64(t.stepsOf(whole))))
	}
	return n
}

// epochAt is how many epochs have been seen after a number of steps, for people to read.
func (t *timeline) epochAt(step int) float64 {
	if step == 0 {
		return 0
	}
	epoch, _, _ := t.locate(step - 1)
	return float64(epoch) + float64(step-t.starts[epoch])/float64(t.stepsOf(epoch))
}
