package tokenizer

// class reads a bracket expression, whose opening bracket was read. Classes nest, and && intersects what stands on
// its sides.
func (t *translator) class(f flags) runeSet {
	if t.depth++; t.depth > maxGroups {
		t.fail("groups nest more than %d deep", maxGroups)
	}
	defer func() { t.depth-- }()
	negate := t.accept("^")
	var sets []runeSet // what the current side of && has
	var sides runeSet  // what all earlier sides have in common
	several, empty := false, true
	intersect := func() {
		side := union(sets...)
		if several {
			side = union(side.complement(), sides.complement()).complement()
		}
		sides, several, sets = side, true, nil
	}
	for t.more() {
		switch {
		case t.src[t.pos] == ']' && !empty:
			t.pos++
			intersect()
			if f.fold {
				sides = sides.folded()
			}
			if negate {
				return sides.complement()
			}
			return sides
		case t.src[t.pos] == ']':
			t.fail("empty class")
		case t.accept("&&"):
			intersect()
		case t.accept("[:"):
			sets = append(sets, t.posix())
		case t.accept("["):
			sets = append(sets, t.class(flags{}))
		default:
			sets = append(sets, t.classRange())
		}
		empty = false
	}
	t.fail("no closing ]")
	return nil
}

// posix reads the rest of [:name:].
func (t *translator) posix() runeSet {
	negate := t.accept("^")
	name := t.until(':')
	set, ok := bracket(name)
	if !ok || !t.accept("]") {
		t.fail("unknown class [:%s:]", name)
	}
	if negate {
		return set.complement()
	}
	return set
}

// classRange reads a character, a range a-z, or an escaped set inside a class.
func (t *translator) classRange() runeSet {
	set, single := t.classAtom()
	if !single || t.pos+1 >= len(t.src) || t.src[t.pos] != '-' || t.src[t.pos+1] == ']' || t.err != nil {
		return set
	}
	t.pos++
	if t.src[t.pos] == '[' || t.src[t.pos] == '&' {
		t.fail("unescaped - before %c in a class", t.src[t.pos])
		return nil
	}
	end, single := t.classAtom()
	if t.err != nil {
		return nil
	}
	if !single || end[0].first < set[0].first {
		t.fail("bad range in a class")
		return nil
	}
	return runeSet{{set[0].first, end[0].first}}
}

// classAtom reads one character or one escaped set inside a class.
func (t *translator) classAtom() (set runeSet, single bool) {
	c := t.src[t.pos]
	t.pos++
	if c != '\\' {
		return runeSet{{c, c}}, true
	}
	if !t.more() {
		t.fail(`\ at the end`)
		return nil, false
	}
	if t.src[t.pos] == 'b' {
		t.pos++
		return runeSet{{'\b', '\b'}}, true
	}
	return t.escapedSet()
}
