package cpu

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"smt/device"
)

// spec evaluates the definition of [device.Quantizer] in float64 for float32 operands, with the roundings to float32 that
// decide which integer is nearest.
func spec(x, w, f []float32, t, out, in int, outliers map[int]bool, limit float32, backward bool) []float64 {
	scales, q := make([]float64, out), make([]float64, out*in)
	for o := range out {
		top := float32(0)
		for i, v := range w[o*in : (o+1)*in] {
			top = max(top, float32(math.Abs(float64(v*f[i]))))
		}
		scales[o] = float64(top / limit)
		for i, v := range w[o*in : (o+1)*in] {
			if top > 0 {
				q[o*in+i] = math.RoundToEven(float64(v * f[i] * (limit / top)))
			}
		}
	}
	depth, lanes := in, out
	if backward {
		depth, lanes = out, in
	}
	y := make([]float64, t*lanes)
	for r := range t {
		row, top := make([]float32, depth), float32(0)
		for k := range row {
			row[k] = x[r*depth+k]
			if backward {
				row[k] *= float32(scales[k])
			} else if outliers[k] {
				row[k] = 0
			} else {
				row[k] *= 1 / f[k]
			}
			top = max(top, float32(math.Abs(float64(row[k]))))
		}
		for k := range row {
			v := 0.0
			if top > 0 {
				v = math.RoundToEven(float64(row[k] * (127 / top)))
			}
			for j := range lanes {
				if backward {
					y[r*lanes+j] += float64(top/127) * v * q[k*in+j] * float64(1/f[j])
				} else {
					y[r*lanes+j] += float64(top/127) * v * q[j*in+k] * scales[j]
				}
			}
		}
		if !backward {
			for k := range outliers {
				for j := range lanes {
					y[r*lanes+j] += float64(x[r*depth+k]) * float64(w[j*in+k])
				}
			}
		}
	}
	return y
}

// TestBytesFollowTheDefinition compares products of ragged shapes with the definition, for every set of kernels.
func TestBytesFollowTheDefinition(t *testing.T) {
	for _, set := range Kernels() {
		for _, shape := range []struct{ t, out, in int }{{1, 1, 1}, {3, 7, 5}, {8, 48, 64}, {17, 49, 33}, {70, 100, 257}, {9, 192, 576}, {33, 576, 192}, {5, 16, 31}, {64, 130, 100}} {
			for _, some := range []bool{false, true} {
				var outliers []int32
				known := map[int]bool{}
				if some {
					for c := 0; c < shape.in; c += 1 + shape.in/3 {
						outliers, known[c] = append(outliers, int32(c)), true
					}
				}
				t.Run(fmt.Sprintf("%s/%dx%dx%d/%d", set, shape.t, shape.out, shape.in, len(outliers)), func(t *testing.T) {
					d := New(WithKernels(set), WithThreads(2))
					w, x, dy := random(d, shape.out, shape.in), random(d, shape.t, shape.in), random(d, shape.t, shape.out)
					for _, c := range outliers { // what makes them outliers
						for r := range shape.t {
							open("test", x).row(r)[c] *= 50
						}
					}
					var magnitudes []float32
					if some {
						for c := range shape.in {
							magnitudes = append(magnitudes, 0.1+float32(c%7))
						}
					}
					q := d.Quantize(w, outliers, magnitudes)
					factors := bufferOf("test", q).quantized.factors
					limit := float32(d.kernels.bytes.limit)
					for _, add := range []bool{false, true} {
						y, dx := d.New(shape.t, shape.out), d.New(shape.t, shape.in)
						start := 0.0
						if add {
							start = 3
							d.Fill(y, start)
							d.Fill(dx, start)
						}
						d.MatMul(y, x, false, q, true, add)
						d.MatMul(dx, dy, false, q, false, add)
						values := func(t device.Tensor) []float32 { return open("test", t).data }
						check := func(what string, got device.Tensor, want []float64) {
							t.Helper()
							scale := 0.0
							for _, v := range want {
								scale = max(scale, math.Abs(v))
							}
							for i, v := range values(got) {
								if !(math.Abs(float64(v)-start-want[i]) <= 1e-5*(1+scale)) {
									t.Fatalf("%s (add %v): element %d: got %g, expected %g", what, add, i, v, start+want[i])
								}
							}
						}
						check("forward", y, spec(values(x), values(w), factors, shape.t, shape.out, shape.in, known, limit, false))
						check("backward", dx, spec(values(dy), values(w), factors, shape.t, shape.out, shape.in, nil, limit, true))
					}
				})
			}
		}
	}
}

