package jinja

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/tokens"
)

// test evaluates "v is name(args)" and "v in args".
func (r *render) test(name string, v any, args arguments) (bool, error) {
	switch name {
	case "defined", "undefined":
		_, missing := v.(undefined)
		return missing == (name == "undefined"), nil
	case "none":
		return v == nil, nil
	case "string":
		_, ok := v.(string)
		return ok, nil
	case "boolean":
		_, ok := v.(bool)
		return ok, nil
	case "true", "false":
		b, ok := v.(bool)
		return ok && b == (name == "true"), nil
	case "integer":
		_, ok := v.(int)
		return ok, nil
	case "float":
		_, ok := v.(float64)
		return ok, nil
	case "number":
		_, ok := number(v)
		return ok, nil
	case "mapping":
		_, ok := v.(*Dict)
		return ok, nil
	case "sequence", "iterable":
		switch v.(type) {
		case string, *List, *Dict, undefined:
			return true, nil
		}
		return false, nil
	case "callable":
		_, ok := v.(function)
		return ok, nil
	case "odd", "even":
		i, ok := integer(v)
		if !ok {
			return false, fmt.Errorf("test %s: expected an int, got %s", name, typeName(v))
		}
		return (i%2 != 0) == (name == "odd"), nil
	case "lower", "upper":
		s, err := r.str(v)
		if err != nil {
			return false, err
		}
		lower, upper := strings.ToLower(s), strings.ToUpper(s)
		return lower != upper && s == map[string]string{"lower": lower, "upper": upper}[name], nil
	}
	return r.testAgainst(name, v, args)
}

// testAgainst evaluates the tests that take one argument.
func (r *render) testAgainst(name string, v any, args arguments) (bool, error) {
	if len(args.positional) != 1 {
		switch name {
		case "in", "equalto", "eq", "==", "ne", "!=", "sameas", "divisibleby", "lt", "<", "le", "<=", "gt", ">", "ge", ">=":
			return false, fmt.Errorf("test %s: expected one argument, got %d", name, len(args.positional))
		}
		return false, fmt.Errorf("no test named %q", name)
	}
	other := args.positional[0]
	comparison := map[string]tokens.Type{
		"lt": tokens.LowerThan, "<": tokens.LowerThan, "le": tokens.LowerThanOrEqual, "<=": tokens.LowerThanOrEqual,
		"gt": tokens.GreaterThan, ">": tokens.GreaterThan, "ge": tokens.GreaterThanOrEqual, ">=": tokens.GreaterThanOrEqual,
	}
	if operator, ok := comparison[name]; ok {
		holds, err := compare(operator, v, other)
		return err == nil && holds.(bool), err
	}
	switch name {
	case "in":
		return r.contains(other, v)
	case "equalto", "eq", "==":
		return r.equal(v, other)
	case "ne", "!=":
		same, err := r.equal(v, other)
		return !same, err
	case "sameas":
		if typeName(v) != typeName(other) {
			return false, nil
		}
		switch v.(type) {
		case function:
			return false, nil
		}
		return v == other, nil
	case "divisibleby":
		i, ok := integer(v)
		j, also := integer(other)
		if !ok || !also || j == 0 {
			return false, errors.New("test divisibleby: expected an int and an int other than 0")
		}
		return i%j == 0, nil
	}
	return false, fmt.Errorf("no test named %q", name)
}
