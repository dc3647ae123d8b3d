package cpu

// skinnyRows is the number of rows up to which a product reads the weight where it lies: packing it would cost more than
// the multiplications.
const skinnyRows = 8

// skinnyStrip is how many rows of the weight one task takes.
const skinnyStrip = 32

// A skinny product sets c [m, n] to x [m, k]·Wᵀ, or adds it, for a few rows m; each element is one dot product.
type skinny struct {
	c, x view
	w    operand
	add  bool
}

func (d *Device) skinny(c, x view, weight operand, add bool) {
	s := &d.ops.skinny
	*s = skinny{c: c, x: x, w: weight, add: add}
	threads := d.Threads()
	if c.rows*c.cols*x.cols < serialProduct {
		threads = 1
	}
	d.pool.runOn(threads, (c.cols+skinnyStrip-1)/skinnyStrip, s)
	*s = skinny{}
}

func (s *skinny) do(w *worker, task int) {
	for n := task * skinnyStrip; n < min((task+1)*skinnyStrip, s.c.cols); n += 4 {
		w.dots(s.c, &s.w, n, min(4, s.c.cols-n), s.x, s.add)
	}
}

// dots sets c[r, n+i], for the rows r of x and i < count <= 4, to the dot product of row r of x with stored row n+i of m,
// or adds it.
func (w *worker) dots(c view, m *operand, n, count int, x view, add bool) {
	kn := w.kernels
	k := x.cols
	done := 0
	if kn.dots[m.dtype] != nil {
		done = k / kn.lanes * kn.lanes
	}
	if done == 0 || done < k {
		w.dotRest(c, m, n, count, x, done, add)
		add = true
	}
	if done == 0 {
		return
	}
	// The kernels take four rows of m. Where fewer are left they go over the same row four times.
	step, ld := 4, m.stride
	if count < 4 {
		step, ld = 1, 0
	}
	for i := 0; i < count; i += step {
		row := m.at(n+i, 0)
		for r := 0; r < x.rows; {
			group, dots := 1, kn.dot1[m.dtype]
			if x.rows-r >= kn.dotRows {
				group, dots = kn.dotRows, kn.dots[m.dtype]
			}
			out := w.edge()
			dots(done, &x.data[r*x.stride], x.stride, row, ld, &out[0])
			for q := range group {
				dst := c.data[(r+q)*c.stride+n+i:][:step]
				for j := range dst {
					if add {
						dst[j] += out[4*q+j]
					} else {
						dst[j] = out[4*q+j]
					}
				}
			}
			r += group
		}
	}
}

// dotRest does the work of dots from position p of the shared dimension on, without a kernel for frozen rows.
func (w *worker) dotRest(c view, m *operand, n, count int, x view, p int, add bool) {
	for i := range count {
		row := w.segment(m, n+i, p, x.cols-p)
		for r := range x.rows {
			s := w.kernels.dot(x.row(r)[p:], row)
			if at := &c.data[r*c.stride+n+i]; add {
				*at += s
			} else {
				*at = s
			}
		}
	}
}
