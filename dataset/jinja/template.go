// Package jinja renders the chat templates of Hugging Face tokenizers, with the settings transformers uses
// (trim_blocks, lstrip_blocks, loop controls, an immutable sandbox).
//
// The grammar is gonja's: its parser builds the tree. Evaluation is this package's own walk over that tree, for two
// reasons. A chat template is a program that comes with a model, so it must be bounded: every expression, iteration
// and character it produces is charged to a budget here, and no Go value or file can be reached from it. And a
// template decides, byte by byte, what a model is trained on, so Python's rules must hold where gonja's evaluator has
// its own: x[-1] of a list of one item, floor division, indexing of strings by character, tojson without HTML escapes,
// errors for undefined values. For the same reason the lexer is here: which whitespace a tag removes is part of the
// training text.
package jinja

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

const (
	// maxSource is the longest template accepted, in bytes. The longest published ones have about 20 KiB.
	maxSource = 256 << 10
	// maxDepth bounds the nesting of brackets, blocks, macro calls and encoded values.
	maxDepth = 64
	// maxNesting bounds the nesting of lists and dicts that a template compares or prints.
	maxNesting = 1000
	// bytesPerStep is how many bytes of copying or searching cost as much as one evaluated expression.
	bytesPerStep = 64
)

// Template is a parsed chat template. It is immutable and may be rendered by several goroutines at once.
type Template struct {
	body []statement
}

// Limits bound one rendering.
type Limits struct {
	// Steps is the number of expressions, iterations and 64-byte copies.
	Steps int
	// Output is the number of bytes printed, and the length of the longest string and list the template may build.
	Output int
	// Time is the wall-clock time. It is a last resort: Steps ends a runaway template at the same point every time.
	Time time.Duration
}

// Parse compiles a template.
func Parse(source string) (t *Template, err error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("jinja: template of %d bytes, at most %d are accepted", len(source), maxSource)
	}
	// gonja's lexer and parser index their input freely; whatever they do to a malformed template is that template's
	// error.
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("jinja: malformed template (%v)", p)
		}
	}()
	list, err := lex(source)
	if err != nil {
		return nil, fmt.Errorf("jinja: %w", err)
	}
	if list, err = expandConditionals(list); err != nil {
		return nil, fmt.Errorf("jinja: %w", err)
	}
	compiler := &compiler{}
	root, err := parser.NewParser("chat_template", tokens.NewStream(groupMembership(list)), config.New(), nil, compiler).Parse()
	if err != nil {
		return nil, fmt.Errorf("jinja: %w", err)
	}
	body, err := compiler.body(root.Nodes)
	if err != nil {
		return nil, fmt.Errorf("jinja: %w", err)
	}
	return &Template{body: body}, nil
}

// Render evaluates the template. The variables' values must be of the types listed in value.go. Clock is the time that
// strftime_now shows; the result is a pure function of the template, the variables and the clock.
func (t *Template) Render(variables map[string]any, clock time.Time, limits Limits) (text string, err error) {
	r := &render{limits: limits, clock: clock, deadline: time.Now().Add(limits.Time), steps: limits.Steps}
	r.globals = &scope{values: globals()}
	for name, value := range variables {
		r.globals.values[name] = value
	}
	var out strings.Builder
	r.out = &out
	sig, err := r.run(t.body, &scope{values: map[string]any{}, parent: r.globals})
	if err == nil && sig != proceed {
		err = errors.New("break or continue outside of a loop")
	}
	if err != nil {
		return "", fmt.Errorf("jinja: %w", err)
	}
	return out.String(), nil
}

// render is the state of one rendering.
type render struct {
	limits   Limits
	clock    time.Time
	deadline time.Time
	steps    int // left
	depth    int // of macro calls
	nesting  int // of the value that is being compared or printed
	globals  *scope
	out      *strings.Builder
}

// scope holds the variables of the template, of one loop iteration or of one macro call.
type scope struct {
	values map[string]any
	parent *scope
}

func (s *scope) lookup(name string) any {
	for ; s != nil; s = s.parent {
		if v, ok := s.values[name]; ok {
			return v
		}
	}
	return undefined{name}
}

// charge takes steps from the budget.
func (r *render) charge(steps int) error {
	before := r.steps
	r.steps -= steps
	if r.steps < 0 {
		return fmt.Errorf("the template needs more than %d steps", r.limits.Steps)
	}
	if before>>10 != r.steps>>10 && time.Now().After(r.deadline) {
		return fmt.Errorf("the template runs longer than %v", r.limits.Time)
	}
	return nil
}

// enter charges for one element of a value and bounds the recursion into nested ones.
func (r *render) enter() error {
	if r.nesting++; r.nesting > maxNesting {
		return fmt.Errorf("a value is nested more than %d deep", maxNesting)
	}
	return r.charge(1)
}

func (r *render) leave() { r.nesting-- }

// fits checks the length of a string or list the template wants to build, before the memory is taken.
func (r *render) fits(length int) error {
	if length > r.limits.Output || length < 0 {
		return fmt.Errorf("the template builds a value of more than %d bytes", r.limits.Output)
	}
	return nil
}

// print appends s to the current output.
func (r *render) print(s string) error {
	if err := r.fits(r.out.Len() + len(s)); err != nil {
		return err
	}
	r.out.WriteString(s)
	return r.charge(1 + len(s)/bytesPerStep)
}

// located prefixes err with the template line that node stands on.
func located(node nodes.Node, err error) error {
	var already lineError
	if err == nil || errors.As(err, &already) {
		return err
	}
	line := 0
	if position := node.Position(); position != nil {
		line = position.Line
	}
	return lineError{line, err}
}

type lineError struct {
	line int
	err  error
}

func (e lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e lineError) Unwrap() error { return e.err }
