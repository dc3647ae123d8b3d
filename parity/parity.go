// Package parity compares the engine with stored results of a reference implementation: logits, loss and every gradient
// of one batch, and whole runs of Sparse Matrix Tuning.
//
// A reference directory holds ref.safetensors (input_ids and labels [rows, T], logits [rows, T, V], loss [1]) and
// grads.safetensors (a gradient for every parameter), or golden.json and golden.safetensors for a run of SMT.
package parity

import (
	"fmt"
	"math"
	"path/filepath"

	"smt/device"
	"smt/export"
	"smt/format/safetensors"
	"smt/lowrank"
	"smt/model"
)

// A Result compares one batch.
type Result struct {
	LogitsMaxAbs   float64 `json:"logits_max_abs"`
	LossAbs        float64 `json:"loss_abs"`
	GradMaxRelL2   float64 `json:"grad_max_rel_l2"`
	WorstParameter string  `json:"worst_parameter"`

	Parameters []Gradient `json:"-"`
}

// A Gradient compares the gradient of one parameter: RelL2 = ‖g - r‖ / max(‖r‖, 1e-6·‖all r‖). The floor is for
// parameters whose gradient is zero by the mathematics, such as key biases, which softmax cancels.
type Gradient struct {
	Name  string
	Norm  float64 // ‖r‖
	RelL2 float64
}

// gradientFloor is the share of the whole gradient's norm below which a parameter's gradient counts as this large.
const gradientFloor = 1e-6

// Worst is the largest of the differences, what a tolerance is compared with.
func (r Result) Worst() float64 { return max(r.LogitsMaxAbs, r.LossAbs, r.GradMaxRelL2) }

// Run computes the batch stored in dir with the base model, or with a LoRA or DoRA adapter on it if adapter is not empty,
// and compares. Without an adapter every parameter of the model learns; with one, the adapter's.
func Run(dev device.Device, base *model.Base, dir, adapter string) (*Result, error) {
	ref, err := safetensors.Open(filepath.Join(dir, "ref.safetensors"))
	if err != nil {
		return nil, err
	}
	defer ref.Close()
	stored, err := safetensors.Open(filepath.Join(dir, "grads.safetensors"))
	if err != nil {
		return nil, err
	}
	defer stored.Close()

	dec, err := model.New(dev, base)
	if err != nil {
		return nil, err
	}
	gradients := map[string]device.Tensor{}
	if adapter == "" {
		for _, p := range dec.Parameters {
			p.WantGradient(dev)
			gradients[p.Name] = p.Grad
		}
	} else if gradients, err = attach(dev, dec, adapter); err != nil {
		return nil, err
	}

	ids, labels, err := rows(ref, "input_ids", "labels")
	if err != nil {
		return nil, err
	}
	var in, every model.Input
	in.SetRows(ids, labels)
	every.SetRows(ids, nil)
	for t := range every.IDs {
		every.Targets = append(every.Targets, int32(t))
	}
	dec.Prepare(model.Limits{Tokens: len(in.IDs), Supervised: len(in.IDs), Positions: len(ids[0]), Backward: true})

	r := &Result{}
	logits, err := values(ref, "logits")
	if err != nil {
		return nil, err
	}
	if len(logits) != len(in.IDs)*dec.Config.VocabSize {
		return nil, fmt.Errorf("parity: %s: %d logits, expected %d tokens of %d", dir, len(logits), len(in.IDs), dec.Config.VocabSize)
	}
	if err := dec.Logits(&every, nil, func(i int, got []float64) {
		for j, v := range got {
			r.LogitsMaxAbs = worse(r.LogitsMaxAbs, math.Abs(v-logits[i*len(got)+j]))
		}
	}); err != nil {
		return nil, err
	}
	loss, err := values(ref, "loss")
	if err != nil {
		return nil, err
	}
	sum, err := dec.Step(&in, 1/float64(len(in.Targets)))
	if err != nil {
		return nil, err
	}
	r.LossAbs = math.Abs(sum/float64(len(in.Targets)) - loss[0])
	return r, r.gradients(dev, stored, gradients)
}

