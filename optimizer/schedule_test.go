package optimizer_test

import (
	"math"
	"testing"

	"smt/optimizer"
)

// TestScheduleValues has values that transformers' get_scheduler gives for 10 warm-up steps of 110, and those of wsd by
// its definition.
func TestScheduleValues(t *testing.T) {
	base := optimizer.Schedule{Peak: 2e-4, Steps: 110, WarmupSteps: 10, DecayRatio: 0.2}
	for _, c := range []struct {
		kind     string
		minRatio float64
		step     int
		want     float64
	}{
		{"constant", 0, 0, 0}, {"constant", 0, 5, 1e-4}, {"constant", 0, 10, 2e-4}, {"constant", 0, 109, 2e-4},
		{"linear", 0, 1, 2e-5}, {"linear", 0, 10, 2e-4}, {"linear", 0, 60, 1e-4}, {"linear", 0, 110, 0},
		{"linear", 0.1, 60, 1.1e-4}, {"linear", 0.1, 110, 2e-5},
		{"cosine", 0, 9, 1.8e-4}, {"cosine", 0, 35, 2e-4 * (1 + math.Sqrt2/2) / 2}, {"cosine", 0, 60, 1e-4}, {"cosine", 0, 110, 0},
		{"cosine", 0.5, 60, 1.5e-4}, {"cosine", 0.5, 200, 1e-4},
		{"wsd", 0, 87, 2e-4}, {"wsd", 0, 88, 2e-4}, {"wsd", 0, 99, 1e-4}, {"wsd", 0, 110, 0},
	} {
		s := base
		s.Kind, s.MinRatio = c.kind, c.minRatio
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		if got := s.At(c.step); !(math.Abs(got-c.want) <= 1e-15) {
			t.Errorf("%s, min ratio %g, step %d: got %g, expected %g", c.kind, c.minRatio, c.step, got, c.want)
		}
	}
}

// TestScheduleShape holds for any schedule: rates lie between 0 and the peak, rise in the warm-up and never rise after it,
// also where there is no warm-up or no step beyond it.
func TestScheduleShape(t *testing.T) {
	for _, kind := range optimizer.Kinds {
		for _, warmup := range []int{0, 1, 7, 20} {
			s := optimizer.Schedule{Kind: kind, Peak: 3, Steps: 20, WarmupSteps: warmup, MinRatio: 0.1, DecayRatio: 0.5}
			for step := range 25 {
				now, next := s.At(step), s.At(step+1)
				if math.IsNaN(now) || now < 0 || now > 3 {
					t.Errorf("%s, warm-up %d: rate %g at step %d", kind, warmup, now, step)
				}
				if step < warmup && next <= now || step >= warmup && next > now {
					t.Errorf("%s, warm-up %d: %g at step %d, then %g", kind, warmup, now, step, next)
				}
			}
		}
	}
}

func TestUnknownSchedule(t *testing.T) {
	if err := (optimizer.Schedule{Kind: "polynomial"}).Check(); err == nil {
		t.Error("polynomial: got no error")
	}
}
