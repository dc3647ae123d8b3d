package cli

import (
	"errors"
	"io/fs"
	"strings"

	"smt/dataset"
	"smt/durable"
	"smt/generate"
	"smt/recipe"
)

// packageCodes gives the errors of a package, whose messages begin with its name, their exit code. The first that fits counts.
var packageCodes = []struct {
	prefix string
	code   int
}{
	{"dataset:", ExitBadData}, {"recipe: the dataset holds no row", ExitBadData}, {"evaluate: records:", ExitIO}, {"evaluate: sandbox:", ExitIO}, {"evaluate:", ExitBadData},
	{"generate: standard input:", ExitIO}, {"generate: the model's logits", ExitBadModel}, {"generate:", ExitUsage},
	{"hub:", ExitNoModel},
	{"model:", ExitBadModel}, {"safetensors:", ExitBadModel}, {"tokenizer:", ExitBadModel}, {"export:", ExitBadModel},
	{"sparse:", ExitBadModel}, {"lowrank:", ExitBadModel},
	{"durable:", ExitIO}, {"checkpoint:", ExitIO},
	{"benchmark:", ExitUsage},
}

// recipePrefix begins messages about what a run was asked for. Those that have a cause in the file system keep its code.
const recipePrefix = "recipe:"

// usagePrefixes begin cobra's messages about arguments, which have no type of their own.
var usagePrefixes = []string{"unknown command", "accepts ", "requires "}

// exitCode is the exit code for an error of any command.
func exitCode(err error) int {
	var (
		guard *recipe.GuardError
		taken *recipe.ErrOutputTaken
		bad   *dataset.BadRowsError
		alien *generate.VocabularyError
	)
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, recipe.ErrInterrupted):
		return ExitInterrupted
	case errors.As(err, &guard):
		return ExitGuard
	case errors.As(err, &taken):
		return ExitUsage
	case errors.As(err, &bad):
		return ExitBadData
	case errors.As(err, &alien):
		return ExitBadModel
	case errors.Is(err, durable.ErrLocked):
		return ExitLocked
	}
	if code := ownCode(err); code != 0 {
		return code
	}
	if errors.Is(err, fs.ErrExist) { // the place where a result was to go is taken
		return ExitUsage
	}
	for _, p := range usagePrefixes {
		if strings.HasPrefix(err.Error(), p) {
			return ExitUsage
		}
	}
	for _, p := range packageCodes {
		if strings.HasPrefix(err.Error(), p.prefix) {
			if p.code == ExitBadModel && errors.Is(err, fs.ErrNotExist) {
				return ExitNoModel
			}
			return p.code
		}
	}
	code := Code(err)
	if code == ExitFailure && strings.HasPrefix(err.Error(), recipePrefix) {
		return ExitUsage
	}
	return code
}
