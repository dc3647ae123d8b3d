package model

import (
	"fmt"

	"smt/device"
)

// A Cache keeps the keys and values of sequences that are being generated, so that each step computes new tokens only.
// It has room for Slots sequences of up to Length tokens; sequence s occupies rows s·Length onwards.
type Cache struct {
	Slots, Length int
	Used          []int           // tokens held by each slot
	keys, values  []device.Tensor // per layer [Slots·Length, G·d]
}

// NewCache takes the memory of a cache: 2·layers·slots·length·G·d elements.
func (d *Decoder) NewCache(slots, length int) *Cache {
	c := &Cache{Slots: slots, Length: length, Used: make([]int, slots)}
	kv := d.Config.KVHeads * d.Config.HeadDim
	for range d.Layers {
		c.keys = append(c.keys, d.Device.New(slots*length, kv))
		c.values = append(c.values, d.Device.New(slots*length, kv))
	}
	return c
}

// Extend makes in the continuation of the given slots by rows[i] new tokens each, and counts them as used once the input
// has been run. The logits of each row's last token are the targets.
func (c *Cache) Extend(in *Input, slots []int, rows [][]int32) error {
	in.Reset()
	for i, slot := range slots {
		start, used := len(in.IDs), c.Used[slot]
		if used+len(rows[i]) > c.Length {
			return fmt.Errorf("model: a sequence of %d tokens, the cache holds %d", used+len(rows[i]), c.Length)
		}
		for p := range rows[i] {
			in.Positions = append(in.Positions, int32(used+p))
		}
		in.IDs = append(in.IDs, rows[i]...)
		in.Segments = append(in.Segments, device.Segment{Q: start, QLen: len(rows[i]), K: slot * c.Length, KLen: used + len(rows[i])})
		in.Targets = append(in.Targets, int32(len(in.IDs)-1))
		c.Used[slot] = used + len(rows[i])
	}
	return nil
}

// append stores the new tokens' keys and values of one layer and returns all that the layer's attention may read.
func (c *Cache) append(dev device.Device, layer int, k, v device.Tensor, segments []device.Segment) (keys, values device.Tensor) {
	keys, values = c.keys[layer], c.values[layer]
	for _, s := range segments {
		at := s.K + s.KLen - s.QLen
		dev.Combine(keys.Slice(at, at+s.QLen), k.Slice(s.Q, s.Q+s.QLen), 1, 0)
		dev.Combine(values.Slice(at, at+s.QLen), v.Slice(s.Q, s.Q+s.QLen), 1, 0)
	}
	return keys, values
}

// Copy makes slot dst continue the same sequence as slot src.
func (c *Cache) Copy(dev device.Device, dst, src int) { c.CopyFrom(dev, dst, src, 0) }

// CopyFrom is Copy for slots whose sequences already agree up to the token at from: only what follows is copied.
func (c *Cache) CopyFrom(dev device.Device, dst, src, from int) {
	n := c.Used[src]
	if from = min(from, n, c.Used[dst]); from < n && dst != src {
		for layer := range c.keys {
			for _, t := range []device.Tensor{c.keys[layer], c.values[layer]} {
				dev.Combine(t.Slice(dst*c.Length+from, dst*c.Length+n), t.Slice(src*c.Length+from, src*c.Length+n), 1, 0)
			}
		}
	}
	c.Used[dst] = n
}

// Clear empties a slot.
func (c *Cache) Clear(slot int) { c.Used[slot] = 0 }
