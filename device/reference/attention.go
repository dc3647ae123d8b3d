package reference

import (
	"math"

	"smt/device"
)

// Attention computes softmax(Scale·q·kᵀ)·v within the segments. The scores of one query are held at a time.
func (*Device) Attention(o, lse, q, k, v device.Tensor, segments []device.Segment, a device.Attention) {
	const op = "Attention"
	checkHeads(op, q, k, v, segments, a)
	checkShape(op, "o", o, q.Rows, q.Cols)
	out, queries, keys, values := floats(op, "o", o), floats(op, "q", q), floats(op, "k", k), floats(op, "v", v)
	kept, keep := optionalFloats(op, "lse", lse)
	if keep {
		checkShape(op, "lse", lse, q.Rows, a.Heads)
	}
	forEachQuery(segments, a, func(t, h, first, last int) {
		at, kvAt := h*a.HeadDim, h/(a.Heads/a.KVHeads)*a.HeadDim
		query := queries.row(t)[at : at+a.HeadDim]
		scores := make([]float64, last-first)
		for i := range scores {
			scores[i] = a.Scale * dot(query, keys.row(first + i)[kvAt:])
		}
		total := logSumExp(scores)
		if keep {
			kept.row(t)[h] = total
		}
		result := out.row(t)[at : at+a.HeadDim]
		clear(result)
		for i, score := range scores {
			addScaled(result, math.Exp(score-total), values.row(first + i)[kvAt:])
		}
	})
}

// AttentionBackward computes, with p_s the probability of key s for query t and head h,
//
//	dv_s += p_s·do_t;  ds_s = p_s·(do_t·v_s - do_t·o_t);  dq_t += Scale·ds_s·k_s;  dk_s += Scale·ds_s·q_t
//
// (the softmax's Jacobian applied to do_t·v_s, where Σ_s p_s·(do_t·v_s) = do_t·o_t).
func (dev *Device) AttentionBackward(
	dq, dk, dv, do, o, lse, q, k, v device.Tensor, segments []device.Segment, a device.Attention,
) {
	const op = "AttentionBackward"
	checkHeads(op, q, k, v, segments, a)
	checkShape(op, "do", do, q.Rows, q.Cols)
	checkShape(op, "o", o, q.Rows, q.Cols)
	checkShape(op, "lse", lse, q.Rows, a.Heads)
	gradQ, wantQ := optionalFloats(op, "dq", dq)
	gradK, wantK := optionalFloats(op, "dk", dk)
	gradV, wantV := optionalFloats(op, "dv", dv)
	if wantQ {
		checkShape(op, "dq", dq, q.Rows, q.Cols)
	}
	if wantK {
		checkShape(op, "dk", dk, k.Rows, k.Cols)
	}
	if wantV {
		checkShape(op, "dv", dv, v.Rows, v.Cols)
	}
	for _, s := range segments {
		if wantQ {
			dev.Fill(dq.Slice(s.Q, s.Q+s.QLen), 0)
		}
		if wantK {
			dev.Fill(dk.Slice(s.K, s.K+s.KLen), 0)
		}
		if wantV {
			dev.Fill(dv.Slice(s.K, s.K+s.KLen), 0)
		}
	}
	gradO, out, kept := floats(op, "do", do), floats(op, "o", o), floats(op, "lse", lse)
	queries, keys, values := floats(op, "q", q), floats(op, "k", k), floats(op, "v", v)
	forEachQuery(segments, a, func(t, h, first, last int) {
		at, kvAt := h*a.HeadDim, h/(a.Heads/a.KVHeads)*a.HeadDim
		query := queries.row(t)[at : at+a.HeadDim]
		do := gradO.row(t)[at : at+a.HeadDim]
		shared := dot(do, out.row(t)[at:])
		for s := first; s < last; s++ {
			key, value := keys.row(s)[kvAt:kvAt+a.HeadDim], values.row(s)[kvAt:kvAt+a.HeadDim]
			p := math.Exp(a.Scale*dot(query, key) - kept.row(t)[h])
			ds := a.Scale * p * (dot(do, value) - shared)
			if wantQ {
				addScaled(gradQ.row(t)[at:at+a.HeadDim], ds, key)
			}
			if wantK {
				addScaled(gradK.row(s)[kvAt:kvAt+a.HeadDim], ds, query)
			}
			if wantV {
				addScaled(gradV.row(s)[kvAt:kvAt+a.HeadDim], p, do)
			}
		}
	})
}

// forEachQuery visits every query row t and head h with the rows first to last (exclusive) of the keys that it sees.
func forEachQuery(segments []device.Segment, a device.Attention, visit func(t, h, first, last int)) {
	for _, s := range segments {
		for i := range s.QLen {
			seen := i + s.KLen - s.QLen + 1
			first := 0
			if a.Window > 0 {
				first = max(0, seen-a.Window)
			}
			for h := range a.Heads {
				visit(s.Q+i, h, s.K+first, s.K+seen)
			}
		}
	}
}

func checkHeads(op string, q, k, v device.Tensor, segments []device.Segment, a device.Attention) {
	check(a.HeadDim > 0 && a.KVHeads > 0 && a.Heads > 0 && a.Heads%a.KVHeads == 0 && a.Window >= 0, op,
		"heads %+v: want key/value heads that divide the heads, and a window that is not negative", a)
	checkShape(op, "q", q, q.Rows, a.Heads*a.HeadDim)
	checkShape(op, "k", k, k.Rows, a.KVHeads*a.HeadDim)
	checkShape(op, "v", v, k.Rows, a.KVHeads*a.HeadDim)
	for i, s := range segments {
		check(s.Q >= 0 && s.QLen >= 0 && s.Q+s.QLen <= q.Rows && s.K >= 0 && s.KLen >= s.QLen && s.K+s.KLen <= k.Rows, op,
			"segment %d is %+v for q %s and k %s: want rows inside them and no fewer keys than queries",
			i, s, describe(q), describe(k))
	}
}

// addScaled adds scale·x to dst.
func addScaled(dst []float64, scale float64, x []float64) {
	for j := range dst {
		dst[j] += scale * x[j]
	}
}
