package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"smt/device"
)

// The benchmarks run on all threads (GOMAXPROCS=1 go test -bench . on one) and report the rate of the fastest call next to
// the mean that ns/op is: on a machine with other work the fastest call says more about the code.

// measure runs call b.N times; one call does work, in units of which a billion are reported by the second.
func measure(b *testing.B, work float64, unit string, call func()) {
	b.Helper()
	call()
	best := time.Duration(1 << 62)
	for b.Loop() {
		start := time.Now()
		call()
		best = min(best, time.Since(start))
	}
	b.ReportMetric(work/float64(best.Nanoseconds()), "best-G"+unit+"/s")
}

func random(d *Device, rows, cols int) device.Tensor {
	rng := rand.New(rand.NewPCG(uint64(rows), uint64(cols)))
	t := d.New(rows, cols)
	v := open("random", t)
	for i := range v.data {
		v.data[i] = rng.Float32() - 0.5
	}
	return t
}

func BenchmarkMatMul(b *testing.B) {
	type product struct {
		name           string
		m, n, k        int
		transA, transB bool
	}
	var list []product
	for _, s := range []struct{ tokens, out, in int }{
		{1024, 1024, 1024}, {1024, 512, 1024}, {1024, 2816, 1024}, {1024, 1024, 2816}, {1024, 32000, 1024},
		{512, 576, 576}, {512, 192, 576}, {512, 1536, 576}, {512, 576, 1536}, {100, 1024, 1024}, {2048, 1024, 1024},
	} {
		list = append(list,
			product{"forward", s.tokens, s.out, s.in, false, true},
			product{"dX", s.tokens, s.in, s.out, false, false})
		if s.out < 10000 {
			list = append(list, product{"dW", s.out, s.in, s.tokens, true, false})
		}
	}
	for _, p := range list {
		b.Run(fmt.Sprintf("%s/%dx%dx%d", p.name, p.m, p.n, p.k), func(b *testing.B) {
			d := New()
			a, w, c := random(d, p.m, p.k), random(d, p.k, p.n), d.New(p.m, p.n)
			if p.transA {
				a = a.Reshape(p.k, p.m)
			}
			if p.transB {
				w = w.Reshape(p.n, p.k)
			}
			measure(b, 2*float64(p.m)*float64(p.n)*float64(p.k), "FLOP", func() { d.MatMul(c, a, p.transA, w, p.transB, false) })
		})
	}
}

func BenchmarkMatMulFrozen(b *testing.B) {
	d := New()
	const n = 1024
	for _, dtype := range []device.DType{device.F32, device.F16, device.BF16} {
		w := d.Bind(dtype, n, n, make([]byte, n*n*dtype.Size()))
		for _, m := range []int{1, 4, 8, n} {
			b.Run(fmt.Sprintf("%v/%d", dtype, m), func(b *testing.B) {
				d := New()
				a, c := random(d, m, n), d.New(m, n)
				measure(b, 2*n*n*float64(m), "FLOP", func() { d.MatMul(c, a, false, w, true, false) })
			})
		}
	}
}

func BenchmarkAttention(b *testing.B) {
	d := New()
	for _, s := range []struct{ tokens, segment, heads, kv, size int }{
		{2048, 2048, 16, 8, 64}, {2048, 2048, 9, 3, 64}, {512, 512, 16, 8, 64}, {512, 512, 9, 3, 64}, {512, 512, 16, 8, 128},
		{1024, 128, 16, 8, 64}, {1024, 128, 9, 3, 64}, {1000, 250, 9, 3, 64}, {1024, 100, 16, 8, 64}, {1020, 30, 16, 8, 64},
	} {
		a := device.Attention{Heads: s.heads, KVHeads: s.kv, HeadDim: s.size, Scale: 0.125}
		q, o := random(d, s.tokens, s.heads*s.size), d.New(s.tokens, s.heads*s.size)
		k, v := random(d, s.tokens, s.kv*s.size), random(d, s.tokens, s.kv*s.size)
		lse := d.New(s.tokens, s.heads)
		dq, dk, dv := d.New(q.Rows, q.Cols), d.New(k.Rows, k.Cols), d.New(v.Rows, v.Cols)
		var segments []device.Segment
		var pairs float64
		for t := 0; t < s.tokens; t += s.segment {
			n := min(s.segment, s.tokens-t)
			segments = append(segments, device.Segment{Q: t, QLen: n, K: t, KLen: n})
			pairs += float64(n) * float64(n+1) / 2
		}
		// Two products forward and five backward, over the pairs that are not masked.
		work := 2 * pairs * float64(s.heads*s.size)
		name := fmt.Sprintf("%dx%d/heads%d-%d-%d", s.tokens, s.segment, s.heads, s.kv, s.size)
		b.Run("forward/"+name, func(b *testing.B) {
			d := New()
			measure(b, 2*work, "FLOP", func() { d.Attention(o, lse, q, k, v, segments, a) })
		})
		b.Run("backward/"+name, func(b *testing.B) {
			d := New()
			measure(b, 5*work, "FLOP", func() { d.AttentionBackward(dq, dk, dv, o, o, lse, q, k, v, segments, a) })
		})
	}
}

func BenchmarkAttentionDecode(b *testing.B) {
	d := New()
	const keys = 2048
	a := device.Attention{Heads: 32, KVHeads: 8, HeadDim: 64, Scale: 0.125}
	q, o := random(d, 1, 2048), d.New(1, 2048)
	k, v := random(d, keys, 512), random(d, keys, 512)
	segments := []device.Segment{{QLen: 1, KLen: keys}}
	measure(b, 4*keys*2048, "FLOP", func() { d.Attention(o, device.Tensor{}, q, k, v, segments, a) })
}

