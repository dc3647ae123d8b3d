package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"smt/config"
)

// BindRecipe gives a command the flags of the recipe, those of some groups of keys or all, and the positional arguments
// [recipe.yaml] [key=value ...]. Call it after the command's own flags, and call the function it returns when the command
// runs: it loads the recipe, in which flags and key=value arguments win over the file, later ones over earlier ones. Where
// no argument names a recipe, the file fallback is taken, or none if that is empty.
//
// The other names of a key work as flags too, and hyphens may stand for underscores. A command's own flag hides a key's
// flag of the same name, not the key: key=value still sets it. Errors carry [ExitUsage].
func BindRecipe(cmd *cobra.Command, groups ...string) func(fallback string) (config.Recipe, config.Notices, error) {
	var given []config.Override
	flags := cmd.Flags()
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "-", "_"))
	})
	for _, key := range config.Keys(groups...) {
		for i, name := range append([]string{key.Name}, key.Aliases...) {
			if flags.Lookup(name) != nil {
				continue
			}
			flag := flags.VarPF(&keyFlag{key, name, &given}, name, "", key.Help)
			flag.Annotations = map[string][]string{recipeKey: {key.Name}}
			flag.Hidden = i > 0
			if key.Kind == config.Boolean {
				flag.NoOptDefVal = "true"
			}
		}
	}
	if cmd.Args == nil {
		cmd.Args = cobra.ArbitraryArgs
	}
	cmd.SetUsageFunc(usage)
	cmd.SetFlagErrorFunc(flagError)

	return func(fallback string) (config.Recipe, config.Notices, error) {
		path, settings, err := splitArguments(flags.Args())
		if err != nil {
			return config.Recipe{}, nil, &ExitError{ExitUsage, err}
		}
		if path == "" {
			path = fallback
		}
		recipe, notices, err := config.Load(path, slices.Concat(given, settings))
		return recipe, notices, WithCode(ExitUsage, err)
	}
}

// recipeKey marks the flags that set a key of the recipe; its value is the key.
const recipeKey = "recipe_key"

// A keyFlag is the flag of a key under one of its names. It keeps the text: [config.Load] knows what to make of it.
type keyFlag struct {
	key   config.Key
	name  string
	given *[]config.Override
}

// Set keeps one use of the flag.
func (f *keyFlag) Set(text string) error {
	*f.given = append(*f.given, config.Override{Key: f.name, Value: text, Source: "--" + f.name})
	return nil
}

// String is the default, which pflag asks for.
func (f *keyFlag) String() string {
	if f.given == nil {
		return ""
	}
	return f.key.Default
}

// Type is what the help shows behind the flag's name.
func (f *keyFlag) Type() string {
	switch f.key.Kind {
	case config.Boolean:
		return "bool"
	case config.Integer:
		return "int"
	case config.Number:
		return "float"
	case config.Mapping:
		return "name=value"
	}
	return string(f.key.Kind)
}

// setting is the form of a key=value argument. A path that holds an equals sign can be written with ./ in front.
var setting = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*=`)

// splitArguments sorts positional arguments into the recipe's path and settings.
func splitArguments(arguments []string) (path string, settings []config.Override, err error) {
	for _, argument := range arguments {
		switch {
		case setting.MatchString(argument):
			key, value, _ := strings.Cut(argument, "=")
			key = strings.ReplaceAll(key, "-", "_")
			settings = append(settings, config.Override{Key: key, Value: value, Source: "argument " + key})
		case argument == "":
			return "", nil, errors.New("cli: got an empty argument, expected a recipe.yaml or key=value")
		case slices.Contains([]string{"true", "false", "yes", "no"}, strings.ToLower(argument)):
			return "", nil, fmt.Errorf("cli: got the argument %s, expected a recipe.yaml or key=value; a flag takes it as --packing=%s",
				argument, argument)
		case path != "":
			return "", nil, fmt.Errorf("cli: got two recipes, %s and %s, expected one; settings have the form key=value", path, argument)
		default:
			path = argument
		}
	}
	return path, settings, nil
}

// flagError adds the nearest flag to the error of one that does not exist.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		name := strings.ReplaceAll(unknown.GetSpecifiedName(), "-", "_")
		err = fmt.Errorf("cli: unknown flag --%s", name)
		if near, ok := config.Nearest(name); ok && cmd.Flags().Lookup(near) != nil {
			err = fmt.Errorf("%w; did you mean --%s?", err, near)
		}
		return &ExitError{ExitUsage, err}
	}
	return &ExitError{ExitUsage, fmt.Errorf("cli: %w", err)}
}
