package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a recipe file. The parser's time grows with the square of the lines and of the tokens, and no recipe comes near
// any of them.
const (
	maxFileBytes = 64 << 10
	maxLines     = 4_000
	maxTokens    = 10_000
)

// An entry is one key of a YAML file with its value.
type entry struct {
	place string
	name  string
	value value
}

// readFile reads a recipe file, or as much of it as shows that it is too large.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: recipe: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("config: recipe: %w", err)
	}
	return data, nil
}

// readYAML splits a YAML document into its keys, in order. name is the file's name for messages.
func readYAML(name string, data []byte) ([]entry, *Problem) {
	if len(data) > maxFileBytes {
		return nil, &Problem{name, "", fmt.Sprintf("is larger than %d bytes, which no recipe is", maxFileBytes)}
	}
	if !utf8.Valid(data) {
		return nil, &Problem{name, "", "is not UTF-8 text"}
	}
	if bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte("\r")) > maxLines {
		return nil, &Problem{name, "", fmt.Sprintf("has more than %d lines, which no recipe has", maxLines)}
	}
	tokens := lexer.Tokenize(string(data))
	if len(tokens) > maxTokens {
		return nil, &Problem{name, "", fmt.Sprintf("has more than %d YAML tokens, which no recipe has", maxTokens)}
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, yamlProblem(name, err)
	}
	var body ast.Node
	for _, document := range file.Docs {
		switch {
		case document.Body == nil || document.Body.Type() == ast.NullType:
		case body != nil:
			return nil, &Problem{placeOf(name, document.Body), "", "a second YAML document begins, expected only one"}
		default:
			body = document.Body
		}
	}
	if body == nil {
		return nil, nil
	}
	pairs, ok := pairsOf(body)
	if !ok {
		return nil, &Problem{placeOf(name, body), "", "got " + describeNode(body) + ", expected lines of the form key: value"}
	}
	var entries []entry
	for _, pair := range pairs {
		place := placeOf(name, pair.Key)
		key, err := keyOf(pair)
		if err != nil {
			return nil, &Problem{place, "", err.Error()}
		}
		v, err := valueOf(pair.Value)
		if err != nil {
			return nil, &Problem{place, key, err.Error()}
		}
		entries = append(entries, entry{place, key, v})
	}
	return entries, nil
}

// readFlow reads the value of an override that is written as a YAML list or map, such as [a, b].
func readFlow(text string) (value, error) {
	entries, problem := readYAML("", []byte("value: "+text))
	if problem != nil || len(entries) != 1 {
		return value{}, errors.New("is not a valid YAML list or map")
	}
	return entries[0].value, nil
}

// yamlProblem turns a syntax error of the YAML library into a problem with its line.
func yamlProblem(name string, err error) *Problem {
	var located interface{ GetToken() *token.Token }
	if errors.As(err, &located) && located.GetToken() != nil && located.GetToken().Position != nil {
		message := err.Error()
		if detailed, ok := err.(interface{ GetMessage() string }); ok {
			message = detailed.GetMessage()
		}
		return &Problem{fmt.Sprintf("%s:%d", name, located.GetToken().Position.Line), "", "YAML: " + message}
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	return &Problem{name, "", "YAML: " + message}
}

func placeOf(name string, node ast.Node) string {
	if t := node.GetToken(); t != nil && t.Position != nil {
		return fmt.Sprintf("%s:%d", name, t.Position.Line)
	}
	return name
}

func pairsOf(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch node := node.(type) {
	case *ast.MappingNode:
		return node.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{node}, true
	}
	return nil, false
}

func keyOf(pair *ast.MappingValueNode) (string, error) {
	if name, ok := pair.Key.(*ast.StringNode); ok {
		return name.Value, nil
	}
	if scalar, ok := pair.Key.(ast.ScalarNode); ok && scalar.Type() != ast.MergeKeyType && scalar.GetToken() != nil {
		return scalar.GetToken().Value, nil
	}
	return "", errors.New("got a key that is no plain text")
}

// valueOf turns a node into a value. Anchors, aliases, tags and deeper nesting have no use in a recipe and are refused.
func valueOf(node ast.Node) (value, error) {
	switch node := node.(type) {
	case nil:
		return value{form: null}, nil
	case *ast.SequenceNode:
		v := value{form: list}
		for _, item := range node.Values {
			inner, err := scalarOf(item)
			if err != nil {
				return value{}, err
			}
			v.items = append(v.items, inner)
		}
		return v, nil
	case *ast.MappingNode, *ast.MappingValueNode:
		v := value{form: mapping}
		pairs, _ := pairsOf(node)
		for _, pair := range pairs {
			name, err := keyOf(pair)
			if err != nil {
				return value{}, err
			}
			inner, err := scalarOf(pair.Value)
			if err != nil {
				return value{}, err
			}
			v.names = append(v.names, name)
			v.items = append(v.items, inner)
		}
		return v, nil
	}
	return scalarOf(node)
}

func scalarOf(node ast.Node) (value, error) {
	switch node := node.(type) {
	case nil:
		return value{form: null}, nil
	case *ast.NullNode:
		return value{form: null}, nil
	case *ast.StringNode:
		if t := node.GetToken(); t != nil && (t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType) {
			return value{form: quoted, text: node.Value}, nil
		}
		return value{form: plain, text: node.Value}, nil
	case *ast.LiteralNode:
		return value{form: quoted, text: node.Value.Value}, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return value{form: plain, text: node.GetToken().Value}, nil
	}
	return value{}, fmt.Errorf("got %s, expected a plain value, a list or a map of them", describeNode(node))
}

func describeNode(node ast.Node) string {
	switch node.Type() {
	case ast.SequenceType:
		return "a list"
	case ast.MappingType, ast.MappingValueType:
		return "a map"
	case ast.AnchorType, ast.AliasType:
		return "a YAML anchor or alias"
	case ast.TagType:
		return "a YAML tag"
	}
	return "a " + strings.ToLower(node.Type().String())
}
