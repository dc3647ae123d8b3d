package experiment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"smt/config"
	"smt/internal/finite"
	"smt/report"
	"smt/sparse"
)

// Selection asks whether the score finds the blocks that matter.
var Selection = Study{
	Name:     "selection",
	Question: "Do the scores find the blocks that matter, and does it matter which score is used?",
	Summary:  "block scores beside each other and beside random blocks: loss, overlap, and what single blocks bring",
	Seeds:    1,
	Method: []string{
		"Every block_score that the program knows selects as many blocks and is tuned in the same way, with a learning rate of its own. The overlap of two selections is |A ∩ B| / |A ∪ B|.",
		"Then single blocks, spread evenly over the ranking by the recipe's block_score (the paper's, if it names none) from the first to the last, are tuned alone, and the loss that each takes off the untuned model on the test rows is compared with every score's value for it by Spearman's rank correlation (n is the number of blocks; without any relation its standard error is 1/√(n−1)). A block's score is that of a run which selects all blocks after a warm-up as long as that of the runs that were compared. frequency has no such score: it counts how often a block is within the budget, and where all are, always.",
	},
	Run: selection,
}

func selection(ctx context.Context, l *Lab) (*Outcome, error) {
	l.paperRule("block_score")
	methods := l.Methods
	if len(methods) == 0 {
		for _, s := range sparse.Scores {
			methods = append(methods, string(s))
		}
		for _, c := range Controls {
			if !slices.Contains(methods, c) {
				methods = append(methods, c)
			}
		}
	}
	var contenders []Contender
	reference := l.Recipe.BlockScore
	for _, m := range l.usable(methods) {
		if kindOf(m) != config.SMT || m == config.SMT {
			continue
		}
		r, err := l.RecipeOf(m, 0)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, Contender{Name: m, Method: m, Recipe: r, Rates: l.rates(m, r)})
	}
	if !slices.ContainsFunc(contenders, func(c Contender) bool { return c.Name == reference }) {
		return nil, fmt.Errorf("experiment: --methods: expected the recipe's block_score %s among the scores that are compared", reference)
	}
	base, tuned, err := l.tuneBesideBase(ctx, contenders)
	if err != nil {
		return nil, err
	}
	single, err := l.singleBlocks(ctx, base, tuned, reference)
	if err != nil || l.DryRun {
		return nil, err
	}
	losses, differences := l.lossSection(base, tuned, reference)
	overlap, err := l.overlapSection(tuned)
	if err != nil {
		return nil, err
	}
	o := &Outcome{Answers: append(answersOf(differences, reference), single.answers...)}
	o.Sections = append(o.Sections, losses, overlap, single.section, l.rateSection(tuned))
	return o, nil
}

// overlapSection is the matrix of overlaps of the selections, at the first seed.
func (l *Lab) overlapSection(tuned []Tuned) (report.Section, error) {
	s := report.Section{Title: "Overlap of the selections"}
	var names []string
	var sets []map[place]bool
	t := report.Table{Header: []string{"score", "blocks", "in V %", "by chance %"}}
	for _, m := range tuned {
		if len(m.Runs) == 0 {
			continue
		}
		sel, err := m.Runs[0].selection()
		if err != nil {
			return s, err
		}
		names, sets = append(names, m.Name), append(sets, places(sel))
		t.Rows = append(t.Rows, []string{m.Name, fmt.Sprint(sel.Blocks()), show(100*sel.Share("v_proj"), 1), show(100*m.Runs[0].ChanceV, 1)})
	}
	values := make([][]float64, len(sets))
	for i := range sets {
		for j := range sets {
			values[i] = append(values[i], Jaccard(sets[i], sets[j]))
		}
	}
	l.figure(&s, "overlap.png", "Overlap (Jaccard) of the selected blocks.", func(path string) error {
		return report.Matrix(path, report.Axes{Title: "overlap of the selections"}, names, names, values)
	})
	s.Tables = append(s.Tables, t)
	return s, nil
}

