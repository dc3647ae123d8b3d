// Command smt fine-tunes Llama-family language models with Sparse Matrix Tuning.
package main

import (
	"os"

	"smt/internal/cli"
)

func main() { os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr)) }
