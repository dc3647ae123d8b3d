package experiment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"smt/config"
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
		"Then single blocks, spread evenly over the ranking by the recipe's block_score from the first to the last, are tuned alone, and the loss that each takes off the untuned model on the test rows is compared with every score's value for it by Spearman's rank correlation (n is the number of blocks; without any relation its standard error is 1/√(n−1)).",
	},
	Run: selection,
}

func selection(ctx context.Context, l *Lab) (*Outcome, error) {
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
		contenders = append(contenders, Contender{Name: m, Method: m, Recipe: r, Rates: l.rates(m)})
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

// ranked is a block with its matrix and score.
type ranked struct {
	sparse.Matrix
	sparse.ScoredBlock
}

// singleBlocks gets every block's scores by selecting all blocks, and tunes a sample of blocks alone.
func (l *Lab) singleBlocks(ctx context.Context, base Result, tuned []Tuned, reference string) (singles, error) {
	out := singles{section: report.Section{Title: "What single blocks bring"}}
	var cells []Cell
	for _, m := range tuned {
		r := m.Recipe
		r.NumBlocks, r.TrainableRatio, r.TargetRatio, r.MLPNumBlocks, r.MLPTrainableRatio, r.MaxSteps = math.MaxInt32, 0, 0, 0, 0, 1
		// The length of the warm-up follows from the steps; it must be that of the runs above.
		if r.WarmupFullSteps == 0 {
			r.WarmupFullSteps = sparse.WarmupSteps(max(l.Recipe.MaxSteps, 1))
		}
		c := l.Cell("all blocks by "+m.Name, "all blocks", WithSeed(r, l.Seeds[0]))
		c.Measures = Measures{Digest: c.Measures.Digest} // its selection is all that is asked of it
		cells = append(cells, c)
	}
	all, err := l.Run(ctx, "scores of all blocks", cells)
	if err != nil || l.DryRun {
		return out, err
	}
	scores := map[string]map[place]float64{}
	var order []ranked
	var best *Tuned
	size := 0
	for i, r := range all {
		if !r.Usable() {
			continue
		}
		s, err := r.selection()
		if err != nil {
			return out, err
		}
		name := tuned[i].Name
		scores[name] = map[place]float64{}
		for _, m := range s.Matrices {
			for _, b := range m.Blocks {
				scores[name][place{m.Name, b.Block}] = b.Score
				if name == reference {
					order = append(order, ranked{m.Matrix, b})
				}
			}
		}
		if name == reference {
			best, size = &tuned[i], s.BlockSize
		}
	}
	if best == nil || best.Best == nil {
		l.skip("single blocks: no run with %s came to an end", reference)
		return out, nil
	}
	slices.SortStableFunc(order, func(a, b ranked) int { return cmp.Compare(b.Score, a.Score) })
	n := min(l.Sample, len(order))
	if n < 3 {
		l.skip("single blocks: a sample of %d, expected at least 3", n)
		return out, nil
	}
	cells = cells[:0]
	var sample []ranked
	for i := range n {
		k := order[i*(len(order)-1)/(n-1)]
		sample = append(sample, k)
		c := l.Cell(fmt.Sprintf("one block %s %d,%d", k.Name, k.Row, k.Col), "one block", WithSeed(best.Best.Recipe.Recipe, l.Seeds[0]),
			Label{"rank", fmt.Sprint(1 + i*(len(order)-1)/(n-1))})
		c.Blocks = &sparse.Selection{BlockSize: size, Matrices: []sparse.MatrixSelection{{Matrix: k.Matrix, Blocks: []sparse.ScoredBlock{k.ScoredBlock}}}}
		c.Measures.Validation, c.Measures.Tasks = "", nil
		cells = append(cells, c)
	}
	results, err := l.Run(ctx, "single blocks", cells)
	if err != nil {
		return out, err
	}
	t := report.Table{Title: fmt.Sprintf("%d of %d blocks, spread over the ranking by %s", n, len(order), reference), Header: []string{"block", "rank", "score", "loss it takes off"}}
	drops := make([]float64, n)
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
		t.Rows = append(t.Rows, []string{fmt.Sprintf("%s (%d, %d)", sample[i].Name, sample[i].Row, sample[i].Col), r.Label("rank"), fmt.Sprintf("%.3g", sample[i].Score), cell})
	}
	c := report.Table{Title: "rank correlation of a block's score with the loss it takes off alone", Header: []string{"score", "Spearman", "± without relation", "blocks"}}
	var points report.Series
	for _, m := range tuned {
		if scores[m.Name] == nil {
			continue
		}
		var x, y []float64
		for i, k := range sample {
			if s, ok := scores[m.Name][place{k.Name, k.Block}]; ok && finite(drops[i]) {
				x, y = append(x, s), append(y, drops[i])
			}
		}
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
