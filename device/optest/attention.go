package optest

import (
	"math"

	"smt/device"
)

// A pattern is how queries and keys are laid out.
type pattern struct {
	name     string
	segments []device.Segment
	// queries and keys are the rows of q and of k, which may be more than the segments use.
	queries, keys int
}

// patterns are single sequences of ragged lengths; packed rows; new tokens against earlier keys, as in decoding; and
// rows that belong to no segment. With more, long ones are added.
func patterns(more bool) []pattern {
	packed := func(name string, lengths ...int) pattern {
		p := pattern{name: name}
		for _, n := range lengths {
			p.segments = append(p.segments, device.Segment{Q: p.queries, QLen: n, K: p.queries, KLen: n})
			p.queries += n
		}
		p.keys = p.queries
		return p
	}
	all := []pattern{
		{name: "no segment", queries: 3, keys: 3},
		packed("packed", 1, 5, 1, 17, 33, 2),
		packed("packed ones", 1, 1, 1, 1),
		{"decode one", []device.Segment{{Q: 0, QLen: 1, K: 0, KLen: 70}}, 1, 70},
		{"decode some", []device.Segment{{Q: 0, QLen: 3, K: 0, KLen: 40}}, 3, 40},
		{"decode batch", []device.Segment{
			{Q: 0, QLen: 1, K: 64, KLen: 9}, {Q: 1, QLen: 1, K: 0, KLen: 33}, {Q: 2, QLen: 1, K: 40, KLen: 1},
		}, 3, 80},
		{"gaps", []device.Segment{{Q: 5, QLen: 8, K: 3, KLen: 8}, {Q: 1, QLen: 2, K: 15, KLen: 18}}, 16, 40},
	}
	for _, n := range []int{1, 2, 7, 8, 9, 16, 17, 33, 49, 65} {
		all = append(all, packed("one", n))
	}
	if more {
		all = append(all, packed("long", 200), packed("long, packed", 130, 1, 67),
			pattern{"long decode", []device.Segment{{Q: 0, QLen: 70, K: 0, KLen: 261}}, 70, 261})
	}
	return all
}

// heads are multi-head, grouped-query and multi-query attention with heads of common and uncommon sizes.
func heads() []device.Attention {
	return []device.Attention{
		{Heads: 2, KVHeads: 2, HeadDim: 8}, {Heads: 6, KVHeads: 2, HeadDim: 16}, {Heads: 4, KVHeads: 1, HeadDim: 10},
		{Heads: 1, KVHeads: 1, HeadDim: 1}, {Heads: 3, KVHeads: 1, HeadDim: 64}, {Heads: 2, KVHeads: 1, HeadDim: 33},
		{Heads: 2, KVHeads: 2, HeadDim: 128}, {Heads: 4, KVHeads: 2, HeadDim: 18}, {Heads: 2, KVHeads: 1, HeadDim: 80},
	}
}

var windows = []int{0, 0, 1, 3, 16, 0, 1000, 40}

// attentions visits every pattern with four kinds of heads and windows.
func attentions(visit func(count int, p pattern, a device.Attention)) {
	kinds, count := heads(), 0
	for _, p := range patterns(true) {
		for range 4 {
			a := kinds[count%len(kinds)]
			a.Window = windows[count%len(windows)]
			a.Scale = 1 / math.Sqrt(float64(a.HeadDim))
			if count%5 == 0 {
				a.Scale = 0.7
			}
			visit(count, p, a)
			count++
		}
	}
}

// testAttention checks outputs and log-sums, and that rows of no segment are left alone.
func testAttention(s *series) {
	attentions(func(count int, p pattern, a device.Attention) {
		keep := count%3 != 0
		tr := s.trial("%s %v %+v lse=%t", p.name, p.segments, a, keep)
		q := tr.random("q", p.queries, a.Heads*a.HeadDim)
		tr.attention(p, a, q, tr.random("k", p.keys, a.KVHeads*a.HeadDim), keep)
	})
	// Scores of which exp is infinite or 0: made of integers, so that they are exact in float32, and close to each other,
	// so that the softmax is not one-hot. The first column of every head of q and of k gives the offset.
	for _, offset := range []float64{16384, -16384} {
		for _, p := range patterns(false) {
			a := device.Attention{Heads: 2, KVHeads: 1, HeadDim: 16, Scale: 0.25}
			tr := s.trial("scores about %g: %s", offset/4, p.name)
			integers := func(first float64) func(r, c int) float64 {
				return func(_, c int) float64 {
					if c%a.HeadDim == 0 {
						return first
					}
					return float64(tr.rng.IntN(5) - 2)
				}
			}
			q := tr.float("q", p.queries, 32, math.NaN(), integers(offset/128))
			k := tr.float("k", p.keys, 16, math.NaN(), integers(128))
			tr.attention(p, a, q, k, true)
		}
	}
}

func (tr *trial) attention(p pattern, a device.Attention, q, k *operand, keep bool) {
	tr.Helper()
	v, o := tr.random("v", p.keys, a.KVHeads*a.HeadDim), tr.result("o", p.queries, a.Heads*a.HeadDim)
	var kept device.Tensor
	var lse *operand
	if keep {
		lse = tr.result("lse", p.queries, a.Heads)
		kept = lse.Tensor
	}
	tr.dev.Attention(o.Tensor, kept, q.Tensor, k.Tensor, v.Tensor, p.segments, a)
	wantO, wantLSE := literalAttention(q.host, k.host, v.host, p.segments, a)
	tr.equal(o, wantO)
	if keep {
		tr.near(lse, wantLSE, 1)
	}
	tr.done()
}

