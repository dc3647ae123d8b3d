package cpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"smt/device"
)

func kernelsNamed(t *testing.T, name string) *kernels {
	t.Helper()
	for _, k := range available() {
		if k.name == name {
			return k
		}
	}
	t.Fatalf("no kernels %q", name)
	return nil
}

// TestSliceKernels compares every kernel that takes slices with the Go function that defines it, at all lengths around
// those of vectors and at odd addresses, and looks for writes outside of the slices.
func TestSliceKernels(t *testing.T) {
	eachSet(t, func(t *testing.T, name string) {
		k := reflect.ValueOf(kernelsNamed(t, name)).Elem()
		define := reflect.ValueOf(&portable).Elem()
		tested := 0
		for f := range k.NumField() {
			field := k.Type().Field(f)
			if field.Type.Kind() != reflect.Func || field.Type.In(0) != reflect.TypeFor[[]float32]() || field.Name == "weigh" {
				continue
			}
			tested++
			// The fields are not exported, but their values can be called through a pointer of their type.
			got := reflect.NewAt(field.Type, k.Field(f).Addr().UnsafePointer()).Elem()
			want := reflect.NewAt(field.Type, define.Field(f).Addr().UnsafePointer()).Elem()
			for n := range 140 {
				compareKernels(t, field.Name, got, want, n, n%5)
			}
		}
		if tested < 17 {
			t.Errorf("only %d kernels tested", tested)
		}
	})
}

// compareKernels calls two functions of the same type with the same random slices of n floats, offset floats into their
// memory, and random factors.
func compareKernels(t *testing.T, name string, got, want reflect.Value, n, offset int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	const margin = 20
	var memory [2][][]float32
	var in [2][]reflect.Value
	for i := range got.Type().NumIn() {
		switch p := got.Type().In(i); {
		case p == reflect.TypeFor[[]float32]():
			var host []float32
			for range n + 2*margin {
				host = append(host, rng.Float32()+0.25)
			}
			for s := range memory {
				m := append([]float32(nil), host...)
				memory[s] = append(memory[s], m)
				in[s] = append(in[s], reflect.ValueOf(m[offset:][:n:n]))
			}
		case p.Kind() == reflect.Pointer:
			c := &adamwConstants{0.5, 0.9, 0.1, 0.95, 0.05, 1e-3, 0.1, 2, 1e-6}
			in[0], in[1] = append(in[0], reflect.ValueOf(c)), append(in[1], reflect.ValueOf(c))
		default:
			x := reflect.ValueOf(rng.Float32() + 0.5)
			in[0], in[1] = append(in[0], x), append(in[1], x)
		}
	}
	a, b := got.Call(in[0]), want.Call(in[1])
	if len(a) > 0 {
		memory[0], memory[1] = append(memory[0], []float32{float32(a[0].Float())}), append(memory[1], []float32{float32(b[0].Float())})
	}
	for s := range memory[0] {
		for i := range memory[0][s] {
			x, y := memory[0][s][i], memory[1][s][i]
			if x != y && !(math.Abs(float64(x-y)) <= 3e-6*(1+math.Abs(float64(y)))) {
				t.Fatalf("%s of %d: slice %d has %g at %d, want %g", name, n, s, x, i-offset, y)
			}
		}
	}
}

// TestHalf checks all numbers of 16 bits against their definition, in software and in the kernels.
func TestHalf(t *testing.T) {
	bits := make([]byte, 2<<16)
	want := make([]float64, 1<<16)
	for i := range want {
		binary.LittleEndian.PutUint16(bits[2*i:], uint16(i))
		exponent, fraction := i>>10&31, float64(i&0x3ff)
		switch {
		case exponent == 31 && fraction == 0:
			want[i] = math.Inf(1)
		case exponent == 31:
			want[i] = math.NaN()
		case exponent == 0:
			want[i] = math.Ldexp(fraction, -24)
		default:
			want[i] = math.Ldexp(1024+fraction, exponent-25)
		}
		if i>>15 == 1 {
			want[i] = -want[i]
		}
	}
	eachSet(t, func(t *testing.T, name string) {
		got := make([]float32, len(want))
		kernelsNamed(t, name).widenInto(got, bits, device.F16)
		for i, v := range got {
			if math.Float64bits(float64(v)) != math.Float64bits(want[i]) && !(v != v && want[i] != want[i]) {
				t.Fatalf("%#04x is %g, want %g", i, v, want[i])
			}
		}
	})
}

// TestProducts compares matrix products of random shapes, strides, transpositions and dtypes with loops in float64: shapes
// of several blocks of the shared dimension and of several tasks, which the shared table of tests leaves out.
func TestProducts(t *testing.T) {
	eachSet(t, func(t *testing.T, name string) {
		rng := rand.New(rand.NewPCG(3, 4))
		for trial := range 40 {
			d := New(WithKernels(name), WithThreads(1+trial%4))
			m, n, k := 1+rng.IntN(200), 1+rng.IntN(200), 1+rng.IntN(900)
			if trial%4 == 0 {
				m = 1 + rng.IntN(skinnyRows)
			}
			transA, transB, add := trial&1 != 0, trial&2 != 0 || trial%4 == 0, trial&8 != 0
			dtype := []device.DType{device.Float, device.F32, device.F16, device.BF16}[rng.IntN(4)]
			a, b := operandFor(d, rng, m, k, transA, device.Float), operandFor(d, rng, k, n, transB, dtype)
			c := random(d, m, n+7).Columns(3, n+3)
			want := make([]float64, m*n)
			d.Read(c, want)
			as, bs := make([]float64, m*k), make([]float64, k*n)
			d.Read(a, as)
			d.Read(b, bs)
			for i := range m {
				for j := range n {
					if !add {
						want[i*n+j] = 0
					}
					for p := range k {
						ai, bi := i*k+p, p*n+j
						if transA {
							ai = p*m + i
						}
						if transB {
							bi = j*k + p
						}
						want[i*n+j] += as[ai] * bs[bi]
					}
				}
			}
			d.MatMul(c, a, transA, b, transB, add)
			got := make([]float64, m*n)
			d.Read(c, got)
			for i := range got {
				if !(math.Abs(got[i]-want[i]) <= 2e-5) {
					t.Fatalf("[%d, %d] of %d, transposed %v %v, add %v, %v: element %d is %g, want %g",
						m, n, k, transA, transB, add, dtype, i, got[i], want[i])
				}
			}
		}
	})
}

// operandFor makes a matrix that is [rows, cols] after transposition, within wider rows, at an odd address if frozen.
func operandFor(d *Device, rng *rand.Rand, rows, cols int, transposed bool, dtype device.DType) device.Tensor {
	if transposed {
		rows, cols = cols, rows
	}
	if dtype == device.Float {
		return random(d, rows, cols+5).Columns(2, cols+2)
	}
	data := make([]byte, 1+rows*(cols+3)*dtype.Size())[1:]
	for i := range rows * (cols + 3) {
		x := rng.Float32() - 0.5
		switch dtype {
		case device.F32:
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(x))
		case device.BF16:
			binary.LittleEndian.PutUint16(data[2*i:], uint16(math.Float32bits(x)>>16))
		case device.F16: // the numbers 2^-5 to 2^-1, of both signs
			binary.LittleEndian.PutUint16(data[2*i:], uint16(rng.IntN(2)<<15|(10+rng.IntN(4))<<10|rng.IntN(1024)))
		}
	}
	return d.Bind(dtype, rows, cols+3, data).Columns(1, cols+1)
}

func ExampleKernels() {
	names := Kernels()
	fmt.Println(names[len(names)-1])
	// Output: go
}