// gradients fills in the comparison of every stored gradient.
func (r *Result) gradients(dev device.Device, stored *safetensors.File, got map[string]device.Tensor) error {
	all := 0.0
	expected := map[string][]float64{}
	for _, t := range stored.Tensors() {
		v, err := t.Float64s()
		if err != nil {
			return err
		}
		expected[t.Name] = v
		all += squares(v)
	}
	if len(expected) != len(got) {
		return fmt.Errorf("parity: %s: %d gradients, the model has %d", stored.Path(), len(expected), len(got))
	}
	for _, t := range stored.Tensors() {
		g, ok := got[t.Name]
		want := expected[t.Name]
		if !ok || g.Len() != len(want) {
			return fmt.Errorf("parity: %s: gradient %q %v has no counterpart of its shape in the model", stored.Path(), t.Name, t.Shape)
		}
		have := make([]float64, len(want))
		dev.Read(g, have)
		difference := 0.0
		for i := range have {
			difference += (have[i] - want[i]) * (have[i] - want[i])
		}
		norm := math.Sqrt(squares(want))
		rel := math.Sqrt(difference) / max(norm, gradientFloor*math.Sqrt(all))
		r.Parameters = append(r.Parameters, Gradient{t.Name, norm, rel})
		if r.WorstParameter == "" || !math.IsNaN(r.GradMaxRelL2) && !(rel <= r.GradMaxRelL2) { // a NaN is the worst
			r.GradMaxRelL2, r.WorstParameter = rel, t.Name
		}
	}
	return nil
}

// attach puts a LoRA or DoRA adapter on the decoder and returns its gradients by the names in its file.
func attach(dev device.Device, dec *model.Decoder, dir string) (map[string]device.Tensor, error) {
	a, err := export.ReadLowRank(dir)
	if err != nil {
		return nil, err
	}
	layers, err := lowrank.Attach(dev, dec, a, true)
	if err != nil {
		return nil, err
	}
	gradients := map[string]device.Tensor{}
	for _, l := range layers {
		prefix := "base_model.model." + l.Name + "."
		gradients[prefix+"lora_A.weight"], gradients[prefix+"lora_B.weight"] = l.GradA, l.GradB
		if l.GradMagnitude.Valid() {
			gradients[prefix+"lora_magnitude_vector"] = l.GradMagnitude
		}
	}
	return gradients, nil
}

// rows reads token ids and labels [rows, T] and shifts the labels: position t predicts the label of t+1.
func rows(f *safetensors.File, idsName, labelsName string) (ids, labels [][]int32, err error) {
	t, ok := f.Tensor(idsName)
	if !ok || len(t.Shape) < 2 {
		return nil, nil, fmt.Errorf("parity: %s: tensor %q of [rows, T] is missing", f.Path(), idsName)
	}
	flatIDs, err := values(f, idsName)
	if err != nil {
		return nil, nil, err
	}
	flatLabels, err := values(f, labelsName)
	if err != nil {
		return nil, nil, err
	}
	length := t.Shape[len(t.Shape)-1]
	if len(flatIDs) != len(flatLabels) || length == 0 {
		return nil, nil, fmt.Errorf("parity: %s: %d ids and %d labels", f.Path(), len(flatIDs), len(flatLabels))
	}
	for at := 0; at < len(flatIDs); at += length {
		row, next := make([]int32, length), make([]int32, length)
		for i := range row {
			row[i], next[i] = int32(flatIDs[at+i]), -100
			if i+1 < length {
				next[i] = int32(flatLabels[at+i+1])
			}
		}
		ids, labels = append(ids, row), append(labels, next)
	}
	return ids, labels, nil
}

// values reads a tensor that must be there.
func values(f *safetensors.File, name string) ([]float64, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("parity: %s: tensor %q is missing", f.Path(), name)
	}
	return t.Float64s()
}

// squares is Σ v².
func squares(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x * x
	}
	return s
}

// worse is the larger of two differences; a NaN is worse than anything.
func worse(a, b float64) float64 {
	if math.IsNaN(b) {
		return b
	}
	return max(a, b)
}
