package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"smt/tokenizer"
)

// newTokens is smt tokens.
func newTokens() *cobra.Command {
	var dir, file string
	var bare bool
	cmd := &cobra.Command{
		Use:   "tokens --tokenizer DIR (--texts FILE | TEXT)",
		Short: "Show how texts are cut into tokens",
		Long: `Cut texts into tokens with the tokenizer.json of a directory. For a text, its pieces are shown; for a file that holds a JSON
array of strings, a JSON array of arrays of ids is printed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" || (file == "") == (len(args) == 0) {
				return &ExitError{ExitUsage, fmt.Errorf("tokens: --tokenizer and either --texts or one text are needed")}
			}
			t, err := tokenizer.Load(dir)
			if err != nil {
				return err
			}
			if file == "" {
				return showPieces(cmd, t, args[0], !bare)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			var texts []string
			if err := json.Unmarshal(data, &texts); err != nil {
				return &ExitError{ExitBadData, fmt.Errorf("tokens: %s: expected a JSON array of strings: %w", file, err)}
			}
			ids := make([][]int32, len(texts))
			for i, text := range texts {
				if ids[i] = t.Encode(text, !bare); ids[i] == nil {
					ids[i] = []int32{}
				}
			}
			if err := t.Err(); err != nil {
				return err
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			if err := json.NewEncoder(out).Encode(ids); err != nil {
				return err
			}
			return out.Flush()
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "tokenizer", "", "directory with tokenizer.json")
	f.StringVar(&file, "texts", "", "file with a JSON array of strings")
	f.BoolVar(&bare, "no_special_tokens", false, "leave out what the post-processor adds, such as the beginning of sequence")
	cmd.SetFlagErrorFunc(flagError)
	Describe(cmd, []Example{{"the pieces of a text", `smt tokens --tokenizer path/to/model "Hello, world"`}, {"ids for a program", "smt tokens --tokenizer path/to/model --texts texts.json"}},
		ExitNoModel, ExitBadData, ExitBadModel, ExitIO)
	return cmd
}

// showPieces prints every token of a text with its id, bytes and spelling in the vocabulary.
func showPieces(cmd *cobra.Command, t *tokenizer.Tokenizer, text string, special bool) error {
	ids, spans := t.EncodeOffsets(text, special, nil, nil)
	if err := t.Err(); err != nil {
		return err
	}
	var rows [][]string
	for i, id := range ids {
		piece, place := "", "added"
		if s := spans[i]; s.Start >= 0 {
			piece, place = fmt.Sprintf("%q", text[s.Start:s.End]), fmt.Sprintf("%d-%d", s.Start, s.End)
		}
		token, _ := t.Token(id)
		rows = append(rows, []string{fmt.Sprint(id), token, piece, place})
	}
	w := newWatch(cmd.OutOrStdout(), "text", 1)
	defer w.Close()
	w.Table(fmt.Sprintf("%d tokens, %d bytes", len(ids), len(text)), []string{"id", "token", "text", "bytes"}, rows)
	return nil
}