// singles is what tuning single blocks has shown.
type singles struct {
	section report.Section
	answers []string
}

// ranked is a block with its matrix and its place in the ranking by the reference score, from 1.
type ranked struct {
	sparse.Matrix
	sparse.ScoredBlock
	rank int
}

// singleBlocks tunes a sample of blocks alone and compares what each brings with every score's value for it.
func (l *Lab) singleBlocks(ctx context.Context, base Result, tuned []Tuned, reference string) (singles, error) {
	out := singles{section: report.Section{Title: "What single blocks bring"}}
	all, err := l.scoreAllBlocks(ctx, tuned)
	if err != nil || l.DryRun {
		return out, err
	}
	at := slices.IndexFunc(tuned, func(t Tuned) bool { return t.Name == reference })
	if !scoresAll(tuned[at].Recipe) {
		l.skip("single blocks: %s has no score for every block to rank them by", reference)
		return out, nil
	}
	if !base.Usable() {
		l.skip("single blocks: the model as it is has no losses to compare with")
		return out, nil
	}
	if all[reference] == nil || tuned[at].Best == nil {
		l.skip("single blocks: no run with %s came to an end", reference)
		return out, nil
	}
	sample, total := sampleBlocks(all[reference], l.Sample)
	if len(sample) < 3 {
		l.skip("single blocks: a sample of %d, expected at least 3", len(sample))
		return out, nil
	}
	results, err := l.tuneAlone(ctx, sample, all[reference].BlockSize, tuned[at].Best.Recipe.Recipe)
	if err != nil {
		return out, err
	}
	t := report.Table{Title: fmt.Sprintf("%d of %d blocks, spread over the ranking by %s", len(sample), total, reference), Header: []string{"block", "rank", "score", "loss it takes off"}}
	drops := make([]float64, len(sample))
	for i, r := range results {
		drops[i] = math.NaN()
		cell := "no run came to an end"
		if r.Usable() {
			d, err := PairedDifference(base.Test, r.Test)
			if err != nil {
				return out, err
			}
			drops[i], cell = d.Mean, plusMinus(d, 4)
		}
		b := sample[i]
		t.Rows = append(t.Rows, []string{fmt.Sprintf("%s (%d, %d)", b.Name, b.Row, b.Col), fmt.Sprint(b.rank), fmt.Sprintf("%.3g", b.Score), cell})
	}
	c := report.Table{Title: "rank correlation of a block's score with the loss it takes off alone", Note: "frequency has no score for every block.", Header: []string{"score", "Spearman", "± without relation", "blocks"}}
	var points report.Series
	for _, m := range tuned {
		if all[m.Name] == nil {
			continue
		}
		x, y := scoresAndDrops(all[m.Name], sample, drops)
		e := RankCorrelation(x, y)
		c.Rows = append(c.Rows, []string{m.Name, show(e.Mean, 2), show(e.StandardError, 2), fmt.Sprint(e.N)})
		if m.Name == reference {
			points = report.Series{Name: "one block", X: x, Y: y}
			out.answers = append(out.answers, fmt.Sprintf("A block's score by %s and the loss that tuning it alone takes off have a rank correlation of %s (n = %d blocks, ± %s without any relation).",
				reference, show(e.Mean, 2), e.N, show(e.StandardError, 2)))
		}
	}
	out.section.Tables = append(out.section.Tables, c, t)
	l.figure(&out.section, "blocks.png", "Each point is a block that was tuned alone.", func(path string) error {
		return report.Points(path, report.Axes{Title: "score and use of single blocks", X: "score by " + reference, Y: "loss taken off (nats per token)", LogX: true}, []report.Series{points})
	})
	return out, nil
}

// scoresAll reports whether a recipe's rule has a score for every block. Frequency counts steps in which a block is within the budget.
func scoresAll(r config.Recipe) bool { return sparse.Score(r.BlockScore) != sparse.Frequency }

