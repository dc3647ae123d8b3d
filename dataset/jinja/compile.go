package jinja

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// compiler turns gonja's tree into statements. It is also the set of tags that gonja's parser asks for: the ones
// that chat templates use, none that reads another file.
type compiler struct {
	depth int // of the blocks around the one being parsed
}

// Get returns the parser of a tag, which refuses to nest too deeply.
func (c *compiler) Get(name string) (parser.ControlStructureParser, bool) {
	parse, ok := c.tag(name)
	return func(p, args *parser.Parser) (nodes.ControlStructure, error) {
		if c.depth++; c.depth > maxDepth {
			return nil, fmt.Errorf("blocks are nested more than %d deep", maxDepth)
		}
		defer func() { c.depth-- }()
		return parse(p, args)
	}, ok
}

func (c *compiler) tag(name string) (parser.ControlStructureParser, bool) {
	switch name {
	case "if":
		return c.parseIf, true
	case "for":
		return c.parseFor, true
	case "set":
		return c.parseSet, true
	case "macro":
		return c.parseMacro, true
	case "generation":
		return c.parseGeneration, true
	case "break":
		return func(*parser.Parser, *parser.Parser) (nodes.ControlStructure, error) {
			return compiled{statement: breakLoop}, nil
		}, true
	case "continue":
		return func(*parser.Parser, *parser.Parser) (nodes.ControlStructure, error) {
			return compiled{statement: nextInLoop}, nil
		}, true
	}
	return nil, false
}

// compiled carries a statement through gonja's tree.
type compiled struct {
	statement
	at *tokens.Token
}

func (c compiled) Position() *tokens.Token { return c.at }
func (c compiled) String() string          { return "tag" }

// body compiles a sequence of nodes.
func (c *compiler) body(list []nodes.Node) ([]statement, error) {
	var out []statement
	for _, node := range list {
		switch n := node.(type) {
		case *nodes.Data:
			out = append(out, text(n.Data.Val))
		case *nodes.Output:
			if n.Condition != nil {
				return nil, fmt.Errorf("line %d: malformed conditional expression", n.Start.Line)
			}
			if err := checkTree(n.Expression); err != nil {
				return nil, fmt.Errorf("line %d: %w", n.Start.Line, err)
			}
			out = append(out, output{n.Expression})
		case *nodes.ControlStructureBlock:
			out = append(out, n.ControlStructure.(compiled).statement)
		case *nodes.Comment, nil:
		default:
			return nil, fmt.Errorf("unsupported syntax %T", n)
		}
	}
	return out, nil
}

// until compiles what stands before one of the closing tags, whose arguments it returns.
func (c *compiler) until(p *parser.Parser, names ...string) (body []statement, end string, args *parser.Parser, err error) {
	wrapper, args, err := p.WrapUntil(names...)
	if err != nil {
		return nil, "", nil, err
	}
	body, err = c.body(wrapper.Nodes)
	return body, wrapper.EndTag, args, err
}

// finish checks that a tag has no arguments left.
func finish(args *parser.Parser, tag string) error {
	if !args.End() {
		return args.Error(fmt.Sprintf("malformed %q tag", tag), args.Current())
	}
	return nil
}

// expression parses one expression.
func expression(args *parser.Parser) (nodes.Expression, error) {
	e, err := args.ParseExpression()
	if err == nil {
		err = checkTree(e)
	}
	return e, err
}

func (c *compiler) parseIf(p, args *parser.Parser) (nodes.ControlStructure, error) {
	var b branch
	at := args.Current()
	for tag := "if"; ; {
		var condition nodes.Expression
		if tag != "else" {
			var err error
			if condition, err = expression(args); err != nil {
				return nil, err
			}
		}
		if err := finish(args, tag); err != nil {
			return nil, err
		}
		closing := []string{"elif", "else", "endif"}
		if tag == "else" {
			closing = closing[2:]
		}
		body, end, next, err := c.until(p, closing...)
		if err != nil {
			return nil, err
		}
		b.conditions = append(b.conditions, condition)
		b.bodies = append(b.bodies, body)
		if end == "endif" {
			return compiled{b, at}, finish(next, end)
		}
		tag, args = end, next
	}
}

