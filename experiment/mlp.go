package experiment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"smt/config"
	"smt/report"
	"smt/sparse"
)

// MLP asks which modules the blocks should be selected from.
var MLP = Study{
	Name:     "mlp",
	Question: "Should blocks be selected in attention alone, with o_proj, or in the MLP as well, and is V where they lie?",
	Summary:  "MLP frozen or tuned, o_proj in or out, and the shares of Q, K and V by layer",
	Seeds:    1,
	Method: []string{
		"SMT with the same budget of parameters and different target modules, each with a learning rate of its own: Q, K and V; with O; with gate, up and down projections ranked together with attention; with half of the budget for each of them; and the MLP alone. All blocks are ranked together, by mean_abs_sum, unless the recipe says otherwise: spread ones would lie where they are told to. Shares are of the selected elements; the paper reports 95.17 % in V. By chance means the module's share of all target elements.",
	},
	Run: mlp,
}

// moduleVariants are the choices of target modules.
var moduleVariants = []struct {
	name       string
	attention  []string
	mlp, apart bool
}{
	{"qkv", sparse.PaperModules, false, false},
	{"qkvo", []string{"q_proj", "k_proj", "v_proj", "o_proj"}, false, false},
	{"qkv + mlp together", sparse.PaperModules, true, false},
	{"qkv + mlp half each", sparse.PaperModules, true, true},
	{"mlp", nil, true, false},
}

func mlp(ctx context.Context, l *Lab) (*Outcome, error) {
	l.paperRule("selection", "block_score")
	budget, err := smtBudget(l.Config, l.Recipe)
	if err != nil {
		return nil, err
	}
	share := float64(budget) / float64(l.Config.Params()) * (1 + 1e-9)
	var contenders []Contender
	for _, v := range moduleVariants {
		r, err := l.RecipeOf(config.SMT, share)
		if err != nil {
			return nil, err
		}
		r.TargetModules = slices.Clone(v.attention)
		if v.mlp {
			r.TargetModules = append(r.TargetModules, "gate_proj", "up_proj", "down_proj")
		}
		if v.apart {
			r.TrainableRatio, r.MLPTrainableRatio = share/2, share/2
		}
		if !l.valid(v.name, config.SMT, r) {
			continue
		}
		contenders = append(contenders, Contender{Name: v.name, Method: config.SMT, Recipe: r, Rates: l.rates(config.SMT, r), Labels: []Label{{"modules", v.name}}})
	}
	base, tuned, err := l.tuneBesideBase(ctx, contenders)
	if err != nil || l.DryRun {
		return nil, err
	}
	losses, differences := l.lossSection(base, tuned, moduleVariants[0].name)
	s := report.Section{Title: "Where the blocks lie"}
	t := report.Table{Header: []string{"target modules", "blocks", "share of each module (by chance)"}}
	var answers []string
	for i, m := range tuned {
		if len(m.Runs) == 0 {
			continue
		}
		sel, err := m.Runs[0].selection()
		if err != nil {
			return nil, err
		}
		modules, shares, _ := moduleShares(sel, l.Config.Layers)
		all := map[string]float64{}
		total := 0.0
		for _, x := range sel.Matrices {
			all[x.Module] += float64(x.In * x.Out)
			total += float64(x.In * x.Out)
		}
		var parts []string
		for j, name := range modules {
			parts = append(parts, fmt.Sprintf("%s %.1f %% (%.1f)", strings.TrimSuffix(name, "_proj"), 100*shares[j], 100*all[name]/total))
		}
		t.Rows = append(t.Rows, []string{m.Name, fmt.Sprint(sel.Blocks()), strings.Join(parts, ", ")})
		if m.Name == moduleVariants[0].name {
			answers = append(answers, fmt.Sprintf("Of the blocks selected in Q, K and V, %.1f %% lie in V; the paper reports %.1f %%, chance would give %.1f %%.",
				100*sel.Share("v_proj"), 100*PaperShareV, 100*m.Runs[0].ChanceV))
		}
		l.sharesFigure(&s, fmt.Sprintf("shares-%d.png", i+1), m.Name, sel)
	}
	s.Tables = append(s.Tables, t)
	return &Outcome{Answers: append(answers, answersOf(differences, moduleVariants[0].name)...), Sections: []report.Section{losses, s, l.costSection(tuned), l.rateSection(tuned)}}, nil
}
