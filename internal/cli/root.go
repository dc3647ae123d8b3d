// Package cli is the command line: one file per command, each a function that turns flags into one call of a package
// below and shows what came of it.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
)

// Run runs the program with the given arguments and returns its exit code.
func Run(args []string, out, errOut io.Writer) int {
	ctx, terminated, stop := interruptible(errOut)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	code := exitCode(err)
	if err != nil {
		fmt.Fprintf(errOut, "smt: %v\n", err)
	}
	if code == ExitInterrupted && terminated.Load() {
		code = ExitTerminated
	}
	return code
}

// newRoot makes the command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "smt",
		Short: "Fine-tune Llama-family language models with Sparse Matrix Tuning",
		Long: `smt fine-tunes Llama-family language models with Sparse Matrix Tuning (arXiv 2405.15525): it trains a few
small blocks of the weights, those of the largest weights or of the largest gradients on your data, and nothing else.
Hugging Face directories in, Hugging Face directories out.

Without a model and data, "smt train" shows all of it on a tiny model that the program carries.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
	}
	root.AddCommand(newTrain(), newMerge(), newInfo(), newEval(), newGenerate(), newPlan(), newData(), newTokens(), newParity(), newBench(), newCompare(), newStudy(), newCell())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	return root
}

// flagsOnly refuses arguments that are no flags.
func flagsOnly(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &ExitError{ExitUsage, fmt.Errorf("cli: got the argument %s, expected flags only", args[0])}
	}
	return nil
}

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " (" + s.Value[:12] + ")"
		}
	}
	return v + " " + info.GoVersion
}

// interruptible returns a context that ends with the first SIGINT or SIGTERM; a second one ends the program at once.
func interruptible(errOut io.Writer) (ctx context.Context, terminated *atomic.Bool, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	terminated = new(atomic.Bool)
	go func() {
		for n := 0; ; n++ {
			s, ok := <-signals
			if !ok {
				return
			}
			terminated.Store(s == syscall.SIGTERM)
			if n > 0 {
				os.Exit(ExitInterrupted)
			}
			fmt.Fprintln(errOut, "smt: stopping after this step and saving its state; once more to stop at once")
			cancel()
		}
	}()
	return ctx, terminated, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}
