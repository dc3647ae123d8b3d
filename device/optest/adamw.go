package optest

import (
	"math"

	"smt/device"
)

// testAdamW takes several steps one after the other, so that the moments are carried along, with gradients of which
// some are zero.
func testAdamW(s *series) {
	for i, shape := range shapes() {
		tr := s.trial("[%d, %d]", shape[0], shape[1])
		a := device.AdamW{
			LearningRate: 1e-2, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: []float64{0, 0.1}[i%2],
			GradientScale: []float64{1, 0.37}[i/2%2],
		}
		p := tr.random("p", shape[0], shape[1])
		zeros := build(shape[0], shape[1], func(int, int) float64 { return 0 })
		m, v := tr.given("m", zeros), tr.given("v", zeros)
		wantP, wantM, wantV := p.host.clone(), zeros.clone(), zeros.clone()
		for step := range 4 {
			a.Step = step + 1
			if step == 3 {
				a.Step = 1000
			}
			g := tr.float("g", shape[0], shape[1], 1, func(r, c int) float64 {
				if (r+c)%5 == 0 && step < 2 {
					return 0
				}
				return tr.rng.NormFloat64()
			})
			tr.dev.AdamW(p.Tensor, g.Tensor, m.Tensor, v.Tensor, a)
			for i := range wantP.values {
				literalAdamW(&wantP.values[i], &wantM.values[i], &wantV.values[i], g.host.values[i], a)
			}
			tr.equal(p, wantP)
			tr.equal(m, wantM)
			tr.equal(v, wantV)
		}
		tr.done()
	}
}

// literalAdamW is one step of one parameter.
func literalAdamW(p, m, v *float64, g float64, a device.AdamW) {
	s := a.GradientScale * g
	*m = a.Beta1*(*m) + (1-a.Beta1)*s
	*v = a.Beta2*(*v) + (1-a.Beta2)*s*s
	mHat := *m / (1 - math.Pow(a.Beta1, float64(a.Step)))
	vHat := *v / (1 - math.Pow(a.Beta2, float64(a.Step)))
	*p -= a.LearningRate * a.WeightDecay * (*p)
	*p -= a.LearningRate * mHat / (math.Sqrt(vHat) + a.Epsilon)
}
