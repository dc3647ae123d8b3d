package jinja

import (
	"errors"
	"fmt"

	"github.com/nikolalohinski/gonja/v2/nodes"
)

var errNoExpression = errors.New("expected an expression")

// checkTree checks that an expression is complete and of known kinds. gonja's parser leaves holes in its tree where an
// operand is missing, as in {{ in x }}; what passes here can be evaluated, and asked for its position, without care.
func checkTree(node nodes.Node) error {
	switch n := node.(type) {
	case *nodes.None, *nodes.Bool, *nodes.Integer, *nodes.Float, *nodes.String, *nodes.Name:
		return nil
	case *nodes.List:
		return checkAll(n.Val, nil)
	case *nodes.Tuple:
		return checkAll(n.Val, nil)
	case *nodes.Dict:
		for _, pair := range n.Pairs {
			if err := checkAll([]nodes.Expression{pair.Key, pair.Value}, nil); err != nil {
				return err
			}
		}
		return nil
	case *nodes.GetAttribute:
		return checkTree(n.Node)
	case *nodes.GetItem:
		return checkAll([]nodes.Expression{n.Node, n.Arg}, nil)
	case *nodes.GetSlice:
		for _, bound := range []nodes.Node{n.Start, n.End, n.Step} {
			if bound == nil {
				continue
			}
			if err := checkTree(bound); err != nil {
				return err
			}
		}
		return checkTree(n.Node)
	case *nodes.Call:
		if err := checkTree(n.Func); err != nil {
			return err
		}
		return checkAll(n.Args, n.Kwargs)
	case *nodes.Negation:
		return checkTree(n.Term)
	case *nodes.UnaryExpression:
		return checkTree(n.Term)
	case *nodes.BinaryExpression:
		return checkAll([]nodes.Expression{n.Left, n.Right}, nil)
	case *nodes.FilteredExpression:
		for _, filter := range n.Filters {
			if err := checkAll(filter.Args, filter.Kwargs); err != nil {
				return err
			}
		}
		return checkTree(n.Expression)
	case *nodes.TestExpression:
		if err := checkAll(n.Test.Args, n.Test.Kwargs); err != nil {
			return err
		}
		return checkTree(n.Expression)
	case nil:
		return errNoExpression
	}
	return fmt.Errorf("unsupported expression %T", node)
}

func checkAll(list []nodes.Expression, named map[string]nodes.Expression) error {
	for _, node := range list {
		if err := checkTree(node); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(named) {
		if err := checkTree(named[name]); err != nil {
			return err
		}
	}
	return nil
}
