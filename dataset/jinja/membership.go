package jinja

import "github.com/nikolalohinski/gonja/v2/tokens"

// groupMembership puts parentheses around what stands on the right of "in" and "not in", where it is more than one token: all that
// binds tighter, filters above all. gonja's grammar reads but a name or a literal there, and takes the filters in 'a' not in b|lower
// or x and 'a' in b|lower for those of the whole condition.
func groupMembership(list []*tokens.Token) []*tokens.Token {
	opened, closed := map[int]int{}, map[int]int{} // parentheses in front of the token with this index
	loop := false                                  // in the tag "for", before its own "in"
	count := 0
	for i, token := range list {
		switch {
		case token.Type == tokens.BlockBegin:
			loop = i+1 < len(list) && list[i+1].Val == "for"
		case token.Type != tokens.In:
		case loop:
			loop = false
		case isTest(list, i):
		default:
			if end := operandEnd(list, i+1); end > i+2 {
				opened[i+1]++
				closed[end]++
				count++
			}
		}
	}
	if count == 0 {
		return list
	}
	out := make([]*tokens.Token, 0, len(list)+2*count)
	for i, token := range list {
		for range closed[i] {
			out = append(out, &tokens.Token{Type: tokens.RightParenthesis, Val: ")", Pos: token.Pos, Line: token.Line, Col: token.Col})
		}
		for range opened[i] {
			out = append(out, &tokens.Token{Type: tokens.LeftParenthesis, Val: "(", Pos: token.Pos, Line: token.Line, Col: token.Col})
		}
		out = append(out, token)
	}
	return out
}

// isTest reports whether the "in" at index i is the test of that name: x is in y, x is not in y.
func isTest(list []*tokens.Token, i int) bool {
	i--
	if i > 0 && list[i].Type == tokens.Not {
		i--
	}
	return i >= 0 && list[i].Type == tokens.Is
}

// operandEnd returns the index behind the operand of a comparison that begins at index i.
func operandEnd(list []*tokens.Token, i int) int {
	for level := 0; i < len(list); i++ {
		token := list[i]
		switch {
		case token.Type == tokens.VariableEnd || token.Type == tokens.BlockEnd:
			return i
		case isOpening(token):
			level++
		case isClosing(token):
			if level--; level < 0 {
				return i
			}
		case level == 0 && (endsOperand(token) || token.Type == tokens.Not && list[i-1].Type != tokens.Is):
			return i
		}
	}
	return i
}

// endsOperand reports whether a token binds less tightly than a comparison, or as tightly.
func endsOperand(t *tokens.Token) bool {
	switch t.Type {
	case tokens.And, tokens.Or, tokens.In, tokens.Equals, tokens.Ne, tokens.GreaterThan, tokens.GreaterThanOrEqual, tokens.LowerThan,
		tokens.LowerThanOrEqual:
		return true
	case tokens.Name:
		return t.Val == "if" || t.Val == "else"
	}
	return separates(t)
}