// warmupLength is the length of the warm-up of a contender's runs, which follows from their steps if the recipe does not say it: where
// those follow from the epochs in turn, a run knows it. Before there is one it is a guess, for dry runs.
func (l *Lab) warmupLength(t Tuned) int {
	r := t.Recipe
	if r.WarmupFullSteps > 0 {
		return r.WarmupFullSteps
	}
	if r.MaxSteps == 0 {
		for _, run := range slices.Concat(t.Runs, t.Grid) {
			if run.Usable() {
				return run.WarmupSteps
			}
		}
	}
	return sparse.WarmupSteps(max(1, int(tuningSteps(r, l.Split.TrainRows))))
}

// scoreAllBlocks gets every block's score by each of the methods that have one, by runs that select all blocks.
func (l *Lab) scoreAllBlocks(ctx context.Context, tuned []Tuned) (map[string]*sparse.Selection, error) {
	tuned = slices.DeleteFunc(slices.Clone(tuned), func(t Tuned) bool { return !scoresAll(t.Recipe) })
	var cells []Cell
	for _, m := range tuned {
		r := m.Recipe
		r.WarmupFullSteps = l.warmupLength(m)
		r.NumBlocks, r.TrainableRatio, r.TargetRatio, r.MLPNumBlocks, r.MLPTrainableRatio, r.MaxSteps = math.MaxInt32, 0, 0, 0, 0, 1
		c := l.Cell("all blocks by "+m.Name, "all blocks", WithSeed(r, l.Seeds[0]))
		c.Measures = Measures{Digest: c.Measures.Digest} // its selection is all that is asked of it
		cells = append(cells, c)
	}
	results, err := l.Run(ctx, "scores of all blocks", cells)
	if err != nil || l.DryRun {
		return nil, err
	}
	all := map[string]*sparse.Selection{}
	for i, r := range results {
		if !r.Usable() {
			continue
		}
		if all[tuned[i].Name], err = r.selection(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// sampleBlocks takes n blocks, spread evenly over the ranking from the first to the last; total is how many there are.
func sampleBlocks(s *sparse.Selection, n int) (sample []ranked, total int) {
	var order []ranked
	for _, m := range s.Matrices {
		for _, b := range m.Blocks {
			order = append(order, ranked{Matrix: m.Matrix, ScoredBlock: b})
		}
	}
	slices.SortStableFunc(order, func(a, b ranked) int { return cmp.Compare(b.Score, a.Score) })
	n = min(n, len(order))
	for i := range n {
		k := i * (len(order) - 1) / max(n-1, 1)
		order[k].rank = k + 1
		sample = append(sample, order[k])
	}
	return sample, len(order)
}

// tuneAlone runs the recipe with each of the blocks alone.
func (l *Lab) tuneAlone(ctx context.Context, sample []ranked, size int, r config.Recipe) ([]Result, error) {
	var cells []Cell
	for _, b := range sample {
		c := l.Cell(fmt.Sprintf("one block %s %d,%d", b.Name, b.Row, b.Col), "one block", WithSeed(r, l.Seeds[0]), Label{"rank", fmt.Sprint(b.rank)})
		c.Blocks = &sparse.Selection{BlockSize: size, Matrices: []sparse.MatrixSelection{{Matrix: b.Matrix, Blocks: []sparse.ScoredBlock{b.ScoredBlock}}}}
		c.Measures.Validation, c.Measures.Tasks = "", nil
		cells = append(cells, c)
	}
	return l.Run(ctx, "single blocks", cells)
}

// scoresAndDrops pairs the scores that a selection of all blocks has for those of the sample with what they took off, where both
// are known.
func scoresAndDrops(all *sparse.Selection, sample []ranked, drops []float64) (scores, known []float64) {
	of := map[place]float64{}
	for _, m := range all.Matrices {
		for _, b := range m.Blocks {
			of[place{m.Name, b.Block}] = b.Score
		}
	}
	for i, b := range sample {
		if s, ok := of[place{b.Name, b.Block}]; ok && finite.Is(drops[i]) {
			scores, known = append(scores, s), append(known, drops[i])
		}
	}
	return scores, known
}
