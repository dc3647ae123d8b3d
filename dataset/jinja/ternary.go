package jinja

import (
	"errors"

	"github.com/nikolalohinski/gonja/v2/tokens"
)

// conditional is the name of the function that stands for "a if b else c". No template can spell it.
const conditional = "if else"

// expandConditionals rewrites every conditional expression a if b else c into the call conditional(b, a, c), which the
// evaluator treats lazily. gonja's grammar knows the form only directly inside {{ }} and {% set %}; templates also
// write it in parentheses, arguments and chains.
func expandConditionals(list []*tokens.Token) ([]*tokens.Token, error) {
	out := make([]*tokens.Token, 0, len(list))
	for i := 0; i < len(list); {
		token := list[i]
		out = append(out, token)
		i++
		switch token.Type {
		case tokens.VariableBegin, tokens.BlockBegin:
			end := i
			for end < len(list) && list[end].Type != tokens.VariableEnd && list[end].Type != tokens.BlockEnd {
				end++
			}
			part := list[i:end]
			var err error
			if token.Type == tokens.BlockBegin {
				out, err = expandBlock(out, part)
			} else {
				out, err = expandExpression(out, part, true, 0)
			}
			if err != nil {
				return nil, err
			}
			i = end
		}
	}
	return out, nil
}

// expandBlock handles the inside of {% %}. At its top level "if" belongs to the tag itself (for ... if), except on the
// right of an assignment.
func expandBlock(out, part []*tokens.Token) ([]*tokens.Token, error) {
	if len(part) > 0 && part[0].Val == "set" {
		for i, token := range part {
			if token.Type == tokens.Assign {
				return expandExpression(append(out, part[:i+1]...), part[i+1:], true, 0)
			}
		}
	}
	return expandExpression(out, part, false, 0)
}

// expandExpression appends part to out, rewriting conditionals inside brackets and, if top is set, at its own level.
func expandExpression(out, part []*tokens.Token, top bool, depth int) ([]*tokens.Token, error) {
	if depth > maxDepth {
		return nil, errors.New("conditional expressions are nested too deeply")
	}
	// Items are separated by what cannot be inside a conditional of this level.
	for start := 0; start < len(part); {
		end, question, otherwise := start, -1, -1
		for level := 0; end < len(part); end++ {
			token := part[end]
			if level == 0 && separates(token) {
				break
			}
			switch {
			case isOpening(token):
				level++
			case isClosing(token):
				level--
			case level == 0 && token.Type == tokens.Name && token.Val == "if" && question < 0:
				question = end
			case level == 0 && token.Type == tokens.Name && token.Val == "else" && question >= 0 && otherwise < 0:
				otherwise = end
			}
		}
		var err error
		if top && question > start {
			out, err = appendConditional(out, part[start:end], question-start, otherwise-start, depth)
		} else {
			out, err = expandBrackets(out, part[start:end], depth)
		}
		if err != nil {
			return nil, err
		}
		if end < len(part) {
			out = append(out, part[end])
			end++
		}
		start = end
	}
	return out, nil
}

// appendConditional writes item, whose "if" stands at question and whose "else", if any, at otherwise.
func appendConditional(out, item []*tokens.Token, question, otherwise, depth int) ([]*tokens.Token, error) {
	at := item[question]
	synthetic := func(kind tokens.Type, text string) *tokens.Token {
		return &tokens.Token{Type: kind, Val: text, Pos: at.Pos, Line: at.Line, Col: at.Col}
	}
	end := otherwise
	alternative := []*tokens.Token{synthetic(tokens.Name, "undefined")}
	if otherwise < 0 {
		end = len(item)
	} else {
		alternative = item[otherwise+1:]
	}
	out = append(out, synthetic(tokens.Name, conditional), synthetic(tokens.LeftParenthesis, "("))
	for i, operand := range [][]*tokens.Token{item[question+1 : end], item[:question], alternative} {
		if i > 0 {
			out = append(out, synthetic(tokens.Comma, ","))
		}
		var err error
		if out, err = expandExpression(out, operand, true, depth+1); err != nil {
			return nil, err
		}
	}
	return append(out, synthetic(tokens.RightParenthesis, ")")), nil
}

// expandBrackets copies item, expanding the contents of its brackets.
func expandBrackets(out, item []*tokens.Token, depth int) ([]*tokens.Token, error) {
	for i := 0; i < len(item); i++ {
		out = append(out, item[i])
		if !isOpening(item[i]) {
			continue
		}
		end, level := i+1, 1
		for ; end < len(item); end++ {
			if isOpening(item[end]) {
				level++
			} else if isClosing(item[end]) {
				if level--; level == 0 {
					break
				}
			}
		}
		var err error
		if out, err = expandExpression(out, item[i+1:end], true, depth+1); err != nil {
			return nil, err
		}
		i = end - 1
	}
	return out, nil
}

func isOpening(t *tokens.Token) bool {
	return t.Type == tokens.LeftParenthesis || t.Type == tokens.LeftBracket || t.Type == tokens.LeftBrace
}

func isClosing(t *tokens.Token) bool {
	return t.Type == tokens.RightParenthesis || t.Type == tokens.RightBracket || t.Type == tokens.RightBrace
}

func separates(t *tokens.Token) bool {
	return t.Type == tokens.Comma || t.Type == tokens.Colon || t.Type == tokens.Assign
}
