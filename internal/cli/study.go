package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"smt/experiment"
)

// newStudy is smt study.
func newStudy() *cobra.Command {
	var names []string
	for _, s := range experiment.Studies {
		names = append(names, s.Name)
	}
	cmd := &cobra.Command{
		Use:   "study NAME",
		Short: "Answer one question about Sparse Matrix Tuning on your own model and data",
		Long: `Answer one question about Sparse Matrix Tuning on your own model and data (without them, on the demo's): ` + strings.Join(names, ", ") + `.
Each study leaves a report, tables and figures in its output directory.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && !slices.Contains(names, args[0]) {
				return &ExitError{ExitUsage, &unknownStudy{args[0], names}}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, s := range experiment.Studies {
		examples := []Example{
			{"the demo's model and task", "smt study " + s.Name},
			{"your own", "smt study " + s.Name + " --model_name_or_path M --dataset rows.json"},
			{"what would be run, and how long it takes", "smt study " + s.Name + " --model_name_or_path M --dataset rows.json --dry_run"},
		}
		if s.OwnRows {
			for i := range examples {
				examples[i].Command = strings.ReplaceAll(examples[i].Command, "--dataset rows.json", "--dataset code.json --dataset medical.json --dataset math.json")
			}
		}
		cmd.AddCommand(newExperiment(s.Name, s, s.Question+"\n\n"+wrap(strings.Join(s.Method, "\n\n")), examples...))
	}
	Describe(cmd, []Example{{"how the loss depends on the budget", "smt study plateau --model_name_or_path M --dataset rows.json"}, {"what a study does", "smt study warmup --help"}})
	return cmd
}

// unknownStudy is the error of a name that is none.
type unknownStudy struct {
	name  string
	known []string
}

func (e *unknownStudy) Error() string {
	return "cli: study " + e.name + ": expected one of " + strings.Join(e.known, ", ")
}

// wrap breaks paragraphs into lines.
func wrap(text string) string {
	var out strings.Builder
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			out.WriteString("\n\n")
		}
		width := 0
		for j, word := range strings.Fields(paragraph) {
			switch {
			case j == 0:
			case width+1+len([]rune(word)) > helpWidth:
				out.WriteByte('\n')
				width = 0
			default:
				out.WriteByte(' ')
				width++
			}
			out.WriteString(word)
			width += len([]rune(word))
		}
	}
	return out.String()
}
