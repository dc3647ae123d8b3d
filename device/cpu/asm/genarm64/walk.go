package main

// A place is one vector of elements that a walk has reached in all its arrays, or at the end a single one, in the first
// lane; the other lanes are then computed in vain.
type place struct {
	k      *kernel
	offset int
	single bool
}

// load loads the vector; the lanes beside a single element are zero.
func (p place) load(array integer) vector {
	v := p.k.vector()
	if p.single {
		p.k.emit("FMOVS (%v), F%d", array, v)
	} else {
		p.k.loadVector(v, array, p.offset)
	}
	return v
}

// loadOr is load with other in the lanes beside a single element.
func (p place) loadOr(array integer, other vector) vector {
	if !p.single {
		return p.load(array)
	}
	v := p.k.vector()
	p.k.copy(v, other)
	p.k.emit("VLD1 (%v), %v.S[0]", array, v)
	return v
}

func (p place) store(v vector, array integer) {
	if p.single {
		p.k.emit("FMOVS F%d, (%v)", v, array)
	} else {
		p.k.storeVector(v, array, p.offset)
	}
}

// walk emits a loop over n elements, which it counts down: body is emitted for runs of unroll whole vectors, for single
// vectors, and for single elements. The addresses of the arrays move along.
func (k *kernel) walk(n integer, unroll int, arrays []integer, body func(places []place)) {
	run := func(places []place, elements int) {
		k.runs(n, elements, func() {
			k.scope(func() { body(places) })
			for _, a := range arrays {
				k.advance(a, 4*elements)
			}
		})
	}
	places := make([]place, unroll)
	for u := range places {
		places[u] = place{k: k, offset: u * vectorBytes}
	}
	if unroll > 1 {
		run(places, unroll*lanes)
	}
	run(places[:1], lanes)
	run([]place{{k: k, single: true}}, 1)
}

// each emits a kernel that is one statement for every element of its slices, the first of which gives the length.
func (k *kernel) each(unroll int, slices []string, body func(p place, s []integer)) {
	n, s := k.length(slices[0]), k.slices(slices...)
	k.walk(n, unroll, s, func(places []place) {
		for _, p := range places {
			k.scope(func() { body(p, s) })
		}
	})
}
