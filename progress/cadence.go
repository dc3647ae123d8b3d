package progress

import "time"

// quietTime is the least time between two lines about steps that do not train, such as rows being tokenized.
const quietTime = 5 * time.Second

// A cadence decides which steps of a phase get a line, and how long the phase will take.
type cadence struct {
	every int
	now   func() time.Time

	total int
	// first is the step at which the phase began, and start the time; both are known after the first step.
	first int
	start time.Time
	// shown is when a line was written last.
	shown time.Time
}

func newCadence(every int) cadence { return cadence{every: max(every, 1), now: time.Now} }

// begin starts a phase.
func (c *cadence) begin(total int) {
	c.total, c.first, c.start = total, -1, c.now()
	c.shown = c.start
}

// step takes note of a step. A phase may resume in the middle: what was done before its first step took no time.
func (c *cadence) step(step int) {
	if c.first < 0 {
		c.first = step - 1
	}
}

// due reports whether the step gets a line: training steps by their number, other steps by time, and always the last one
// and those with a validation loss.
func (c *cadence) due(s StepInfo) bool {
	due := s.Validated || c.total > 0 && s.Step == c.total
	if s.Training {
		due = due || s.Step%c.every == 0
	} else {
		due = due || c.now().Sub(c.shown) >= quietTime
	}
	if due {
		c.shown = c.now()
	}
	return due
}

// left estimates the time until the phase is complete from the mean time of its steps so far.
func (c *cadence) left(step int) (time.Duration, bool) {
	done, todo := step-c.first, c.total-step
	if c.first < 0 || done <= 0 || todo <= 0 {
		return 0, false
	}
	return time.Duration(float64(c.now().Sub(c.start)) / float64(done) * float64(todo)), true
}
