package parity

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"smt/device"
	"smt/format/safetensors"
	"smt/model"
	"smt/optimizer"
	"smt/sparse"
)

// A GoldenResult compares a whole run of SMT: selection by every score, then tuning of the blocks of mean_abs_sum.
type GoldenResult struct {
	SelectionEqual bool    `json:"selection_equal"`
	ScoreMaxRel    float64 `json:"score_max_rel"` // relative to the largest score of the matrix
	LossMaxAbs     float64 `json:"loss_max_abs"`
	TunedMaxAbs    float64 `json:"tuned_max_abs"`

	Differences []string `json:"-"` // what made SelectionEqual false
}

// Worst is the largest of the differences; infinite if a selection differs.
func (r GoldenResult) Worst() float64 {
	if !r.SelectionEqual {
		return math.Inf(1)
	}
	return max(r.ScoreMaxRel, r.LossMaxAbs, r.TunedMaxAbs)
}

// golden is golden.json.
type golden struct {
	BlockSize        int       `json:"block_size"`
	NumBlocks        int       `json:"num_blocks"`
	TargetModules    []string  `json:"target_modules"`
	SelectionBatches int       `json:"selection_batches"`
	TuningBatches    int       `json:"tuning_batches"`
	SelectionLosses  []float64 `json:"selection_losses"`
	TuningLosses     []float64 `json:"tuning_losses"`
	GradNorms        []float64 `json:"grad_norms"`
	LearningRates    []float64 `json:"learning_rates"`
	Adam             struct {
		Beta1, Beta2, Eps float64
		WeightDecay       float64 `json:"weight_decay"`
	} `json:"adam"`
	MaxGradNorm float64             `json:"max_grad_norm"`
	Selected    map[string][][3]any `json:"selected"`
	PerMatrix   [][3]any            `json:"selected_per_matrix_1"`
}

// IsGolden reports whether dir holds a whole SMT run.
func IsGolden(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "golden.json"))
	return err == nil
}

