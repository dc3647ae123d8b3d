package sparse

import "fmt"

// Update is what happens to the weights during the warm-up.
type Update string

const (
	// UpdateNone leaves the weights frozen: the warm-up computes scores and nothing else, needs no optimizer, and the
	// result is exactly base + blocks.
	UpdateNone Update = "none"
	// UpdateRollback trains all parameters during the warm-up and undoes it after the selection.
	UpdateRollback Update = "rollback"
	// UpdateKeep trains all parameters during the warm-up and goes on from there, as the reference code does. The result
	// is then a dense change of the base.
	UpdateKeep Update = "keep"
)

// ParseUpdate finds an Update by name.
func ParseUpdate(name string) (Update, error) {
	switch u := Update(name); u {
	case UpdateNone, UpdateRollback, UpdateKeep:
		return u, nil
	}
	return "", fmt.Errorf("sparse: warmup_update %q: expected none, rollback or keep", name)
}

// Trains reports whether the warm-up changes weights.
func (u Update) Trains() bool { return u != UpdateNone }

// WarmupSteps is the length of a warm-up that nobody has set: an eighth of the steps that tune, but at least 8 and at most
// the paper's 100. Selections settle early: on SmolLM2-135M, 8 steps of about 8 rows each choose 96 % of the blocks that
// 63 steps choose, and 16 steps 99 % (docs/results.md).
func WarmupSteps(tuning int) int { return min(100, max(8, (tuning+7)/8)) }

// A Controller is the first part of SMT, the warm-up controller: it says what a step of the run does. Steps count from 0
// over both phases.
type Controller struct {
	// WarmupSteps is N, the number of iterations that gather gradients before the blocks are selected.
	WarmupSteps int
	Update      Update
	// TuningSteps is the number of steps that train the selected blocks.
	TuningSteps int
}

// Phase is a stretch of the run.
type Phase string

const (
	Warmup Phase = "warm-up"
	Tuning Phase = "tuning"
)

// Phase tells which phase a step belongs to, and the step's number within it.
func (c Controller) Phase(step int) (Phase, int) {
	if step < c.WarmupSteps {
		return Warmup, step
	}
	return Tuning, step - c.WarmupSteps
}

// Switches reports whether the blocks must be selected before this step.
func (c Controller) Switches(step int) bool { return step == c.WarmupSteps }

// Total is the number of steps of both phases.
func (c Controller) Total() int { return c.WarmupSteps + c.TuningSteps }
