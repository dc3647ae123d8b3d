package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"smt/config"
	"smt/dataset"
	"smt/evaluate"
	"smt/generate"
	"smt/recipe"
)

// newGenerate is smt generate.
func newGenerate() *cobra.Command {
	var o modelOptions
	var g generate.Options
	var prompt, template string
	var seed uint64
	cmd := &cobra.Command{
		Use:   "generate --model_name_or_path MODEL --prompt TEXT",
		Short: "Let a model go on with a text",
		Long: `Let a model, with or without an adapter, go on with a text. --template writes the prompt as training did: alpaca for an
instruction, chat for the model's own chat template, text (the default) for the words as they are. Without --prompt, the
text is read from standard input.`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := newWatch(cmd.ErrOrStderr(), "text", 1)
			defer w.Close()
			if prompt == "" {
				text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1<<20))
				if err != nil {
					return fmt.Errorf("generate: standard input: %w", err)
				}
				prompt = string(text)
			}
			m, err := openModel(cmd.Context(), o, w)
			if err != nil {
				return err
			}
			defer m.Close()
			ids, stops, err := encodePrompt(m, template, prompt)
			if err != nil {
				return err
			}
			g.Seed, g.StopIDs = seed, stops
			var tokens []int32
			shown := ""
			_, err = generate.Stream(cmd.Context(), m.Decoder, ids, g, func(token int32) bool {
				tokens = append(tokens, token)
				// A character may need several tokens: only what can no longer change is shown.
				if text := m.Tokenizer.Decode(tokens, true); !strings.HasSuffix(text, "\uFFFD") && strings.HasPrefix(text, shown) {
					fmt.Fprint(cmd.OutOrStdout(), text[len(shown):])
					shown = text
				}
				return true
			})
			if err == nil || shown != "" { // an error does not stand on the line of the text
				fmt.Fprintln(cmd.OutOrStdout())
			}
			return err
		},
	}
	o.bind(cmd)
	f := cmd.Flags()
	f.StringVar(&prompt, "prompt", "", "text to go on with; standard input if empty")
	f.StringVar(&template, "template", "text", "text, alpaca, llm_adapters, smt_reference or chat")
	f.IntVar(&g.MaxNewTokens, "max_new_tokens", 128, "tokens to add at most")
	f.IntVar(&g.Beams, "num_beams", 1, "width of beam search")
	f.Float64Var(&g.Temperature, "temperature", 0, "0: the most likely token; else sample from the softmax at this temperature")
	f.IntVar(&g.TopK, "top_k", 0, "sample from the k most likely tokens; 0: all")
	f.Float64Var(&g.TopP, "top_p", 0, "sample from the most likely tokens that reach this probability; 0: all")
	f.Float64Var(&g.RepetitionPenalty, "repetition_penalty", 1, "penalty for tokens that were there before")
	f.Uint64Var(&seed, "seed", 0, "seed of sampling")
	Describe(cmd, []Example{
		{"greedy", `smt generate --model_name_or_path M --template chat --prompt "What is the capital of France?"`},
		{"four beams with a tuned adapter", `smt generate --model_name_or_path M --adapter smt-output/adapter --template alpaca --num_beams 4 --prompt "Add 3 and 4."`},
	}, ExitNoModel, ExitBadModel, ExitIO, ExitInterrupted, ExitTerminated)
	return cmd
}

// encodePrompt writes a prompt in a template and tokenizes it. stops are the tokens with which a model trained on the
// template ends.
func encodePrompt(m *loaded, template, prompt string) (ids, stops []int32, err error) {
	if template == "text" {
		return m.Tokenizer.Encode(prompt, true), evaluate.StopTokens(m.Base.Config, m.Tokenizer, nil), m.Tokenizer.Err()
	}
	r := config.Default()
	r.Template = template
	t, err := recipe.NewTemplate(r, dataset.FormatInstruction, m.Tokenizer)
	if err != nil {
		return nil, nil, err
	}
	text, err := t.Prompt(&dataset.Row{Format: dataset.FormatInstruction, File: "prompt", Line: 1, Instruction: prompt})
	if err != nil {
		return nil, nil, err
	}
	return m.Tokenizer.Encode(text.Content, text.AddSpecial), evaluate.StopTokens(m.Base.Config, m.Tokenizer, t), m.Tokenizer.Err()
}
