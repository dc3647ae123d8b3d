package optest

import "math"

// testSwiGLU tries values from tiny to such that exp overflows in float32, and results laid over either operand.
func testSwiGLU(s *series) {
	for i, shape := range shapes() {
		tr := s.trial("[%d, %d] case %d", shape[0], shape[1], i%4)
		gate, up := tr.gates("gate", shape), tr.random("up", shape[0], shape[1])
		h := []*operand{gate, up, nil, nil}[i%4]
		if h == nil {
			h = tr.result("h", shape[0], shape[1])
		}
		tr.dev.SwiGLU(h.Tensor, gate.Tensor, up.Tensor)
		tr.equal(h, build(shape[0], shape[1], func(t, j int) float64 { return silu(gate.host.at(t, j)) * up.host.at(t, j) }))
		tr.done()
	}
}

// testSwiGLUBackward tries gradients of their own and laid over the operands.
func testSwiGLUBackward(s *series) {
	for i, shape := range shapes() {
		tr := s.trial("[%d, %d] case %d", shape[0], shape[1], i%4)
		gate, up, dh := tr.gates("gate", shape), tr.random("up", shape[0], shape[1]), tr.random("dh", shape[0], shape[1])
		dgate, dup := gate, up
		if i%2 == 1 {
			dgate = tr.result("dgate", shape[0], shape[1])
		}
		if i/2%2 == 1 {
			dup = tr.result("dup", shape[0], shape[1])
		}
		tr.dev.SwiGLUBackward(dgate.Tensor, dup.Tensor, dh.Tensor, gate.Tensor, up.Tensor)
		tr.equal(dgate, build(shape[0], shape[1], func(t, j int) float64 {
			return dh.host.at(t, j) * up.host.at(t, j) * siluSlope(gate.host.at(t, j))
		}))
		tr.equal(dup, build(shape[0], shape[1], func(t, j int) float64 { return dh.host.at(t, j) * silu(gate.host.at(t, j)) }))
		tr.done()
	}
}

// gates makes random values of which some are large: beyond 88, exp overflows in float32, and beyond 104 exp(-z) is 0.
func (tr *trial) gates(name string, shape [2]int) *operand {
	scales := []float64{1, 1, 1, 1, 4, 0.01}
	return tr.float(name, shape[0], shape[1], math.NaN(), func(r, c int) float64 {
		if tr.rng.IntN(40) == 0 {
			return []float64{0, 90, -90, 120, -120, 800, -800, -20}[tr.rng.IntN(8)]
		}
		return tr.rng.NormFloat64() * scales[tr.rng.IntN(len(scales))]
	})
}

func silu(z float64) float64 { return z / (1 + math.Exp(-z)) }

// siluSlope is the derivative of silu by the quotient rule: (1 + e^-z + z·e^-z)/(1 + e^-z)².
func siluSlope(z float64) float64 {
	if z < -300 {
		return 0 // e^-z squared would be infinite
	}
	e := math.Exp(-z)
	return (1 + e + z*e) / ((1 + e) * (1 + e))
}
