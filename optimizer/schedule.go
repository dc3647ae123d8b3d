package optimizer

import (
	"fmt"
	"math"
)

// A Schedule gives the learning rate of each step: it rises linearly from 0 over WarmupSteps, then follows Kind down to
// MinRatio of its peak at the last of Steps.
type Schedule struct {
	Kind        string // "constant", "linear", "cosine" or "wsd" (warm-up, stable, decay)
	Peak        float64
	Steps       int
	WarmupSteps int
	MinRatio    float64
	// DecayRatio is the share of Steps that wsd decays in, at the end.
	DecayRatio float64
}

// Kinds are the schedules there are.
var Kinds = []string{"constant", "linear", "cosine", "wsd"}

// Check reports a schedule that makes no sense.
func (s Schedule) Check() error {
	for _, k := range Kinds {
		if s.Kind == k {
			return nil
		}
	}
	return fmt.Errorf("optimizer: lr_scheduler_type %q: expected one of %v", s.Kind, Kinds)
}

// At is the learning rate of a step, counted from 0, as in transformers: warm-up step s has Peak·s/WarmupSteps, and step s
// after it has gone (s-WarmupSteps)/(Steps-WarmupSteps) of the way down.
func (s Schedule) At(step int) float64 {
	if step < s.WarmupSteps {
		return s.Peak * float64(step) / float64(s.WarmupSteps)
	}
	start := s.WarmupSteps
	if s.Kind == "wsd" {
		start = max(start, s.Steps-int(math.Round(s.DecayRatio*float64(s.Steps))))
		if step < start {
			return s.Peak
		}
	}
	progress := min(1, float64(step-start)/float64(max(s.Steps-start, 1)))
	factor := 1.0
	switch s.Kind {
	case "linear", "wsd":
		factor = 1 - progress
	case "cosine":
		factor = (1 + math.Cos(math.Pi*progress)) / 2
	}
	return s.Peak * (s.MinRatio + (1-s.MinRatio)*factor)
}
