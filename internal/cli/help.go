package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
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