// RunGolden repeats the run stored in dir over the base model.
func RunGolden(dev device.Device, base *model.Base, dir string) (*GoldenResult, error) {
	text, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		return nil, fmt.Errorf("parity: %w", err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		return nil, fmt.Errorf("parity: %s: %w", filepath.Join(dir, "golden.json"), err)
	}
	file, err := safetensors.Open(filepath.Join(dir, "golden.safetensors"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	ids, labels, err := rows(file, "input_ids", "labels")
	if err != nil {
		return nil, err
	}
	batches := g.SelectionBatches + g.TuningBatches
	if batches == 0 || len(ids)%batches != 0 {
		return nil, fmt.Errorf("parity: %s: %d rows for %d batches", dir, len(ids), batches)
	}
	run := &goldenRun{golden: g, dev: dev, base: base, file: file, result: &GoldenResult{SelectionEqual: true}}
	for at, n := 0, len(ids)/batches; at < len(ids); at += n {
		in := &model.Input{}
		in.SetRows(ids[at:at+n], labels[at:at+n])
		run.batches = append(run.batches, in)
	}
	if run.decoder, err = model.New(dev, base); err != nil {
		return nil, err
	}
	run.targets = sparse.Targets(run.decoder.Linears(), g.TargetModules)
	var paper *sparse.Selection
	for _, score := range sparse.Scores {
		if _, stored := g.Selected[string(score)]; !stored {
			continue // results are stored for the rules that sum gradients
		}
		selection, err := run.selection(score)
		if err != nil {
			return nil, err
		}
		if score == sparse.MeanAbsSum {
			paper = selection
		}
	}
	if paper == nil {
		return nil, fmt.Errorf("parity: %s: no selection by %s, expected one under \"selected\"", filepath.Join(dir, "golden.json"), sparse.MeanAbsSum)
	}
	return run.result, run.tuning(paper)
}

// goldenRun is a run in progress.
type goldenRun struct {
	golden
	dev     device.Device
	base    *model.Base
	decoder *model.Decoder
	file    *safetensors.File
	batches []*model.Input
	targets []sparse.Matrix
	result  *GoldenResult
}

// prepare takes memory for what learns now.
func (r *goldenRun) prepare() {
	in := r.batches[0]
	r.decoder.Prepare(model.Limits{Tokens: len(in.IDs), Supervised: len(in.IDs), Positions: len(in.IDs), Backward: true})
}

// selection gathers the selection batches with frozen weights, compares the scores and the selected blocks.
func (r *goldenRun) selection(score sparse.Score) (*sparse.Selection, error) {
	a := sparse.NewAccumulator(r.dev, score, r.BlockSize, r.targets, false)
	for i, m := range r.targets {
		slot := r.decoder.Linear(m.Name)
		*slot.Linear = a.Observe(i, slot.Base)
	}
	r.prepare()
	for s, in := range r.batches[:r.SelectionBatches] {
		loss, err := r.decoder.Step(in, 1/float64(len(in.Targets)))
		if err != nil {
			return nil, err
		}
		a.EndStep()
		r.result.LossMaxAbs = worse(r.result.LossMaxAbs, math.Abs(loss/float64(len(in.Targets))-r.SelectionLosses[s]))
	}
	for _, m := range r.targets {
		r.decoder.Linear(m.Name).Reset()
	}
	scores, err := a.Scores()
	if err != nil {
		return nil, err
	}
	for i, m := range r.targets {
		want, err := values(r.file, "score."+string(score)+"."+m.Name+".weight")
		if err != nil {
			return nil, err
		}
		top := 0.0
		for _, v := range want {
			top = max(top, v)
		}
		for k, v := range want {
			r.result.ScoreMaxRel = worse(r.result.ScoreMaxRel, math.Abs(scores[i][k]-v)/top)
		}
	}
	all := sparse.Group{Name: "all", Blocks: r.NumBlocks}
	for i := range r.targets {
		all.Matrices = append(all.Matrices, i)
	}
	selection, err := sparse.Select(r.targets, scores, r.BlockSize, sparse.Global, []sparse.Group{all})
	if err != nil {
		return nil, err
	}
	r.compare(string(score), selection, r.Selected[string(score)])
	if score == sparse.MeanAbsSum && r.PerMatrix != nil {
		all.Blocks = len(r.targets)
		each, err := sparse.Select(r.targets, scores, r.BlockSize, sparse.PerMatrix, []sparse.Group{all})
		if err != nil {
			return nil, err
		}
		r.compare("one per matrix", each, r.PerMatrix)
	}
	return selection, nil
}

// compare notes blocks that only one of the two selections holds.
func (r *goldenRun) compare(what string, got *sparse.Selection, want [][3]any) {
	chosen := map[string]bool{}
	for _, m := range got.Matrices {
		for _, k := range m.Blocks {
			chosen[fmt.Sprintf("%s.weight %d %d", m.Name, k.Row, k.Col)] = true
		}
	}
	missing := 0
	for _, w := range want {
		row, _ := w[1].(float64)
		col, _ := w[2].(float64)
		if key := fmt.Sprintf("%v %d %d", w[0], int(row), int(col)); !chosen[key] {
			missing++
			r.result.Differences = append(r.result.Differences, what+": "+key+" was not selected")
		}
	}
	if missing > 0 || len(chosen) != len(want) {
		r.result.SelectionEqual = false
	}
}

// tuning trains the selected blocks on the remaining batches and compares losses and the tuned weights.
func (r *goldenRun) tuning(s *sparse.Selection) error {
	g, err := sparse.Gather(r.dev, s, func(m sparse.Matrix) (sparse.Base, error) { return r.decoder.Linear(m.Name).Base, nil }, true)
	if err != nil {
		return err
	}
	for i, m := range g.Selected {
		*r.decoder.Linear(m.Name).Linear = g.Linears[i]
	}
	r.prepare()
	opt := optimizer.New(r.dev, []optimizer.Tensor{{Name: "blocks", Value: g.Delta, Grad: g.Grad, Moment1: g.Moment1, Moment2: g.Moment2}})
	opt.Beta1, opt.Beta2, opt.Epsilon, opt.WeightDecay, opt.MaxNorm = r.Adam.Beta1, r.Adam.Beta2, r.Adam.Eps, r.Adam.WeightDecay, r.MaxGradNorm
	for s, in := range r.batches[r.SelectionBatches:] {
		loss, err := r.decoder.Step(in, 1/float64(len(in.Targets)))
		if err != nil {
			return err
		}
		norm, err := opt.Step(r.LearningRates[s])
		if err != nil {
			return err
		}
		r.result.LossMaxAbs = worse(r.result.LossMaxAbs, math.Abs(loss/float64(len(in.Targets))-r.TuningLosses[s]))
		r.result.LossMaxAbs = worse(r.result.LossMaxAbs, math.Abs(norm-r.GradNorms[s])/max(norm, 1))
	}
	adapter := g.Read(r.dev)
	for _, t := range r.file.Tensors() {
		name, ok := strings.CutPrefix(t.Name, "tuned.")
		if !ok {
			continue
		}
		want, err := t.Float64s()
		if err != nil {
			return err
		}
		weight, _ := r.base.Files.Tensor(name)
		have, err := weight.Float64s()
		if err != nil {
			return err
		}
		for _, m := range adapter {
			if m.Name+".weight" == name {
				m.AddTo(have, r.BlockSize)
			}
		}
		for i := range want {
			r.result.TunedMaxAbs = worse(r.result.TunedMaxAbs, math.Abs(have[i]-want[i]))
		}
	}
	return nil
}