// testAttentionBackward checks all three gradients, and each alone.
func testAttentionBackward(s *series) {
	attentions(func(count int, p pattern, a device.Attention) {
		wanted := [3]bool{true, true, true}
		if count%4 == 3 {
			wanted = [3]bool{}
			wanted[count/4%3] = true
		}
		tr := s.trial("%s %v %+v want dq, dk, dv: %v", p.name, p.segments, a, wanted)
		q := tr.random("q", p.queries, a.Heads*a.HeadDim)
		k, v := tr.random("k", p.keys, a.KVHeads*a.HeadDim), tr.random("v", p.keys, a.KVHeads*a.HeadDim)
		do := tr.random("do", p.queries, a.Heads*a.HeadDim)
		hostO, hostLSE := literalAttention(q.host, k.host, v.host, p.segments, a)
		o, lse := tr.given("o", hostO), tr.given("lse", hostLSE)
		var gradients [3]*operand
		var tensors [3]device.Tensor
		for i, like := range []*operand{q, k, v} {
			if wanted[i] {
				gradients[i] = tr.result([]string{"dq", "dk", "dv"}[i], like.Rows, like.Cols)
				tensors[i] = gradients[i].Tensor
			}
		}
		tr.dev.AttentionBackward(tensors[0], tensors[1], tensors[2],
			do.Tensor, o.Tensor, lse.Tensor, q.Tensor, k.Tensor, v.Tensor, p.segments, a)
		want := literalAttentionBackward(do.host, q.host, k.host, v.host, p.segments, a)
		for i, gradient := range gradients {
			if gradient != nil {
				// With one key the softmax is constant, and dq and dk are differences that cancel.
				tr.near(gradient, want[i], 0.3)
			}
		}
		tr.done()
	})
}

// probabilities calls visit for every query row t and head h of the segments with the keys it sees, first to last
// (exclusive), the softmax over them, and the log of its denominator.
func probabilities(
	q, k matrix, segments []device.Segment, a device.Attention, visit func(t, h, first, last int, p []float64, lse float64),
) {
	for _, s := range segments {
		for i := range s.QLen {
			last := i + s.KLen - s.QLen + 1
			first := 0
			if a.Window > 0 && last > a.Window {
				first = last - a.Window
			}
			for h := range a.Heads {
				query, kvAt := q.part(s.Q+i, h*a.HeadDim, a.HeadDim), h/(a.Heads/a.KVHeads)*a.HeadDim
				scores := build(1, last-first, func(_, j int) float64 {
					return a.Scale * dot(query, k.part(s.K+first+j, kvAt, a.HeadDim))
				})
				largest := math.Inf(-1)
				for _, score := range scores.values {
					largest = math.Max(largest, score)
				}
				var sum float64
				for _, score := range scores.values {
					sum += math.Exp(score - largest)
				}
				p := build(1, last-first, func(_, j int) float64 { return math.Exp(scores.at(0, j)-largest) / sum })
				visit(s.Q+i, h, s.K+first, s.K+last, p.values, largest+math.Log(sum))
			}
		}
	}
}

// literalAttention leaves NaN, what a result holds before, in rows of no segment.
func literalAttention(q, k, v matrix, segments []device.Segment, a device.Attention) (o, lse matrix) {
	o = untouched(q.rows, a.Heads*a.HeadDim)
	lse = untouched(q.rows, a.Heads)
	probabilities(q, k, segments, a, func(t, h, first, last int, p []float64, logSum float64) {
		lse.set(t, h, logSum)
		group := h / (a.Heads / a.KVHeads)
		for e := range a.HeadDim {
			var sum float64
			for s := first; s < last; s++ {
				sum += p[s-first] * v.at(s, group*a.HeadDim+e)
			}
			o.set(t, h*a.HeadDim+e, sum)
		}
	})
	return o, lse
}

// literalAttentionBackward is the chain rule: with dp_s = do·v_s, the softmax passes ds_s = p_s·(dp_s - Σ_r p_r·dp_r)
// to the scores Scale·q·k_s.
func literalAttentionBackward(do, q, k, v matrix, segments []device.Segment, a device.Attention) [3]matrix {
	dq, dk, dv := untouched(q.rows, q.cols), untouched(k.rows, k.cols), untouched(v.rows, v.cols)
	for _, s := range segments {
		dq.zero(s.Q, s.QLen)
		dk.zero(s.K, s.KLen)
		dv.zero(s.K, s.KLen)
	}
	probabilities(q, k, segments, a, func(t, h, first, last int, p []float64, _ float64) {
		at, kvAt := h*a.HeadDim, h/(a.Heads/a.KVHeads)*a.HeadDim
		dp := make([]float64, len(p))
		var mean float64
		for j := range p {
			dp[j] = dot(do.part(t, at, a.HeadDim), v.part(first+j, kvAt, a.HeadDim))
			mean += p[j] * dp[j]
		}
		for s := first; s < last; s++ {
			ds := p[s-first] * (dp[s-first] - mean)
			for e := range a.HeadDim {
				dq.add(t, at+e, a.Scale*ds*k.at(s, kvAt+e))
				dk.add(s, kvAt+e, a.Scale*ds*q.at(t, at+e))
				dv.add(s, kvAt+e, p[s-first]*do.at(t, at+e))
			}
		}
	})
	return [3]matrix{dq, dk, dv}
}

func untouched(rows, cols int) matrix {
	return build(rows, cols, func(int, int) float64 { return math.NaN() })
}

// zero clears count rows from first on.
func (m matrix) zero(first, count int) { clear(m.values[first*m.cols : (first+count)*m.cols]) }
