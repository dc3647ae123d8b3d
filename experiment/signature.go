package experiment

import (
	"fmt"
	"math"
	"strings"

	"smt/internal/finite"
)

// A Signature is a known way in which a run or a comparison goes wrong, found in its numbers.
type Signature struct {
	Kind string `json:"kind"`
	Cell string `json:"cell,omitempty"` // the cell it was found in, or "" for one of the whole experiment
	Text string `json:"text"`
	// Method is that of the cell.
	Method string `json:"method,omitempty"`
}

// The kinds of signatures.
const (
	NotFinite    = "not finite"
	LossSpike    = "loss spike"
	NormSpike    = "gradient norm spike"
	AbovePlan    = "memory above the plan"
	UnusualV     = "unusual share of V"
	PlateauKind  = "plateau"
	EdgeOfGrid   = "best at the edge of the grid"
	NoLearning   = "no learning"
	OneSeed      = "one seed"
	FewRows      = "few rows"
	FailedCell   = "failed"
	BudgetMissed = "budget missed"
)

const (
	// spikeWindow is how many values before one its running median is taken over; the first that can be judged has half as
	// many before it.
	spikeWindow = 32
	// SpikeDeviations is how many robust deviations above the running median a value is called a spike.
	SpikeDeviations = 8
	// spikeFloor is the least robust deviation, as a fraction of the median: a series that hardly moves has none to speak of.
	spikeFloor = 0.02
	// planTolerance and planSlack are the part and the MiB by which measured memory may pass the plan, which counts neither the
	// rows nor the tokenizer nor what the garbage collector has not given back yet.
	planTolerance = 0.15
	planSlack     = 48
	// PaperShareV is the share of the selected blocks that the paper finds in V, and usualShareV what counts as near it.
	PaperShareV = 0.9517
	usualShareV = 0.75
)

// Spikes returns the indices of xs that lie more than k robust deviations above the median of the (up to 32) values before
// them. The robust deviation is 1.4826 times the median absolute deviation, which equals the standard deviation of a normal
// distribution and does not notice the spikes themselves; it is at least 2 % of the median. What is not finite is no spike,
// and not part of a median.
func Spikes(xs []float64, k float64) []int {
	var found []int
	var window []float64
	for i, x := range xs {
		if !finite.Is(x) {
			continue
		}
		if len(window) >= spikeWindow/2 {
			median := Median(window)
			away := make([]float64, len(window))
			for j, w := range window {
				away[j] = math.Abs(w - median)
			}
			deviation := max(1.4826*Median(away), spikeFloor*math.Abs(median))
			if x > median+k*deviation {
				found = append(found, i)
			}
		}
		if window = append(window, x); len(window) > spikeWindow {
			window = window[1:]
		}
	}
	return found
}

// SeriesSignatures watches the losses and gradient norms of a run, one of each for every step.
func SeriesSignatures(cell string, losses, norms []float64) []Signature {
	var all []Signature
	for _, s := range []struct {
		kind string
		xs   []float64
	}{{LossSpike, losses}, {NormSpike, norms}} {
		what := strings.TrimSuffix(s.kind, " spike")
		for i, x := range s.xs {
			if !finite.Is(x) {
				all = append(all, Signature{Kind: NotFinite, Cell: cell, Text: fmt.Sprintf("the %s of step %d is %g", what, i+1, x)})
				break
			}
		}
		if at := Spikes(s.xs, SpikeDeviations); len(at) > 0 {
			worst := at[0]
			for _, i := range at {
				if s.xs[i] > s.xs[worst] {
					worst = i
				}
			}
			all = append(all, Signature{Kind: s.kind, Cell: cell, Text: fmt.Sprintf("%d of %d steps have a %s more than %d robust deviations above the running median; the highest is %.4g in step %d",
				len(at), len(s.xs), what, SpikeDeviations, s.xs[worst], worst+1)})
		}
	}
	return all
}

// learning looks whether a run's loss has fallen at all: the median of its last quarter beside that of its first.
func learning(cell string, losses []float64) []Signature {
	quarter := len(losses) / 4
	if quarter < 4 {
		return nil
	}
	first, last := Median(losses[:quarter]), Median(losses[len(losses)-quarter:])
	if last < first {
		return nil
	}
	return []Signature{{Kind: NoLearning, Cell: cell, Text: fmt.Sprintf("the training loss has not fallen: median %.4f in the first quarter of the steps, %.4f in the last", first, last)}}
}

// MemorySignature compares the memory that training took beyond the process before it with the plan, both in MiB.
func MemorySignature(cell string, measured, plan float64) []Signature {
	if !(measured > plan*(1+planTolerance)+planSlack) || plan <= 0 {
		return nil
	}
	return []Signature{{Kind: AbovePlan, Cell: cell, Text: fmt.Sprintf("training took %.0f MiB beyond the process before it, the plan says %.0f MiB", measured, plan)}}
}

// ShareSignature compares V's share of the selected blocks with what is usual. chance is V's share of all blocks.
func ShareSignature(cell string, share, chance float64) []Signature {
	if share >= usualShareV {
		return nil
	}
	return []Signature{{Kind: UnusualV, Cell: cell, Text: fmt.Sprintf("%.1f %% of the selected blocks lie in V, the paper reports %.1f %%; a random selection would have %.1f %%",
		100*share, 100*PaperShareV, 100*chance)}}
}

// Grouped merges the signatures of a kind that cells of one method have: the first stands for all, and says how many more there
// are. Those of the whole experiment stay as they are.
func Grouped(all []Signature) []Signature {
	var out []Signature
	at, more := map[[2]string]int{}, map[int]int{}
	for _, s := range all {
		key := [2]string{s.Kind, s.Method}
		if first, ok := at[key]; ok && s.Method != "" {
			more[first]++
			continue
		}
		at[key] = len(out)
		out = append(out, s)
	}
	for i := range out {
		switch n := more[i]; {
		case n == 1:
			out[i].Text += " (and the like in another cell)"
		case n > 1:
			out[i].Text += fmt.Sprintf(" (and the like in %d more cells)", n)
		}
	}
	return out
}

// PlateauFrom finds where a measure no longer moves with the budget. gains[i] is how much better each of the points after i is than
// point i (positive is better); the last point has none. It returns the first point from which on no point gains more than two
// standard errors over any before it, or -1 if the last two still differ by more. Neighbours alone would not do: steps that are each
// too small to be seen may add up.
func PlateauFrom(gains [][]Estimate) int {
	from := -1
	for i := len(gains) - 1; i >= 0; i-- {
		for _, g := range gains[i] {
			if !(g.Mean <= 2*g.StandardError) { // nor is a gain that is not known none
				return from
			}
		}
		from = i
	}
	return from
}
