package experiment

import (
	"context"
	"fmt"
	"slices"

	"smt/config"
	"smt/internal/finite"
	"smt/report"
)

// Plateau asks whether more parameters help, and whom.
var Plateau = Study{
	Name:     "plateau",
	Question: "Does the loss go on falling as more parameters are trained, for SMT as for LoRA and DoRA?",
	Summary:  "loss and scores against the trainable budget, for SMT, LoRA and DoRA",
	Methods:  []string{config.SMT, config.LoRA, config.DoRA},
	Seeds:    1,
	Method: []string{
		"Each method is run at each budget (shares of all parameters; the paper's are 0.43, 0.84, 1.7, 3.0 and 4.9 %), with a learning rate of its own at each of them, chosen by the validation rows. The gain of a budget over a smaller one is paired row by row on the test rows. A method has a plateau from the first budget from which on no budget gains more than two standard errors over any smaller one.",
	},
	Run: plateau,
}

func plateau(ctx context.Context, l *Lab) (*Outcome, error) {
	methods := l.unlikeSMT(l.usable(l.Methods))
	budgets := slices.Compact(slices.Sorted(slices.Values(l.Budgets)))
	var contenders []Contender
	for _, m := range methods {
		for _, share := range budgets {
			r, err := l.RecipeOf(m, share)
			if err != nil {
				return nil, err
			}
			percent := fmt.Sprintf("%.3g", 100*share)
			contenders = append(contenders, Contender{Name: m + " " + percent + "%", Method: m, Recipe: r, Rates: l.rates(m, r),
				Labels: []Label{{"budget_percent", percent}}})
		}
	}
	tuned, err := l.Tune(ctx, contenders)
	if err != nil || l.DryRun {
		return nil, err
	}
	o := &Outcome{}
	s := report.Section{Title: "Loss against the budget"}
	t := report.Table{Header: []string{"method", "budget %", "trained", "really %", "learning rate", "test loss", "gain over the budget before"}}
	for _, task := range l.Tasks {
		t.Header = append(t.Header, task.Name+" "+task.unit())
	}
	var losses []report.Curve
	scores := make([][]report.Curve, len(l.Tasks))
	for i, m := range methods {
		of := tuned[i*len(budgets) : (i+1)*len(budgets)]
		loss := report.Curve{Series: report.Series{Name: m}}
		score := make([]report.Curve, len(l.Tasks))
		for j, x := range of {
			row := []string{m, x.Labels[0].Value}
			if len(x.Runs) == 0 {
				t.Rows = append(t.Rows, append(row, "no run came to an end"))
				continue
			}
			really, e := 100*float64(x.Best.Trainable)/float64(x.Best.Params), x.TestLoss()
			loss.X, loss.Y, loss.Error = append(loss.X, really), append(loss.Y, e.Mean), append(loss.Error, e.StandardError)
			gain := "-"
			if j > 0 && len(of[j-1].Runs) > 0 {
				d, err := x.Minus(of[j-1])
				if err != nil {
					return nil, err
				}
				gain = fmt.Sprintf("%+.4f ± %.4f", -d.Mean, d.Error())
			}
			row = append(row, fmt.Sprint(x.Best.Trainable), show(really, 2), fmt.Sprintf("%g", x.Best.Recipe.LearningRate), plusMinus(e, 4), gain)
			for k, task := range l.Tasks {
				a := x.Score(task.Name)
				row = append(row, plusMinus(a, 1))
				c := &score[k]
				c.Name, c.X, c.Y, c.Error = m, append(c.X, really), append(c.Y, a.Mean), append(c.Error, a.StandardError)
			}
			t.Rows = append(t.Rows, row)
		}
		losses = append(losses, loss)
		for k := range score {
			scores[k] = append(scores[k], score[k])
		}
		answer, err := l.plateauAnswer(m, of)
		if err != nil {
			return nil, err
		}
		o.Answers = append(o.Answers, answer)
	}
	s.Tables = append(s.Tables, t)
	l.figure(&s, "loss.png", "Test loss by trained share of all parameters, ± one standard error.", func(path string) error {
		return report.Lines(path, report.Axes{Title: "test loss against the budget", X: "trained parameters (% of all)", Y: "nats per response token", LogX: true}, losses)
	})
	for k, task := range l.Tasks {
		l.figure(&s, fmt.Sprintf("score-%d.png", k+1), "Score on "+task.Name+" by trained share of all parameters, ± one standard error.", func(path string) error {
			return report.Lines(path, report.Axes{Title: "score on " + task.Name, X: "trained parameters (% of all)", Y: task.unit(), LogX: true}, scores[k])
		})
	}
	o.Sections = append(o.Sections, s, l.rateSection(tuned), l.costSection(tuned))
	return o, nil
}

// plateauAnswer says whether a method, run at ascending budgets, still gains at the largest one, and notes a plateau as a signature.
// Budgets at which no run came to an end tell nothing.
func (l *Lab) plateauAnswer(method string, of []Tuned) (string, error) {
	known := slices.DeleteFunc(slices.Clone(of), func(t Tuned) bool { return len(t.Runs) == 0 })
	if len(of) < 2 {
		return fmt.Sprintf("Whether %s still gains with more parameters is not known: a comparison needs two budgets.", method), nil
	}
	if len(known) < 2 || len(of[len(of)-1].Runs) == 0 {
		return fmt.Sprintf("Whether %s still gains at the largest budget is not known: of %d budgets, %d have a run that came to its end, expected two or more with the largest, %s %%, among them.",
			method, len(of), len(known), of[len(of)-1].Labels[0].Value), nil
	}
	gains := make([][]Estimate, len(known)-1)
	for i := range gains {
		for _, larger := range known[i+1:] {
			d, err := larger.Minus(known[i])
			if err != nil {
				return "", err
			}
			if !finite.Is(d.Error()) {
				return fmt.Sprintf("Whether %s still gains at the largest budget is not known: a difference over %d test row has no standard error.", method, d.Rows.N), nil
			}
			gains[i] = append(gains[i], Estimate{-d.Mean, d.Error(), d.Rows.N})
		}
	}
	at := PlateauFrom(gains)
	if at < 0 {
		return fmt.Sprintf("%s still gains at the largest budget.", method), nil
	}
	text := fmt.Sprintf("%s has a plateau from %s %% on: no larger budget gains more than two standard errors", method, known[at].Labels[0].Value)
	worst := 0.0
	for _, g := range gains[at] {
		worst = min(worst, g.Mean)
	}
	if worst < 0 {
		text += fmt.Sprintf("; one loses %.4f", -worst)
	}
	l.note(Signature{Kind: PlateauKind, Text: text})
	return text + ".", nil
}
