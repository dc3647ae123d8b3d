package experiment

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"smt/config"
	"smt/lowrank"
	"smt/model"
	"smt/recipe"
	"smt/sparse"
)

// Methods that are no block score.
const (
	LoRAWide = "lora_qkvud" // LoRA on q, k, v, up and down projections, as in the LLM-Adapters and DoRA papers
	DoRAWide = "dora_qkvud"
)

// Controls are the block scores that a comparison puts beside the recipe's: three that read no data, one that looks at V alone, and
// one that ranks by gradients.
var Controls = []string{"random", "diagonal", "magnitude", "v_only", "mean_abs_step"}

// CheckMethod says whether a method can be run: one of the four, or the name of a block score.
func CheckMethod(name string) error {
	fixed := []string{config.SMT, config.Full, config.LoRA, config.DoRA, LoRAWide, DoRAWide}
	if slices.Contains(fixed, name) {
		return nil
	}
	if _, err := sparse.ParseScore(name); err != nil {
		return fmt.Errorf("experiment: method %q: expected one of %s, or a block_score (%s)", name, strings.Join(fixed, ", "),
			strings.Trim(fmt.Sprint(sparse.Scores), "[]"))
	}
	return nil
}

// kindOf is the finetuning_type of a method.
func kindOf(method string) string {
	switch method {
	case config.SMT, config.Full, config.LoRA, config.DoRA:
		return method
	case LoRAWide:
		return config.LoRA
	case DoRAWide:
		return config.DoRA
	}
	return config.SMT
}

// blockScore is the score that a method ranks blocks by: its name, or the recipe's.
func (l *Lab) blockScore(method string) string {
	if kindOf(method) == config.SMT && method != config.SMT {
		return method
	}
	return l.Recipe.BlockScore
}

// smtBudget is how many parameters SMT trains with a recipe, attention and MLP together.
func smtBudget(c *model.Config, r config.Recipe) (int, error) {
	b, err := recipe.BudgetOf(c, r)
	return b.Params, err
}

// withBudget returns the recipe with a trainable share of all parameters, whatever budget it had.
func withBudget(r config.Recipe, share float64) config.Recipe {
	r.TrainableRatio, r.NumBlocks, r.TargetRatio, r.MLPNumBlocks, r.MLPTrainableRatio = share, 0, 0, 0, 0
	return r
}

// rankFor is the rank whose adapters hold as many parameters as the budget, or come nearest to it, at least 1: A and B of rank
// r hold r (in + out) of a layer, DoRA's magnitudes out more.
func rankFor(c *model.Config, modules []string, dora bool, budget int) (rank, trainable int) {
	per, fixed := 0, 0
	for _, t := range sparse.MatricesOf(c, modules) {
		per += t.In + t.Out
		if dora {
			fixed += t.Out
		}
	}
	rank = max(1, int(math.Round(float64(budget-fixed)/float64(max(per, 1)))))
	return rank, rank*per + fixed
}

// variant is the lab's recipe with what a method changes of it, but for the rank of an adapter.
func (l *Lab) variant(method string) config.Recipe {
	r := l.Recipe
	r.FinetuningType = kindOf(method)
	if !r.IsSet("adam_beta2") {
		r.AdamBeta2 = config.AdamBeta2
		if r.FinetuningType == config.SMT {
			r.AdamBeta2 = config.SMTAdamBeta2
		}
	}
	switch r.FinetuningType {
	case config.SMT:
		r.BlockScore = l.blockScore(method)
	case config.Full:
		r.Precision = "float32" // there are no frozen weights
	}
	if method == LoRAWide || method == DoRAWide {
		r.TargetModules = lowrank.PaperModules
	}
	return r
}

// RecipeOf is the lab's recipe for a method at the recipe's budget, or at a share of all parameters if share is above 0. LoRA
// and DoRA get the rank that trains as many parameters as SMT does. A budget that is missed by more than a tenth, by whole ranks or by a
// rule that has too few blocks to choose among, is reported.
func (l *Lab) RecipeOf(method string, share float64) (config.Recipe, error) {
	r, own := l.variant(method), l.Recipe
	if share > 0 {
		r, own = withBudget(r, share), withBudget(own, share)
	}
	switch r.FinetuningType {
	case config.SMT:
		l.noteFewerBlocks(method, r, own)
	case config.LoRA, config.DoRA:
		budget, err := smtBudget(l.Config, own)
		if err != nil {
			return r, err
		}
		var trainable int
		r.LoRARank, trainable = rankFor(l.Config, r.TargetModules, r.FinetuningType == config.DoRA, budget)
		r.LoRAAlpha = 2 * float64(r.LoRARank)
		if off := float64(trainable)/float64(budget) - 1; math.Abs(off) > 0.1 {
			l.note(Signature{Kind: BudgetMissed, Text: fmt.Sprintf("%s of rank %d trains %d parameters, smt %d (%+.0f %%): ranks are whole numbers", method, r.LoRARank, trainable, budget, 100*off)})
		}
	}
	return r, nil
}

