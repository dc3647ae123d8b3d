package jinja

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

func (r *render) evalSign(n *nodes.UnaryExpression, s *scope) (any, error) {
	v, err := r.eval(n.Term, s)
	if err != nil {
		return nil, err
	}
	if !n.Negative {
		return v, nil
	}
	if i, ok := integer(v); ok {
		return -i, nil
	}
	if f, ok := v.(float64); ok {
		return -f, nil
	}
	return nil, fmt.Errorf("cannot negate %s", typeName(v))
}

func (r *render) evalBinary(n *nodes.BinaryExpression, s *scope) (any, error) {
	left, err := r.eval(n.Left, s)
	if err != nil {
		return nil, err
	}
	// "and" and "or" give one of their operands, and evaluate the second only if it is needed.
	switch n.Operator.Token.Type {
	case tokens.And:
		if !truth(left) {
			return left, nil
		}
		return r.eval(n.Right, s)
	case tokens.Or:
		if truth(left) {
			return left, nil
		}
		return r.eval(n.Right, s)
	}
	right, err := r.eval(n.Right, s)
	if err != nil {
		return nil, err
	}
	switch n.Operator.Token.Type {
	case tokens.Equals:
		return r.equal(left, right)
	case tokens.Ne:
		same, err := r.equal(left, right)
		return !same, err
	case tokens.LowerThan, tokens.LowerThanOrEqual, tokens.GreaterThan, tokens.GreaterThanOrEqual:
		return compare(n.Operator.Token.Type, left, right)
	case tokens.Tilde:
		return r.join(left, right)
	case tokens.Addition:
		return r.add(left, right)
	case tokens.Multiply:
		return r.multiply(left, right)
	}
	return arithmetic(n.Operator.Token, left, right)
}

func compare(operator tokens.Type, left, right any) (any, error) {
	var order int
	if a, ok := left.(string); ok {
		b, ok := right.(string)
		if !ok {
			return nil, fmt.Errorf("cannot compare %s with %s", typeName(left), typeName(right))
		}
		order = strings.Compare(a, b)
	} else {
		a, ok := number(left)
		b, also := number(right)
		if !ok || !also {
			return nil, fmt.Errorf("cannot compare %s with %s", typeName(left), typeName(right))
		}
		switch {
		case a < b:
			order = -1
		case a > b:
			order = 1
		}
	}
	switch operator {
	case tokens.LowerThan:
		return order < 0, nil
	case tokens.LowerThanOrEqual:
		return order <= 0, nil
	case tokens.GreaterThan:
		return order > 0, nil
	}
	return order >= 0, nil
}

// join is the ~ operator: both sides as strings.
func (r *render) join(left, right any) (any, error) {
	a, err := r.str(left)
	if err != nil {
		return nil, err
	}
	b, err := r.str(right)
	if err != nil {
		return nil, err
	}
	return r.concat(a, b)
}

func (r *render) concat(a, b string) (any, error) {
	if err := r.fits(len(a) + len(b)); err != nil {
		return nil, err
	}
	return a + b, r.charge((len(a) + len(b)) / bytesPerStep)
}

func (r *render) add(left, right any) (any, error) {
	switch a := left.(type) {
	case string:
		if b, ok := right.(string); ok {
			return r.concat(a, b)
		}
	case *List:
		if b, ok := right.(*List); ok {
			n := len(a.Items) + len(b.Items)
			if err := r.fits(n); err != nil {
				return nil, err
			}
			return &List{append(append(make([]any, 0, n), a.Items...), b.Items...)}, r.charge(n)
		}
	}
	if a, ok := integer(left); ok {
		if b, ok := integer(right); ok {
			sum := a + b
			if (sum > a) != (b > 0) && b != 0 {
				return nil, errors.New("integer overflow")
			}
			return sum, nil
		}
	}
	a, ok := number(left)
	b, also := number(right)
	if ok && also {
		return a + b, nil
	}
	return nil, fmt.Errorf("cannot add %s and %s", typeName(left), typeName(right))
}

func (r *render) multiply(left, right any) (any, error) {
	if s, ok := right.(string); ok {
		left, right = s, left
	}
	if s, ok := left.(string); ok {
		n, ok := integer(right)
		if !ok {
			return nil, fmt.Errorf("cannot multiply a string by %s", typeName(right))
		}
		return r.repeat(s, n)
	}
	if a, ok := integer(left); ok {
		if b, ok := integer(right); ok {
			if high, low := bits.Mul64(magnitude(a), magnitude(b)); high != 0 || low > math.MaxInt64 {
				return nil, errors.New("integer overflow")
			}
			return a * b, nil
		}
	}
	a, ok := number(left)
	b, also := number(right)
	if ok && also {
		return a * b, nil
	}
	return nil, fmt.Errorf("cannot multiply %s and %s", typeName(left), typeName(right))
}

func magnitude(i int) uint64 {
	if i < 0 {
		return -uint64(i)
	}
	return uint64(i)
}

// repeat is s * n.
func (r *render) repeat(s string, n int) (any, error) {
	if n <= 0 || s == "" {
		return "", nil
	}
	if n > r.limits.Output/len(s) {
		return nil, r.fits(math.MaxInt)
	}
	return strings.Repeat(s, n), r.charge(n * len(s) / bytesPerStep)
}

// arithmetic is the operators that know only numbers: -, /, //, % and **.
func arithmetic(operator *tokens.Token, left, right any) (any, error) {
	a, ok := number(left)
	b, also := number(right)
	if !ok || !also {
		return nil, fmt.Errorf("operator %s: expected numbers, got %s and %s", operator.Val, typeName(left), typeName(right))
	}
	i, isInt := integer(left)
	j, alsoInt := integer(right)
	whole := isInt && alsoInt
	switch operator.Type {
	case tokens.Subtraction:
		if whole {
			if difference := i - j; (difference < i) == (j > 0) || j == 0 {
				return difference, nil
			}
			return nil, errors.New("integer overflow")
		}
		return a - b, nil
	case tokens.Power:
		power := math.Pow(a, b)
		if whole && j >= 0 {
			if math.Abs(power) > 1<<53 {
				return nil, errors.New("integer overflow")
			}
			return int(power), nil
		}
		return power, nil
	}
	if b == 0 {
		return nil, errors.New("division by zero")
	}
	switch operator.Type {
	case tokens.Division:
		return a / b, nil
	case tokens.FloorDivision:
		if whole {
			quotient := i / j
			if i%j != 0 && (i < 0) != (j < 0) {
				quotient--
			}
			return quotient, nil
		}
		return math.Floor(a / b), nil
	case tokens.Modulo:
		if whole {
			remainder := i % j
			if remainder != 0 && (remainder < 0) != (j < 0) {
				remainder += j
			}
			return remainder, nil
		}
		return a - b*math.Floor(a/b), nil
	}
	return nil, fmt.Errorf("unsupported operator %q", operator.Val)
}
