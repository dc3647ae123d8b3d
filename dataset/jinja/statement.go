package jinja

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/nodes"
)

// statement is one compiled piece of a template.
type statement interface {
	run(r *render, s *scope) (signal, error)
}

// signal says how a statement ended.
type signal int

const (
	proceed    signal = iota
	breakLoop         // {% break %} was reached
	nextInLoop        // {% continue %} was reached
)

// run executes statements in order until one of them breaks or continues a loop.
func (r *render) run(body []statement, s *scope) (signal, error) {
	for _, st := range body {
		sig, err := st.run(r, s)
		if err != nil || sig != proceed {
			return sig, err
		}
	}
	return proceed, nil
}

// capture runs body and returns what it printed.
func (r *render) capture(body []statement, s *scope) (string, signal, error) {
	var out strings.Builder
	outer := r.out
	r.out = &out
	sig, err := r.run(body, s)
	r.out = outer
	return out.String(), sig, err
}

// text is literal text, with the whitespace control of its neighbours already applied.
type text string

func (t text) run(r *render, _ *scope) (signal, error) { return proceed, r.print(string(t)) }

// output is {{ value }}.
type output struct{ value nodes.Expression }

func (o output) run(r *render, s *scope) (signal, error) {
	v, err := r.eval(o.value, s)
	if err != nil {
		return proceed, located(o.value, err)
	}
	printed, err := r.str(v)
	if err != nil {
		return proceed, located(o.value, err)
	}
	return proceed, located(o.value, r.print(printed))
}

// branch is {% if %}: the first body whose condition holds; a nil condition is the else branch.
type branch struct {
	conditions []nodes.Expression
	bodies     [][]statement
}

func (b branch) run(r *render, s *scope) (signal, error) {
	for i, condition := range b.conditions {
		if condition != nil {
			v, err := r.eval(condition, s)
			if err != nil {
				return proceed, located(condition, err)
			}
			if !truth(v) {
				continue
			}
		}
		return r.run(b.bodies[i], s)
	}
	return proceed, nil
}

// loop is {% for names in over if condition %} body {% else %} otherwise {% endfor %}.
type loop struct {
	names     []string
	over      nodes.Expression
	condition nodes.Expression
	body      []statement
	otherwise []statement
}

// loopState is the variable "loop" inside a for loop.
type loopState struct {
	items []any
	index int
	depth int
}

func (l loop) run(r *render, s *scope) (signal, error) {
	over, err := r.eval(l.over, s)
	if err != nil {
		return proceed, located(l.over, err)
	}
	items, err := r.iterate(over)
	if err != nil {
		return proceed, located(l.over, err)
	}
	if l.condition != nil {
		if items, err = l.filter(r, s, items); err != nil {
			return proceed, located(l.condition, err)
		}
	}
	if len(items) == 0 {
		return r.run(l.otherwise, s)
	}
	state := &loopState{items: items, depth: 1}
	if outer, ok := s.lookup("loop").(*loopState); ok {
		state.depth = outer.depth + 1
	}
	for i, item := range items {
		if err := r.charge(1); err != nil {
			return proceed, located(l.over, err)
		}
		state.index = i
		inner := &scope{values: map[string]any{"loop": state}, parent: s}
		if err := l.bind(inner, item); err != nil {
			return proceed, located(l.over, err)
		}
		sig, err := r.run(l.body, inner)
		if err != nil {
			return proceed, err
		}
		if sig == breakLoop {
			break
		}
	}
	return proceed, nil
}

// filter keeps the items for which the loop's condition holds.
func (l loop) filter(r *render, s *scope, items []any) ([]any, error) {
	var kept []any
	for _, item := range items {
		inner := &scope{values: map[string]any{}, parent: s}
		if err := l.bind(inner, item); err != nil {
			return nil, err
		}
		v, err := r.eval(l.condition, inner)
		if err != nil {
			return nil, err
		}
		if truth(v) {
			kept = append(kept, item)
		}
	}
	return kept, nil
}

// bind assigns an item to the loop's names.
func (l loop) bind(s *scope, item any) error {
	if len(l.names) == 1 {
		s.values[l.names[0]] = item
		return nil
	}
	list, ok := item.(*List)
	if !ok || len(list.Items) != len(l.names) {
		return fmt.Errorf("cannot unpack %s into %d names", typeName(item), len(l.names))
	}
	for i, name := range l.names {
		s.values[name] = list.Items[i]
	}
	return nil
}

// assign is {% set target = value %} or {% set name %} body {% endset %}.
type assign struct {
	target nodes.Expression
	value  nodes.Expression // nil for the block form
	body   []statement
}

func (a assign) run(r *render, s *scope) (signal, error) {
	var value any
	var err error
	if a.value != nil {
		value, err = r.eval(a.value, s)
	} else {
		value, _, err = r.capture(a.body, s)
	}
	if err != nil {
		return proceed, located(a.target, err)
	}
	switch target := a.target.(type) {
	case *nodes.Name:
		s.values[target.Name.Val] = value
		return proceed, nil
	case *nodes.GetAttribute:
		object, err := r.eval(target.Node, s)
		if err != nil {
			return proceed, located(a.target, err)
		}
		if namespace, ok := object.(*Dict); ok && namespace.namespace {
			namespace.Set(target.Attribute, value)
			return proceed, nil
		}
	}
	return proceed, located(a.target, errors.New("set: only a name or an attribute of a namespace can be assigned"))
}

// define is {% macro name(parameters) %} body {% endmacro %}.
type define struct {
	name       string
	parameters []parameter
	body       []statement
}

type parameter struct {
	name  string
	value nodes.Expression // the default, nil if there is none
}

func (d define) run(r *render, s *scope) (signal, error) {
	s.values[d.name] = function(func(r *render, args arguments) (any, error) {
		if r.depth++; r.depth > maxDepth {
			return nil, fmt.Errorf("macro %q: calls are nested more than %d deep", d.name, maxDepth)
		}
		defer func() { r.depth-- }()
		if len(args.positional) > len(d.parameters) {
			return nil, fmt.Errorf("macro %q: takes %d arguments, got %d", d.name, len(d.parameters), len(args.positional))
		}
		known := map[string]bool{}
		inner := &scope{values: map[string]any{}, parent: s}
		for i, p := range d.parameters {
			known[p.name] = true
			value := args.get(i, p.name, undefined{p.name})
			if _, missing := value.(undefined); missing && p.value != nil {
				var err error
				if value, err = r.eval(p.value, inner); err != nil {
					return nil, err
				}
			}
			inner.values[p.name] = value
		}
		for _, keyword := range sortedKeys(args.keywords) {
			if !known[keyword] {
				return nil, fmt.Errorf("macro %q: takes no argument %q", d.name, keyword)
			}
		}
		printed, _, err := r.capture(d.body, inner)
		return printed, err
	})
	return proceed, nil
}

// group is a tag that only marks its body, as {% generation %} does.
type group []statement

func (g group) run(r *render, s *scope) (signal, error) { return r.run(g, s) }

// run lets a signal stand for {% break %} and {% continue %} themselves.
func (sig signal) run(*render, *scope) (signal, error) { return sig, nil }
