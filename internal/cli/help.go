package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"smt/config"
)

// An Example is a command line and what it does.
type Example struct{ Does, Command string }

// Describe appends the blocks EXAMPLES and EXIT STATUS to the long help of a command. codes are those that the command can
// end with beside success, internal error and wrong usage, which all have.
func Describe(cmd *cobra.Command, examples []Example, codes ...int) {
	var help strings.Builder
	help.WriteString(strings.TrimSpace(cmd.Long))
	if len(examples) > 0 {
		help.WriteString("\n\nEXAMPLES\n")
		for i, example := range examples {
			if i > 0 {
				help.WriteByte('\n')
			}
			fmt.Fprintf(&help, "  # %s\n  %s\n", example.Does, strings.ReplaceAll(example.Command, "\n", "\n  "))
		}
	} else {
		help.WriteByte('\n')
	}
	help.WriteString("\nEXIT STATUS\n")
	codes = append([]int{ExitOK, ExitFailure, ExitUsage}, codes...)
	for _, exit := range exitMeanings {
		if slices.Contains(codes, exit.code) {
			fmt.Fprintf(&help, "  %3d  %s\n", exit.code, exit.meaning)
		}
	}
	cmd.Long = strings.TrimLeft(strings.TrimRight(help.String(), "\n"), "\n")
}

// helpWidth is where lines of help are broken.
const helpWidth = 110

// usage writes the usage of a command with the flags of the recipe in their groups.
func usage(cmd *cobra.Command) error {
	out := cmd.OutOrStderr()
	fmt.Fprintf(out, "Usage:\n  %s\n", cmd.UseLine())
	if cmd.HasAvailableSubCommands() {
		fmt.Fprint(out, "\nCommands:\n")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(out, "  %-*s  %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}

	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	byKey := map[string]*pflag.Flag{}
	width := 0
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		switch key := flag.Annotations[recipeKey]; {
		case key == nil:
			own.AddFlag(flag)
		case !flag.Hidden:
			byKey[key[0]] = flag
			width = max(width, len(flagColumn(flag)))
		}
	})
	for _, group := range config.Groups() {
		title := "\n" + group.Title + ":\n"
		for _, key := range config.Keys(group.Name) {
			if flag, ok := byKey[key.Name]; ok {
				fmt.Fprint(out, title)
				title = ""
				printFlag(out, width, flag, key)
			}
		}
	}
	if own.HasAvailableFlags() {
		fmt.Fprintf(out, "\nFlags:\n%s", own.FlagUsagesWrapped(helpWidth))
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprintf(out, "\nFlags of all commands:\n%s", cmd.InheritedFlags().FlagUsagesWrapped(helpWidth))
	}
	return nil
}

func flagColumn(flag *pflag.Flag) string {
	if flag.Value.Type() == "bool" {
		return "  --" + flag.Name
	}
	return "  --" + flag.Name + " " + flag.Value.Type()
}

// printFlag writes the flag of a key with its help, choices and default, broken into lines.
func printFlag(out io.Writer, width int, flag *pflag.Flag, key config.Key) {
	text := key.Help
	if len(key.Choices) > 1 {
		text += ": " + strings.Join(key.Choices, ", ")
	}
	switch key.Default {
	case "", "0", "false", "auto":
	default:
		text += " (default " + key.Default + ")"
	}
	left := flagColumn(flag)
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && width+3+len(line)+1+len(word) > helpWidth {
			fmt.Fprintf(out, "%-*s   %s\n", width, left, line)
			left, line = "", ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	fmt.Fprintf(out, "%-*s   %s\n", width, left, line)
}
