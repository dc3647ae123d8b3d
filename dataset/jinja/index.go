package jinja

import (
	"fmt"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/nodes"
)

func (r *render) evalItem(n *nodes.GetItem, s *scope) (any, error) {
	object, err := r.eval(n.Node, s)
	if err != nil {
		return nil, err
	}
	key, err := r.eval(n.Arg, s)
	if err != nil {
		return nil, err
	}
	if s, ok := object.(string); ok {
		if err := r.charge(len(s) / bytesPerStep); err != nil {
			return nil, err
		}
	}
	return index(object, key)
}

// index is object[key].
func index(object, key any) (any, error) {
	if u, ok := object.(undefined); ok {
		return nil, fmt.Errorf("%q is undefined, it has no items", u.name)
	}
	if name, ok := key.(string); ok {
		return attribute(object, name)
	}
	i, ok := integer(key)
	if !ok {
		return undefined{"item"}, nil
	}
	switch object := object.(type) {
	case *List:
		if i < 0 {
			i += len(object.Items)
		}
		if i >= 0 && i < len(object.Items) {
			return object.Items[i], nil
		}
	case string:
		n := utf8.RuneCountInString(object)
		if i < 0 {
			i += n
		}
		if i >= 0 && i < n {
			return string([]rune(object)[i]), nil
		}
	}
	return undefined{fmt.Sprintf("item %d", i)}, nil
}

func (r *render) evalSlice(n *nodes.GetSlice, s *scope) (any, error) {
	object, err := r.eval(n.Node, s)
	if err != nil {
		return nil, err
	}
	bounds := [3]any{}
	for i, part := range []nodes.Node{n.Start, n.End, n.Step} {
		if part == nil {
			continue
		}
		if bounds[i], err = r.eval(part, s); err != nil {
			return nil, err
		}
	}
	switch object := object.(type) {
	case *List:
		positions, err := slicePositions(len(object.Items), bounds)
		if err != nil {
			return nil, err
		}
		items := make([]any, len(positions))
		for i, at := range positions {
			items[i] = object.Items[at]
		}
		return &List{items}, r.charge(len(items))
	case string:
		if err := r.charge(len(object)/bytesPerStep + 1); err != nil {
			return nil, err
		}
		characters := []rune(object)
		positions, err := slicePositions(len(characters), bounds)
		if err != nil {
			return nil, err
		}
		chosen := make([]rune, len(positions))
		for i, at := range positions {
			chosen[i] = characters[at]
		}
		return string(chosen), nil
	}
	return nil, fmt.Errorf("cannot slice %s", typeName(object))
}

// slicePositions lists the positions that Python's [start:end:step] takes from a sequence of n items.
func slicePositions(n int, bounds [3]any) ([]int, error) {
	step := 1
	if bounds[2] != nil {
		var ok bool
		if step, ok = integer(bounds[2]); !ok || step == 0 {
			return nil, fmt.Errorf("slice step: expected an int other than 0, got %s", typeName(bounds[2]))
		}
	}
	first, last := 0, n // for a positive step: the range of start and end
	start, end := 0, n
	if step < 0 {
		first, last = -1, n-1
		start, end = n-1, -1
	}
	for i, target := range []*int{&start, &end} {
		if bounds[i] == nil {
			continue
		}
		at, ok := integer(bounds[i])
		if !ok {
			return nil, fmt.Errorf("slice bound: expected an int, got %s", typeName(bounds[i]))
		}
		if at < 0 {
			at += n
		}
		*target = max(first, min(at, last))
	}
	var positions []int
	// A step beyond the length takes one item; clamping it keeps the sum from overflowing.
	step = max(-n-1, min(step, n+1))
	for at := start; step > 0 && at < end || step < 0 && at > end; at += step {
		positions = append(positions, at)
	}
	return positions, nil
}
