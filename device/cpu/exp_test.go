package cpu

import (
	"math"
	"testing"

	"smt/device"
)

// TestExp compares the exponential of every set, which expScale shows as it is, with that of float64.
func TestExp(t *testing.T) {
	inf := float32(math.Inf(1))
	eachSet(t, func(t *testing.T, name string) {
		k := kernelsNamed(t, name)
		var xs []float32
		for x := float32(-88); x < 89; x += 0.00057 {
			xs = append(xs, x)
		}
		for e := float32(1e-20); e < 1; e *= 3 {
			xs = append(xs, e, -e)
		}
		got := make([]float32, len(xs))
		k.expScale(got, xs, 0, 1)
		worst := 0.0
		for i, x := range xs {
			want := math.Exp(float64(x))
			if want > math.MaxFloat32 || want < 1.18e-38 {
				if want < 1 && got[i] > 1.18e-38 || want > 1 && got[i] < math.MaxFloat32/1.0001 {
					t.Errorf("exp(%g) = %g, want %g", x, got[i], want)
				}
				continue
			}
			unit := float64(math.Nextafter32(float32(want), inf) - float32(want))
			worst = max(worst, math.Abs(float64(got[i])-want)/unit)
		}
		if t.Logf("largest error %.2f units in the last place", worst); worst > 1.5 {
			t.Errorf("an error of %.2f units in the last place", worst)
		}

		special := []float32{0, -inf, inf, -1e30, 1e30, -200, 200, -math.MaxFloat32, float32(math.NaN())}
		want := []float32{1, 0, inf, 0, inf, 0, inf, 0, float32(math.NaN())}
		got = make([]float32, len(special))
		k.expScale(got, special, 0, 1)
		for i := range want {
			if got[i] != want[i] && !(got[i] != got[i] && want[i] != want[i]) {
				t.Errorf("exp(%g) = %g, want %g", special[i], got[i], want[i])
			}
		}
	})
}

// TestNaNPassesThrough makes sure that no kernel hides a NaN: a run that has broken down must show in its loss.
func TestNaNPassesThrough(t *testing.T) {
	eachSet(t, func(t *testing.T, name string) {
		d := New(WithKernels(name))
		for _, at := range []int{0, 5, 16, 34} {
			logits, loss, target := random(d, 1, 35), d.New(1, 1), d.NewIndex(1)
			open("test", logits).data[at] = float32(math.NaN())
			d.CrossEntropy(loss, logits, target, 1)
			if v := open("test", loss).data[0]; v == v {
				t.Errorf("loss %g with logit %d NaN", v, at)
			}
			for _, rows := range []int{2, 35} {
				q, k, v, o := random(d, rows, 40), random(d, rows, 40), random(d, rows, 40), d.New(rows, 40)
				open("test", q).row(1)[at] = float32(math.NaN())
				d.Attention(o, device.Tensor{}, q, k, v, []device.Segment{{QLen: rows, KLen: rows}},
					device.Attention{Heads: 1, KVHeads: 1, HeadDim: 40, Scale: 1})
				if v := open("test", o).row(1)[0]; v == v {
					t.Errorf("attention gives %g with element %d of the query NaN", v, at)
				}
			}
		}
	})
}