// TestFactorsShareTheDifficulty checks f = sqrt(m/max|w|), and that outliers are as large as the median of the others.
func TestFactorsShareTheDifficulty(t *testing.T) {
	d := New(WithThreads(1))
	w := d.New(2, 4)
	copy(open("test", w).data, []float32{1, -4, 0.5, 2, 0.25, 1, 0.5, -9})
	q := bufferOf("test", d.Quantize(w, []int32{3}, []float32{1, 1, 8, 100})).quantized
	// Sizes after smoothing are 1, 2, 2 for columns 0 to 2; their median, 2, is that of column 3: 9·f = 2.
	for c, want := range []float32{1, 0.5, 4, 2.0 / 9} {
		if !(math.Abs(float64(q.factors[c]-want)) <= 1e-6) {
			t.Errorf("factor of column %d: got %g, expected %g", c, q.factors[c], want)
		}
	}
	// Columns of zeros, and magnitudes of zero, harm nobody.
	zero := d.Quantize(d.New(3, 5), nil, make([]float32, 5))
	y := d.New(2, 3)
	d.MatMul(y, random(d, 2, 5), false, zero, true, false)
	for _, v := range open("test", y).data {
		if v != 0 {
			t.Errorf("a weight of zeros gives %g", v)
		}
	}
}

// TestBytesOfBadRows gives rows that have no scale: all zero, tiny, with a NaN, with an infinity.
func TestBytesOfBadRows(t *testing.T) {
	for _, set := range Kernels() {
		d := New(WithKernels(set), WithThreads(1))
		w, x, y := random(d, 50, 70), random(d, 6, 70), d.New(6, 50)
		v := open("test", x)
		clear(v.row(1))
		for i := range v.row(2) {
			v.row(2)[i] = 1e-40
		}
		v.row(3)[5] = float32(math.NaN())
		v.row(4)[69] = float32(math.Inf(1))
		d.MatMul(y, x, false, d.Quantize(w, nil, nil), true, false)
		for r := range 6 {
			for _, got := range open("test", y).row(r) {
				switch isNaN := got != got; {
				case (r == 3 || r == 4) != isNaN, (r == 1 || r == 2) && got != 0:
					t.Fatalf("%s: row %d: got %g", set, r, got)
				}
			}
		}
	}
}

// TestBytesAreClose bounds the loss of precision on plain random operands, and asks for the same bits on any number of
// threads and no allocation.
func TestBytesAreClose(t *testing.T) {
	for _, set := range Kernels() {
		var first []float32
		for _, threads := range []int{1, 2, 3} {
			d := New(WithKernels(set), WithThreads(threads))
			w, x, y, want := random(d, 192, 576), random(d, 64, 576), d.New(64, 192), d.New(64, 192)
			d.MatMul(want, x, false, w, true, false)
			q := d.Quantize(w, []int32{1, 100}, nil)
			d.MatMul(y, x, false, q, true, false)
			difference, total := 0.0, 0.0
			got, exact := open("test", y).data, open("test", want).data
			for i := range got {
				difference += float64(got[i]-exact[i]) * float64(got[i]-exact[i])
				total += float64(exact[i]) * float64(exact[i])
			}
			if relative := math.Sqrt(difference / total); relative > 0.03 || relative == 0 {
				t.Errorf("%s: relative error %g, expected at most 3 %%", set, relative)
			}
			if first == nil {
				first = slices.Clone(got)
			}
			for i := range got {
				if got[i] != first[i] {
					t.Fatalf("%s: %d threads: element %d is %g, on one thread %g", set, threads, i, got[i], first[i])
				}
			}
			if n := testing.AllocsPerRun(5, func() {
				d.MatMul(y, x, false, q, true, false)
				d.MatMul(x, y, false, q, false, true)
			}); n > 0 {
				t.Errorf("%s: %g allocations per call", set, n)
			}
		}
	}
}

// TestBytesMisuse asks for what is not there.
func TestBytesMisuse(t *testing.T) {
	d := New(WithThreads(1))
	w, x := random(d, 8, 8), random(d, 8, 8)
	q := d.Quantize(w, nil, nil)
	for name, call := range map[string]func(){
		"outliers out of order": func() { d.Quantize(w, []int32{3, 2}, nil) },
		"no such outlier":       func() { d.Quantize(w, []int32{8}, nil) },
		"missing magnitudes":    func() { d.Quantize(w, nil, make([]float32, 7)) },
		"transposed rows":       func() { d.MatMul(x, x, true, q, true, false) },
		"a view":                func() { d.MatMul(d.New(8, 4), x, false, q.Slice(0, 4), true, false) },
		"another operation":     func() { d.Combine(x, q, 1, 0) },
		"another shape":         func() { d.MatMul(x, d.New(8, 7), false, q, true, false) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}
