package main

// A stored is the dtype of a frozen operand.
type stored struct {
	name  string
	shift int // its size is 1 << shift bytes
}

var f32, f16, bf16 = stored{"F32", 2}, stored{"F16", 1}, stored{"BF16", 1}

// load loads one vector of elements as floats, or two, and moves the address on.
func (t stored) load(k *kernel, n int, from integer) []vector {
	v := k.vectors(n)
	last := v[n-1] // gets all bytes of the narrow dtypes
	switch {
	case t == f32 && n == 2:
		k.emit("FLDPQ.P 32(%v), (F%d, F%d)", from, v[0], v[1])
	case t == f32 || n == 2:
		k.emit("FMOVQ.P 16(%v), F%d", from, last)
	default:
		k.emit("FMOVD.P 8(%v), F%d", from, last)
	}
	switch t {
	case f16:
		k.fcvtl(v[0], last)
		if n == 2 {
			k.fcvtl2(v[1], last)
		}
	case bf16:
		k.shll(v[0], last)
		if n == 2 {
			k.shll2(v[1], last)
		}
	}
	return v
}
