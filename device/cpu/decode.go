package cpu

import "math"

// attentionDirect is attention of a few queries, as in decoding with a cache: dot products with the keys where they lie, one
// softmax over all of them, and a weighted sum of the values. Packing keys and values would cost more than using them. A task
// is a segment and a key/value head with all query heads that read it.
type attentionDirect attention

func (a *attentionDirect) do(w *worker, task int) {
	kn := w.kernels
	s, kv := &a.spans[task/a.KVHeads], task%a.KVHeads
	keys, values := a.head(a.k, s.K, kv).operand(true), a.head(a.v, s.K, kv)
	scores := view{w.a.take(s.KLen * a.group), a.group, s.KLen, s.KLen}
	for i := range s.QLen {
		// The query heads of the group are the rows of a small matrix within row i.
		queries := view{a.q.row(s.Q + i)[kv*a.group*a.HeadDim:], a.group, a.HeadDim, a.HeadDim}
		from, to := a.visible(s, i, 1, 1)
		for j := from; j < to; j += 4 {
			w.dots(scores, &keys, j, min(4, to-j), queries, false)
		}
		for h := range a.group {
			p := scores.row(h)[from:to]
			kn.scale(p, p, float32(a.Scale))
			top := kn.max(p)
			kn.expScale(p, p, top, 1)
			sum := kn.sum(p)
			o := a.head(a.o, s.Q+i, kv*a.group+h).row(0)
			kn.weigh(o, p, &values.data[from*values.stride], values.stride)
			kn.scale(o, o, 1/sum)
			if a.lse.data != nil {
				a.lse.row(s.Q + i)[kv*a.group+h] = float32(float64(top) + math.Log(float64(sum)))
			}
		}
	}
}
