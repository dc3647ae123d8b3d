package cpu

import (
	"math"
	"testing"

	"smt/device"
)

// TestAttentionBackwardOfManySegments compares the gradients of so many segments that a task is a group of heads with those
// of the same segments one by one, where each head is a task.
func TestAttentionBackwardOfManySegments(t *testing.T) {
	eachSet(t, func(t *testing.T, name string) {
		for _, window := range []int{0, 20} {
			d := New(WithKernels(name), WithThreads(3))
			a := device.Attention{Heads: 6, KVHeads: 2, HeadDim: 18, Scale: 0.2, Window: window}
			var segments []device.Segment
			rows := 0
			for i := range groupTasks/2 + 1 {
				n := 1 + i*7
				segments = append(segments, device.Segment{Q: rows, QLen: n, K: rows, KLen: n})
				rows += n
			}
			q, do, o, lse := random(d, rows, 108), random(d, rows, 108), d.New(rows, 108), d.New(rows, 6)
			k, v := random(d, rows, 36), random(d, rows, 36)
			d.Attention(o, lse, q, k, v, segments, a)
			var got, want [3]device.Tensor
			for i, cols := range []int{108, 36, 36} {
				got[i], want[i] = random(d, rows, cols), random(d, rows, cols)
			}
			d.AttentionBackward(got[0], got[1], got[2], do, o, lse, q, k, v, segments, a)
			for i := range segments {
				d.AttentionBackward(want[0], want[1], want[2], do, o, lse, q, k, v, segments[i:i+1], a)
			}
			for i := range got {
				x, y := open("test", got[i]).data, open("test", want[i]).data
				for j := range x {
					if !(math.Abs(float64(x[j]-y[j])) < 1e-5) {
						t.Fatalf("window %d: element %d of gradient %d is %g, want %g", window, j, i, x[j], y[j])
					}
				}
			}
		}
	})
}
