package config

import "strings"

// A Problem is one thing that is wrong with a recipe.
type Problem struct {
	// Place is where it is: file:line, a flag, or empty.
	Place string
	// Key is the key it is about, as it was written, or empty.
	Key string
	// Message says what was got and what was expected.
	Message string
}

// String is one line without a package name.
func (p Problem) String() string {
	var parts []string
	for _, part := range []string{p.Place, p.Key} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(append(parts, p.Message), ": ")
}

// An Error holds all problems of a recipe, in the order of the recipe.
type Error struct{ Problems []Problem }

// Error writes one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		lines[i] = "config: " + problem.String()
	}
	return strings.Join(lines, "\n")
}

// errorOf is the error of problems, or nil if there are none.
func errorOf(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &Error{problems}
}
