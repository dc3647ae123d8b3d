package jinja

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/nodes"
)

// eval evaluates an expression by Python's rules.
func (r *render) eval(node nodes.Node, s *scope) (any, error) {
	if err := r.charge(1); err != nil {
		return nil, err
	}
	switch n := node.(type) {
	case *nodes.None:
		return nil, nil
	case *nodes.Bool:
		return n.Val, nil
	case *nodes.Integer:
		return n.Val, nil
	case *nodes.Float:
		return n.Val, nil
	case *nodes.String:
		return n.Val, nil
	case *nodes.Name:
		if n.Name.Val == "none" {
			return nil, nil
		}
		return s.lookup(n.Name.Val), nil
	case *nodes.List:
		return r.evalList(n.Val, s)
	case *nodes.Tuple:
		return r.evalList(n.Val, s)
	case *nodes.Dict:
		return r.evalDict(n, s)
	case *nodes.GetAttribute:
		return r.evalAttribute(n, s)
	case *nodes.GetItem:
		return r.evalItem(n, s)
	case *nodes.GetSlice:
		return r.evalSlice(n, s)
	case *nodes.Call:
		return r.evalCall(n, s)
	case *nodes.Negation:
		v, err := r.eval(n.Term, s)
		return !truth(v), err
	case *nodes.UnaryExpression:
		return r.evalSign(n, s)
	case *nodes.BinaryExpression:
		return r.evalBinary(n, s)
	case *nodes.FilteredExpression:
		return r.evalFiltered(n, s)
	case *nodes.TestExpression:
		return r.evalTest(n, s)
	}
	return nil, fmt.Errorf("unsupported expression %T", node)
}

func (r *render) evalList(list []nodes.Expression, s *scope) (any, error) {
	items := make([]any, len(list))
	for i, item := range list {
		v, err := r.eval(item, s)
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	return &List{items}, nil
}

func (r *render) evalDict(n *nodes.Dict, s *scope) (any, error) {
	d := NewDict()
	for _, pair := range n.Pairs {
		key, err := r.eval(pair.Key, s)
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("dict key: expected a string, got %s", typeName(key))
		}
		value, err := r.eval(pair.Value, s)
		if err != nil {
			return nil, err
		}
		d.Set(name, value)
	}
	return d, nil
}

func (r *render) evalAttribute(n *nodes.GetAttribute, s *scope) (any, error) {
	object, err := r.eval(n.Node, s)
	if err != nil {
		return nil, err
	}
	if n.Attribute == "" {
		return index(object, n.Index)
	}
	return attribute(object, n.Attribute)
}

// attribute is object.name: an item of a dict, a field of the loop, else undefined. Methods exist only when called.
func attribute(object any, name string) (any, error) {
	switch object := object.(type) {
	case undefined:
		return nil, fmt.Errorf("%q is undefined, it has no attribute %q", object.name, name)
	case *Dict:
		if v, ok := object.values[name]; ok {
			return v, nil
		}
	case *loopState:
		return object.attribute(name), nil
	}
	return undefined{name}, nil
}

func (l *loopState) attribute(name string) any {
	switch n := len(l.items); name {
	case "index":
		return l.index + 1
	case "index0":
		return l.index
	case "revindex":
		return n - l.index
	case "revindex0":
		return n - l.index - 1
	case "first":
		return l.index == 0
	case "last":
		return l.index == n-1
	case "length":
		return n
	case "depth":
		return l.depth
	case "depth0":
		return l.depth - 1
	case "previtem":
		if l.index > 0 {
			return l.items[l.index-1]
		}
	case "nextitem":
		if l.index < n-1 {
			return l.items[l.index+1]
		}
	}
	return undefined{"loop." + name}
}

func (r *render) evalCall(n *nodes.Call, s *scope) (any, error) {
	if name, ok := n.Func.(*nodes.Name); ok && name.Name.Val == conditional && len(n.Args) == 3 {
		condition, err := r.eval(n.Args[0], s)
		if err != nil {
			return nil, err
		}
		if truth(condition) {
			return r.eval(n.Args[1], s)
		}
		return r.eval(n.Args[2], s)
	}
	if get, ok := n.Func.(*nodes.GetAttribute); ok && get.Attribute != "" {
		object, err := r.eval(get.Node, s)
		if err != nil {
			return nil, err
		}
		if method := methodOf(object, get.Attribute); method != nil {
			return r.invoke(method, get.Attribute, n, s)
		}
		value, err := attribute(object, get.Attribute)
		if err != nil {
			return nil, err
		}
		if callee, ok := value.(function); ok {
			return r.invoke(callee, get.Attribute, n, s)
		}
		return nil, fmt.Errorf("%s has no method %q", typeName(object), get.Attribute)
	}
	callee, err := r.eval(n.Func, s)
	if err != nil {
		return nil, err
	}
	name := "the value"
	if n, ok := n.Func.(*nodes.Name); ok {
		name = n.Name.Val
	}
	f, ok := callee.(function)
	if !ok {
		return nil, fmt.Errorf("%s is not a function but %s", name, typeName(callee))
	}
	return r.invoke(f, name, n, s)
}

func (r *render) invoke(f function, name string, n *nodes.Call, s *scope) (any, error) {
	args, err := r.evalArguments(n.Args, n.Kwargs, s)
	if err != nil {
		return nil, err
	}
	v, err := f(r, args)
	if err != nil {
		if _, ok := err.(raised); ok {
			return nil, err
		}
		return nil, fmt.Errorf("%s(): %w", name, err)
	}
	return v, nil
}

func (r *render) evalArguments(positional []nodes.Expression, keywords map[string]nodes.Expression, s *scope) (
	arguments, error,
) {
	args := arguments{positional: make([]any, len(positional)), keywords: map[string]any{}}
	for i, node := range positional {
		v, err := r.eval(node, s)
		if err != nil {
			return args, err
		}
		args.positional[i] = v
	}
	for _, key := range sortedKeys(keywords) {
		v, err := r.eval(keywords[key], s)
		if err != nil {
			return args, err
		}
		args.keywords[key] = v
	}
	return args, nil
}

func (r *render) evalFiltered(n *nodes.FilteredExpression, s *scope) (any, error) {
	v, err := r.eval(n.Expression, s)
	if err != nil {
		return nil, err
	}
	return r.applyFilters(v, n.Filters, s)
}

func (r *render) applyFilters(v any, list []*nodes.FilterCall, s *scope) (any, error) {
	for _, call := range list {
		apply, ok := filters[call.Name]
		if !ok {
			return nil, fmt.Errorf("no filter named %q", call.Name)
		}
		args, err := r.evalArguments(call.Args, call.Kwargs, s)
		if err != nil {
			return nil, err
		}
		if v, err = apply(r, v, args); err != nil {
			return nil, fmt.Errorf("filter %s: %w", call.Name, err)
		}
	}
	return v, nil
}

func (r *render) evalTest(n *nodes.TestExpression, s *scope) (any, error) {
	v, err := r.eval(n.Expression, s)
	if err != nil {
		return nil, err
	}
	args, err := r.evalArguments(n.Test.Args, n.Test.Kwargs, s)
	if err != nil {
		return nil, err
	}
	return r.test(n.Test.Name, v, args)
}
