package cpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"smt/device"
)

// asStored is the values of a Float tensor bound as a frozen weight of some dtype.
func asStored(d *Device, t device.Tensor, dtype device.DType) device.Tensor {
	if dtype == device.Float {
		return t
	}
	// One byte before the elements: a mapped file may put them at any address.
	data := make([]byte, 1, 1+t.Len()*dtype.Size())
	for _, v := range open("test", t).data {
		switch bits := math.Float32bits(v); dtype {
		case device.F32:
			data = binary.LittleEndian.AppendUint32(data, bits)
		case device.BF16:
			data = binary.LittleEndian.AppendUint16(data, uint16(bits>>16))
		case device.F16: // smaller than 2^-10 becomes zero
			h := uint16(bits >> 16 & 0x8000)
			if math.Abs(float64(v)) >= 1.0/1024 {
				h |= uint16(bits>>23&0xff-127+15)<<10 | uint16(bits>>13&0x3ff)
			}
			data = binary.LittleEndian.AppendUint16(data, h)
		}
	}
	return d.Bind(dtype, t.Rows, t.Cols, data[1:])
}

// TestRoundedProducts compares products in bfloat16 with their definition in float64, for every set of kernels, dtype and
// ragged shapes.
func TestRoundedProducts(t *testing.T) {
	rounded := func(x float64) float64 {
		return float64(math.Float32frombits(uint32(roundToBrain(float32(x))) << 16))
	}
	shapes := []struct{ t, out, in int }{{1, 1, 1}, {3, 7, 5}, {8, 48, 64}, {17, 49, 33}, {70, 100, 257}, {9, 192, 576}, {33, 576, 192}, {5, 16, 31}, {2, 3, 9000}, {3, 9001, 2}}
	for _, set := range Kernels() {
		for _, dtype := range []device.DType{device.Float, device.F32, device.F16, device.BF16} {
			for _, s := range shapes {
				t.Run(fmt.Sprintf("%s/%v/%dx%dx%d", set, dtype, s.t, s.out, s.in), func(t *testing.T) {
					d := New(WithKernels(set), WithThreads(2))
					x, dy := random(d, s.t, s.in), random(d, s.t, s.out)
					weight := asStored(d, random(d, s.out, s.in), dtype)
					w := make([]float64, weight.Len())
					d.Read(weight, w)
					handle := d.Rounded(weight)
					for _, add := range []bool{false, true} {
						y, dx := d.New(s.t, s.out), d.New(s.t, s.in)
						start := 0.0
						if add {
							start = 3
							d.Fill(y, start)
							d.Fill(dx, start)
						}
						d.MatMul(y, x, false, handle, true, add)
						d.MatMul(dx, dy, false, handle, false, add)
						check := func(what string, got, a device.Tensor, element func(k, j int) float64) {
							t.Helper()
							av := open("test", a)
							for i := range got.Rows {
								for j := range got.Cols {
									want, size := start, 1.0
									for k, v := range av.row(i) {
										product := rounded(float64(v)) * rounded(element(k, j))
										want += product
										size += math.Abs(product)
									}
									if v := float64(open("test", got).row(i)[j]); !(math.Abs(v-want) <= 2e-6*size) {
										t.Fatalf("%s (add %v): element (%d, %d): got %g, expected %g", what, add, i, j, v, want)
									}
								}
							}
						}
						check("forward", y, x, func(k, j int) float64 { return w[j*s.in+k] })
						check("backward", dx, dy, func(k, j int) float64 { return w[k*s.in+j] })
					}
				})
			}
		}
	}
}

// TestRoundToBrain checks ties, subnormal numbers and what is no number, by the Go function and by the kernel.
func TestRoundToBrain(t *testing.T) {
	cases := []struct{ in, want uint32 }{
		{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, {0xbf80ffff, 0xbf81}, // ties to even
		{0x7f7fffff, 0x7f80}, {0x7f800000, 0x7f80}, {0xff800000, 0xff80}, {0x7f800001, 0x7fc0}, {0x7fffffff, 0x7fff}, // infinity, NaN
		{0, 0}, {0x80000000, 0x8000}, {0x007fffff, 0}, {0x807fffff, 0x8000}, {0x00800000, 0x0080}, // subnormal
	}
	x := make([]float32, roundStep)
	for i, c := range cases {
		x[i] = math.Float32frombits(c.in)
		if got := roundToBrain(x[i]); uint32(got) != c.want {
			t.Errorf("%08x: got %04x, expected %04x", c.in, got, c.want)
		}
	}
	for _, k := range available() {
		if k.round == nil {
			continue
		}
		got := make([]uint16, len(x))
		k.round(&got[0], x)
		for i, c := range cases {
			if uint32(got[i]) != c.want {
				t.Errorf("%s: %08x: got %04x, expected %04x", k.name, c.in, got[i], c.want)
			}
		}
	}
}

// TestRoundedSameBits asks for the same bits on any number of threads, also of views, and for no allocation.
func TestRoundedSameBits(t *testing.T) {
	for _, set := range Kernels() {
		var first []float32
		for _, threads := range []int{1, 2, 3} {
			d := New(WithKernels(set), WithThreads(threads))
			w, x, y := d.Rounded(asStored(d, random(d, 192, 576), device.BF16)), random(d, 300, 576), d.New(300, 192)
			d.MatMul(y, x, false, w, true, false)
			if first == nil {
				first = slices.Clone(open("test", y).data)
			}
			if !slices.Equal(first, open("test", y).data) {
				t.Errorf("%s: %d threads: other bits than on one", set, threads)
			}
			if n := testing.AllocsPerRun(5, func() {
				d.MatMul(y, x, false, w, true, false)
				d.MatMul(x, y, false, w, false, true)
			}); n > 0 {
				t.Errorf("%s: %g allocations per call", set, n)
			}
			part, want := d.New(300, 100), d.New(300, 192)
			x = random(d, 300, 576)
			d.MatMul(want, x, false, w, true, false)
			d.MatMul(part, x, false, w.Slice(50, 150), true, false)
			for r := range 300 {
				if !slices.Equal(open("test", part).row(r), open("test", want).row(r)[50:150]) {
					t.Fatalf("%s: row %d of a view's product differs", set, r)
				}
			}
		}
	}
}

// TestRoundedNaN makes sure that a NaN is not lost.
func TestRoundedNaN(t *testing.T) {
	for _, set := range Kernels() {
		d := New(WithKernels(set), WithThreads(1))
		w, x, y := random(d, 50, 70), random(d, 20, 70), d.New(20, 50)
		open("test", x).row(3)[5] = float32(math.NaN())
		d.MatMul(y, x, false, d.Rounded(w), true, false)
		for r := range 20 {
			for _, v := range open("test", y).row(r) {
				if isNaN := v != v; isNaN != (r == 3) {
					t.Fatalf("%s: row %d: got %g", set, r, v)
				}
			}
		}
	}
}

// TestRoundedMisuse asks for what is not there.
func TestRoundedMisuse(t *testing.T) {
	d := New(WithThreads(1))
	w, x := random(d, 8, 8), random(d, 8, 8)
	handle := d.Rounded(w)
	for name, call := range map[string]func(){
		"transposed rows":   func() { d.MatMul(x, x, true, handle, true, false) },
		"another operation": func() { d.Combine(x, handle, 1, 0) },
		"another shape":     func() { d.MatMul(x, d.New(8, 7), false, handle, true, false) },
		"a handle's handle": func() { d.Rounded(handle) },
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
