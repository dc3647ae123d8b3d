package safetensors

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// float16Value is what the bits of a 16-bit float mean, from the definition: sign, exponent with its bias, fraction.
func float16Value(bits uint16, exponentBits, fractionBits int) float64 {
	sign := 1 - 2*float64(bits>>15)
	exponent := int(bits>>fractionBits) & (1<<exponentBits - 1)
	fraction := float64(bits&(1<<fractionBits-1)) / float64(int(1)<<fractionBits)
	bias := 1<<(exponentBits-1) - 1
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, 1-bias)
	case 1<<exponentBits - 1:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1+fraction, exponent-bias)
}

type format struct {
	dtype                      DType
	exponentBits, fractionBits int
	from                       func(float32) uint16
	to                         func(uint16) float32
}

var formats = []format{
	{F16, 5, 10, F16FromFloat32, F16ToFloat32},
	{BF16, 8, 7, BF16FromFloat32, BF16ToFloat32},
}

func TestEvery16BitPattern(t *testing.T) {
	for _, f := range formats {
		for i := range 1 << 16 {
			bits := uint16(i)
			want, got := float16Value(bits, f.exponentBits, f.fractionBits), f.to(bits)
			if math.IsNaN(want) {
				if got == got || f.to(f.from(got)) == f.to(f.from(got)) {
					t.Fatalf("%s %04x: %g, expected a NaN that stays one", f.dtype, bits, got)
				}
				continue
			}
			if float64(got) != want || math.Signbit(float64(got)) != math.Signbit(want) {
				t.Fatalf("%s %04x: got %g, expected %g", f.dtype, bits, got, want)
			}
			if back := f.from(got); back != bits {
				t.Fatalf("%s %04x: came back as %04x", f.dtype, bits, back)
			}
		}
	}
}

// Between every two neighbours: the midpoint goes to the even one, what is just below or above it to the nearer one.
func TestRoundsToNearestEven(t *testing.T) {
	for _, f := range formats {
		infinity := uint16(1<<f.exponentBits-1) << f.fractionBits
		for low := range infinity {
			a, b := float64(f.to(low)), float64(f.to(low+1))
			if low+1 == infinity {
				b = 2*a - float64(f.to(low-1)) // the next one, if there were one
			}
			even := low
			if low&1 == 1 {
				even++
			}
			middle := (a + b) / 2
			for _, sign := range []uint16{0, 0x8000} {
				s := float64(1)
				if sign != 0 {
					s = -1
				}
				if float64(float32(middle)) == middle {
					if got := f.from(float32(s * middle)); got != even|sign {
						t.Fatalf("%s: %g became %04x, expected %04x", f.dtype, s*middle, got, even|sign)
					}
					if got := f.from(float32(s) * math.Nextafter32(float32(middle), 0)); got != low|sign {
						t.Fatalf("%s: below %g became %04x, expected %04x", f.dtype, s*middle, got, low|sign)
					}
					up := math.Nextafter32(float32(middle), float32(math.Inf(1)))
					if got := f.from(float32(s) * up); got != low+1|sign {
						t.Fatalf("%s: above %g became %04x, expected %04x", f.dtype, s*middle, got, low+1|sign)
					}
				} else if low != 0 {
					t.Fatalf("%s: the middle after %04x is no float32", f.dtype, low)
				}
			}
		}
	}
}

// Any float32 goes to a neighbour that no other value is nearer to.
func TestRoundsRandomFloat32(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, f := range formats {
		for range 300_000 {
			x := math.Float32frombits(random.Uint32())
			bits := f.from(x)
			got := float64(f.to(bits))
			if x != x || math.IsInf(got, 0) {
				continue // exact limits are tested above
			}
			distance := math.Abs(got - float64(x))
			for _, neighbour := range []uint16{bits - 1, bits + 1} {
				other := float64(f.to(neighbour))
				if math.Abs(other-float64(x)) < distance {
					t.Fatalf("%s: %g became %g, %g is nearer", f.dtype, x, got, other)
				}
			}
		}
	}
}

func TestRoundRefusesWhatIsNotFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		dtype DType
		value float32
		ok    bool
	}{
		{F16, 65504, true}, {F16, 65519.996, true}, {F16, 65520, false}, {F16, -65520, false}, {F16, inf, false}, {F16, nan, false},
		{F16, 1e-30, true}, {BF16, 3.3895314e38, true}, {BF16, math.MaxFloat32, false}, {BF16, -inf, false}, {BF16, nan, false},
		{F32, math.MaxFloat32, true}, {F32, inf, false}, {F32, -inf, false}, {F32, nan, false},
	} {
		dst := make([]byte, 2*c.dtype.Size())
		err := Round(dst, c.dtype, []float32{1, c.value})
		if (err == nil) != c.ok {
			t.Errorf("%s %g: %v", c.dtype, c.value, err)
		}
		if err != nil && !strings.Contains(err.Error(), "value 1 is ") {
			t.Errorf("%s %g: %v does not name the index", c.dtype, c.value, err)
		}
	}
	if err := Round(make([]byte, 3), BF16, make([]float32, 2)); err == nil {
		t.Error("rounded into too few bytes")
	}
	if err := Widen(make([]float32, 2), I32, make([]byte, 8)); err == nil {
		t.Error("widened integers")
	}
}

func TestWidenInvertsRound(t *testing.T) {
	for _, dtype := range []DType{F32, F16, BF16} {
		want := []float32{0, 1, -2.5, 0x1p-14, 0x1p-10, 448}
		data := make([]byte, len(want)*dtype.Size())
		if err := Round(data, dtype, want); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(want))
		if err := Widen(got, dtype, data); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %g became %g", dtype, want[i], got[i])
			}
		}
	}
}

func BenchmarkWiden(b *testing.B) {
	for _, f := range formats {
		b.Run(string(f.dtype), func(b *testing.B) {
			dst, src := make([]float32, 1<<16), make([]byte, 2<<16)
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				Widen(dst, f.dtype, src)
			}
		})
	}
}

func BenchmarkRound(b *testing.B) {
	for _, f := range formats {
		b.Run(string(f.dtype), func(b *testing.B) {
			dst, src := make([]byte, 2<<16), make([]float32, 1<<16)
			b.SetBytes(int64(len(dst)))
			for b.Loop() {
				Round(dst, f.dtype, src)
			}
		})
	}
}