func (c *compiler) parseFor(p, args *parser.Parser) (nodes.ControlStructure, error) {
	var l loop
	at := args.Current()
	parenthesis := args.Match(tokens.LeftParenthesis) != nil
	for {
		name := args.Match(tokens.Name)
		if name == nil {
			return nil, args.Error("for: expected a name", args.Current())
		}
		l.names = append(l.names, name.Val)
		if args.Match(tokens.Comma) == nil {
			break
		}
	}
	if parenthesis && args.Match(tokens.RightParenthesis) == nil {
		return nil, args.Error("for: expected )", args.Current())
	}
	if args.Match(tokens.In) == nil {
		return nil, args.Error("for: expected in", args.Current())
	}
	var err error
	if l.over, err = expression(args); err != nil {
		return nil, err
	}
	if args.MatchName("if") != nil {
		if l.condition, err = expression(args); err != nil {
			return nil, err
		}
	}
	if args.CurrentName("recursive") != nil {
		return nil, args.Error("recursive loops are not supported", args.Current())
	}
	if err := finish(args, "for"); err != nil {
		return nil, err
	}
	body, end, next, err := c.until(p, "else", "endfor")
	if err != nil {
		return nil, err
	}
	l.body = body
	if end == "else" {
		if err := finish(next, end); err != nil {
			return nil, err
		}
		if l.otherwise, _, next, err = c.until(p, "endfor"); err != nil {
			return nil, err
		}
	}
	return compiled{l, at}, finish(next, "endfor")
}

func (c *compiler) parseSet(p, args *parser.Parser) (nodes.ControlStructure, error) {
	at := args.Current()
	target, err := args.ParseVariableOrLiteral()
	if err != nil {
		return nil, err
	}
	switch target := target.(type) {
	case *nodes.Name:
	case *nodes.GetAttribute:
		if err := checkTree(target); err != nil {
			return nil, err
		}
	default:
		return nil, args.Error("set: only a name or an attribute of a namespace can be assigned", at)
	}
	a := assign{target: target}
	if args.Match(tokens.Assign) != nil {
		if a.value, err = expression(args); err != nil {
			return nil, err
		}
		return compiled{a, at}, finish(args, "set")
	}
	if err := finish(args, "set"); err != nil {
		return nil, err
	}
	body, _, next, err := c.until(p, "endset")
	if err != nil {
		return nil, err
	}
	a.body = body
	return compiled{a, at}, finish(next, "endset")
}

func (c *compiler) parseMacro(p, args *parser.Parser) (nodes.ControlStructure, error) {
	at := args.Current()
	name := args.Match(tokens.Name)
	if name == nil || args.Match(tokens.LeftParenthesis) == nil {
		return nil, args.Error("macro: expected name(parameters)", at)
	}
	d := define{name: name.Val}
	for args.Match(tokens.RightParenthesis) == nil {
		if len(d.parameters) > 0 && args.Match(tokens.Comma) == nil {
			return nil, args.Error("macro: expected , or )", args.Current())
		}
		name := args.Match(tokens.Name)
		if name == nil {
			return nil, args.Error("macro: expected a parameter name", args.Current())
		}
		parameter := parameter{name: name.Val}
		if args.Match(tokens.Assign) != nil {
			var err error
			if parameter.value, err = expression(args); err != nil {
				return nil, err
			}
		}
		d.parameters = append(d.parameters, parameter)
	}
	if err := finish(args, "macro"); err != nil {
		return nil, err
	}
	body, _, next, err := c.until(p, "endmacro")
	if err != nil {
		return nil, err
	}
	d.body = body
	return compiled{d, at}, finish(next, "endmacro")
}

func (c *compiler) parseGeneration(p, args *parser.Parser) (nodes.ControlStructure, error) {
	at := args.Current()
	if err := finish(args, "generation"); err != nil {
		return nil, err
	}
	body, _, next, err := c.until(p, "endgeneration")
	if err != nil {
		return nil, err
	}
	return compiled{group(body), at}, finish(next, "endgeneration")
}