func BenchmarkBlocks(b *testing.B) {
	d := New()
	const tokens, out, in = 1024, 2816, 1024
	x, y := random(d, tokens, in), random(d, tokens, out)
	for _, s := range []struct{ size, count int }{{64, 64}, {64, 256}, {128, 64}, {256, 8}, {256, 32}} {
		var blocks []device.Block
		for i := range s.count {
			across := in / s.size
			at := i * (out / s.size * across) / s.count
			blocks = append(blocks, device.Block{Row: int32(at / across), Col: int32(at % across)})
		}
		g := random(d, s.count*s.size, s.size)
		work := 2 * tokens * float64(s.count*s.size*s.size)
		name := fmt.Sprintf("%dx%d", s.count, s.size)
		b.Run("gradient/"+name, func(b *testing.B) {
			d := New()
			measure(b, work, "FLOP", func() { d.BlockGradient(g, y, x, blocks, s.size) })
		})
		b.Run("forward/"+name, func(b *testing.B) {
			d := New()
			measure(b, work, "FLOP", func() { d.BlockProduct(y, x, g, blocks, s.size, false) })
		})
		b.Run("backward/"+name, func(b *testing.B) {
			d := New()
			measure(b, work, "FLOP", func() { d.BlockProduct(x, y, g, blocks, s.size, true) })
		})
	}
}

func BenchmarkRows(b *testing.B) {
	d := New()
	const tokens, hidden, inner = 1024, 1024, 2816
	x, y, gate, up := random(d, tokens, hidden), d.New(tokens, hidden), random(d, tokens, inner), random(d, tokens, inner)
	h, w, rstd, dw := d.New(tokens, inner), random(d, 1, hidden), random(d, tokens, 1), d.New(1, hidden)
	dgate, dup := d.New(tokens, inner), d.New(tokens, inner)
	logits, loss, targets := random(d, 128, 32000), d.New(128, 1), d.NewIndex(128)
	table, positions := random(d, tokens, 64), d.NewIndex(tokens)
	m, v := d.New(tokens, hidden), d.New(tokens, hidden)
	one, sums := d.New(1, 1), d.New(tokens, 16)
	scores := d.New(4, 4)
	for _, c := range []struct {
		name  string
		bytes int // read and written
		call  func(*Device)
	}{
		{"Fill", 4 * y.Len(), func(d *Device) { d.Fill(y, 1) }},
		{"Combine", 12 * y.Len(), func(d *Device) { d.Combine(y, x, 0.5, 0.5) }},
		{"ColumnDot", 8 * y.Len(), func(d *Device) { d.ColumnDot(dw, x, y) }},
		{"RMSNorm", 8 * y.Len(), func(d *Device) { d.RMSNorm(y, rstd, x, w, 1e-5) }},
		{"RMSNormBackward", 12 * y.Len(), func(d *Device) { d.RMSNormBackward(y, dw, m, x, w, rstd, false) }},
		{"Rope", 8 * y.Len(), func(d *Device) { d.Rope(y, table, positions, false) }},
		{"SwiGLU", 12 * h.Len(), func(d *Device) { d.SwiGLU(h, gate, up) }},
		{"SwiGLUBackward", 20 * h.Len(), func(d *Device) { d.SwiGLUBackward(dgate, dup, h, gate, up) }},
		{"CrossEntropy", 8 * logits.Len(), func(d *Device) { d.CrossEntropy(loss, logits, targets, 0.1) }},
		{"AdamW", 28 * y.Len(), func(d *Device) {
			d.AdamW(y, x, m, v, device.AdamW{LearningRate: 1e-6, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, Step: 9, GradientScale: 1})
		}},
		{"SquaredNorm", 4 * y.Len(), func(d *Device) { d.SquaredNorm(one, x) }},
		{"BlockSums", 4 * y.Len(), func(d *Device) { d.BlockSums(sums, x, 64, false) }},
		{"BlockScores", 4 * y.Len(), func(d *Device) { d.BlockScores(scores, x, 256, device.MeanAbs, false) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := New()
			measure(b, float64(c.bytes), "B", func() { c.call(d) })
		})
	}
}

// BenchmarkMatMulPrecision multiplies with a frozen weight in each arithmetic there is: float32, bfloat16 and 8-bit integers.
func BenchmarkMatMulPrecision(b *testing.B) {
	const m = 1024
	for _, s := range []struct{ out, in int }{{576, 576}, {192, 576}, {1536, 576}, {2048, 2048}, {8192, 2048}} {
		for _, backward := range []bool{false, true} {
			for _, arithmetic := range []string{"float32", "bf16", "bf16 of F16", "bytes"} {
				name := fmt.Sprintf("%dx%d/%s/%s", s.out, s.in, map[bool]string{false: "forward", true: "backward"}[backward], arithmetic)
				b.Run(name, func(b *testing.B) {
					d := New()
					w, x, y := random(d, s.out, s.in), random(d, m, s.in), random(d, m, s.out)
					switch arithmetic {
					case "bf16":
						w = d.Rounded(asStored(d, w, device.BF16))
					case "bf16 of F16":
						w = d.Rounded(asStored(d, w, device.F16))
					case "bytes":
						var outliers []int32
						for c := range s.in / 100 {
							outliers = append(outliers, int32(100*c))
						}
						w = d.Quantize(w, outliers, nil)
					}
					if backward {
						x, y = y, x
					}
					measure(b, 2*m*float64(s.out*s.in), "OP", func() { d.MatMul(y, x, false, w, !backward, false) })
				})
			}
		}
	}
}