// noteFewerBlocks reports a rule that selects fewer blocks than the lab's own. A budget that no block fits shows where the recipe is run.
func (l *Lab) noteFewerBlocks(method string, r, own config.Recipe) {
	if method == config.SMT {
		return
	}
	got, err := recipe.BudgetOf(l.Config, r)
	budget, other := recipe.BudgetOf(l.Config, own)
	if err != nil || other != nil {
		return
	}
	if off := float64(got.Params)/float64(budget.Params) - 1; math.Abs(off) > 0.1 {
		why := "there are fewer blocks to choose among than the budget allows"
		if got.Blocks == budget.Blocks {
			why = "blocks at the edges of matrices hold less"
		}
		l.note(Signature{Kind: BudgetMissed, Text: fmt.Sprintf("%s trains %d parameters in %d blocks of %d × %d, smt %d in %d (%+.0f %%): %s", method, got.Params, got.Blocks, got.Size, got.Size, budget.Params, budget.Blocks, 100*off, why)})
	}
}

// note keeps a signature of the whole experiment, once.
func (l *Lab) note(s Signature) {
	if !slices.Contains(l.Found, s) {
		l.Found = append(l.Found, s)
	}
}

// paperRule sets those of the given keys that the recipe leaves to their defaults to what the paper does, for studies of where
// its blocks lie.
func (l *Lab) paperRule(keys ...string) {
	for _, key := range keys {
		if l.Recipe.IsSet(key) {
			continue
		}
		switch key {
		case "target_modules":
			l.Recipe.TargetModules = slices.Clone(sparse.PaperModules)
		case "selection":
			l.Recipe.Selection = string(sparse.Global)
		case "block_score":
			l.Recipe.BlockScore = string(sparse.MeanAbsSum)
		}
	}
}

// rankByGradients sees to a block score that has a warm-up, for studies of that: the recipe's, or the one of recipes that name none
// but ask for a warm-up.
func (l *Lab) rankByGradients() error {
	if !sparse.Score(l.Recipe.BlockScore).DataFree() {
		return nil
	}
	if l.Recipe.IsSet("block_score") {
		return fmt.Errorf("block_score: got %s, which has no warm-up to study; expected one that reads gradients, such as %s", l.Recipe.BlockScore, sparse.MeanAbsStep)
	}
	l.Recipe.BlockScore = string(sparse.MeanAbsStep)
	return nil
}

// rates is the grid of a method with a recipe: what the options say for it, for SMT if it is a variant of that, or for all; else a
// third of, just, and three times the usual rate.
func (l *Lab) rates(method string, r config.Recipe) []float64 {
	kind := kindOf(method)
	for _, name := range []string{method, kind, ""} {
		if rates := l.Rates[name]; len(rates) > 0 {
			return slices.Sorted(slices.Values(rates))
		}
	}
	middle := l.usualRate(r)
	if kind == config.SMT && l.Recipe.LearningRate > 0 && l.Recipe.IsSet("learning_rate") {
		middle = l.Recipe.LearningRate
	}
	return []float64{roundRate(middle / 3), middle, roundRate(middle * 3)}
}

// usualRate is the learning rate of recipes that name none. A budget that no block fits shows where the recipe is made or run.
func (l *Lab) usualRate(r config.Recipe) float64 {
	switch r.FinetuningType {
	case config.Full:
		return config.FullLearningRate
	case config.SMT:
		rate, err := recipe.LearningRate(l.Config, r)
		if err != nil {
			return 2 / float64(l.Config.HiddenSize)
		}
		return roundRate(rate)
	}
	return config.LowRankLearningRate
}

// unlikeSMT drops block scores that are the recipe's own, so that no run is made twice, with a note.
func (l *Lab) unlikeSMT(methods []string) []string {
	if !slices.Contains(methods, config.SMT) {
		return methods
	}
	var others []string
	for _, m := range methods {
		if m == l.Recipe.BlockScore {
			l.skip("%s: it is the block_score of smt", m)
			continue
		}
		others = append(others, m)
	}
	return others
}

// usable drops the methods that this build does not know, and those that the recipe rules out, with a note.
func (l *Lab) usable(methods []string) []string {
	var known []string
	for _, m := range methods {
		if err := CheckMethod(m); err != nil {
			l.skip("%s: this program has no block_score of that name", m)
			continue
		}
		if l.valid(m, m, l.variant(m)) {
			known = append(known, m)
		}
	}
	return known
}

// valid reports whether cells of a method can run with a recipe; if not, it is left out with a note.
func (l *Lab) valid(name, method string, r config.Recipe) bool {
	err := l.Cell(name, method, r).Recipe.Validate()
	if err != nil {
		l.skip("%s: %v", name, err)
	}
	return err == nil
}

// skip tells what is left out, once.
func (l *Lab) skip(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(l.Skipped, text) {
		l.Skipped = append(l.Skipped, text)
		l.Watcher.Note("left out: %s", text)
	}
}
