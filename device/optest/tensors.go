package optest

import (
	"encoding/binary"
	"math"

	"smt/device"
)

// testTensors checks that values written come back, through views too, that Index tensors and Float tensors begin as
// zeros, and that a device without columns or rows to hold takes them.
func testTensors(s *series) {
	for i, shape := range shapes() {
		tr := s.trial("[%d, %d]", shape[0], shape[1])
		t := tr.dev.New(shape[0], shape[1])
		zeros := make([]float64, t.Len())
		for i := range zeros {
			zeros[i] = math.NaN()
		}
		tr.dev.Read(t, zeros)
		for i, v := range zeros {
			if v != 0 {
				tr.Fatalf("%s: element %d of a new tensor is %v", tr.label, i, v)
			}
		}
		// Integers below 2²⁴ are exact in float32.
		values := build(shape[0], shape[1], func(int, int) float64 { return float64(tr.rng.IntN(1<<25) - 1<<24) })
		exact := *tr
		exact.series = &series{T: tr.T, dev: tr.dev}
		o := exact.result("t", shape[0], shape[1])
		tr.dev.Write(o.Tensor, values.values)
		exact.equal(o, values)
		if i%5 == 0 {
			random := tr.random("random", shape[0], shape[1])
			want := random.host.clone()
			tr.dev.Write(random.Tensor, want.values)
			exact.equal(random, want)
		}
	}
	for _, empty := range []device.Tensor{s.dev.New(0, 3), s.dev.New(3, 0), s.dev.Bind(device.BF16, 0, 3, nil)} {
		if !empty.Valid() || empty.Len() != 0 {
			s.Errorf("an empty tensor is %+v", empty)
		}
		s.dev.Read(empty, nil)
	}
}

// testBind reads frozen tensors of every dtype at every alignment; of F16 and BF16 every value there is.
func testBind(s *series) {
	exact := &series{T: s.T, dev: s.dev}
	for i, shape := range shapes() {
		for _, dtype := range anyDType[1:] {
			tr := exact.trial("%s[%d, %d], view %d", dtype, shape[0], shape[1], i)
			w := tr.weight("w", dtype, shape[0], shape[1])
			tr.equal(w, w.host)
		}
	}
	for _, dtype := range []device.DType{device.F16, device.BF16} {
		want := build(256, 256, func(r, c int) float64 { return halfValue(dtype, uint16(256*r+c)) })
		for misalign := range 2 {
			data := make([]byte, misalign)
			for bits := range 1 << 16 {
				data = binary.LittleEndian.AppendUint16(data, uint16(bits))
			}
			t := s.dev.Bind(dtype, 256, 256, data[misalign:])
			got := build(256, 256, func(int, int) float64 { return 0 })
			s.dev.Read(t, got.values)
			for bits, v := range got.values {
				if !sameNumber(v, want.values[bits]) {
					s.Fatalf("%s %#04x reads as %v, want %v", dtype, bits, v, want.values[bits])
				}
			}
			// Widened by Combine, too: it may be other code.
			wide := s.dev.New(256, 256)
			s.dev.Combine(wide, t, 1, 0)
			s.dev.Read(wide, got.values)
			for bits, v := range got.values {
				if !sameNumber(v, want.values[bits]) {
					s.Fatalf("Combine: %s %#04x becomes %v, want %v", dtype, bits, v, want.values[bits])
				}
			}
		}
	}
}

// halfValue is the value of 16 bits: sign, exponent (5 bits with a bias of 15 in F16, 8 with 127 in BF16) and
// fraction.
func halfValue(dtype device.DType, bits uint16) float64 {
	fractionBits, bias := 10, 15
	if dtype == device.BF16 {
		fractionBits, bias = 7, 127
	}
	sign := 1.0
	if bits>>15 == 1 {
		sign = -1
	}
	exponent := int(bits&0x7fff) >> fractionBits
	fraction := float64(int(bits)&(1<<fractionBits-1)) / float64(int(1)<<fractionBits)
	switch {
	case exponent == 2*bias+1 && fraction == 0:
		return sign * math.Inf(1)
	case exponent == 2*bias+1:
		return math.NaN()
	case exponent == 0:
		return sign * fraction * math.Pow(2, float64(1-bias))
	}
	return sign * (1 + fraction) * math.Pow(2, float64(exponent-bias))
}

// testFill sets views of all sizes to one value.
func testFill(s *series) {
	for _, shape := range shapes() {
		tr := s.trial("[%d, %d]", shape[0], shape[1])
		t := tr.result("t", shape[0], shape[1])
		v := tr.rng.NormFloat64()
		tr.dev.Fill(t.Tensor, v)
		tr.equal(t, build(shape[0], shape[1], func(int, int) float64 { return v }))
		tr.dev.Fill(t.Tensor, 0)
		tr.equal(t, build(shape[0], shape[1], func(int, int) float64 { return 0 }))
		tr.done()
	}
}

// testCombine tries copies, scaling and sums of every dtype, and a tensor combined with itself.
func testCombine(s *series) {
	factors := [][2]float64{{1, 0}, {1, 1}, {0.5, 0}, {-2, 1}, {0, 0.25}, {1, -1}, {0.1, 0.9}}
	for i, shape := range shapes() {
		for j, dtype := range anyDType {
			alpha, beta := factors[(i+j)%len(factors)][0], factors[(i+j)%len(factors)][1]
			tr := s.trial("a=%s[%d, %d] alpha=%g beta=%g", dtype, shape[0], shape[1], alpha, beta)
			a, dst := tr.weight("a", dtype, shape[0], shape[1]), tr.target("dst", shape[0], shape[1], beta != 0)
			tr.dev.Combine(dst.Tensor, a.Tensor, alpha, beta)
			tr.equal(dst, build(shape[0], shape[1], func(r, c int) float64 {
				if beta == 0 {
					return alpha * a.host.at(r, c)
				}
				return alpha*a.host.at(r, c) + beta*dst.host.at(r, c)
			}))
			tr.done()
		}
		tr := s.trial("a = dst [%d, %d]", shape[0], shape[1])
		x := tr.random("x", shape[0], shape[1])
		tr.dev.Combine(x.Tensor, x.Tensor, 0.75, -2)
		tr.equal(x, build(shape[0], shape[1], func(r, c int) float64 { return 0.75*x.host.at(r, c) - 2*x.host.at(r, c) }))
	}
}
