package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"smt/durable"
)

// chatTemplateName is the file that holds a chat template in models and adapters. It goes before what tokenizer_config.json says.
const chatTemplateName = "chat_template.jinja"

// ReadChatTemplate returns the chat template in the directory of an adapter, empty if it has none: the one that it was trained with,
// where that is not its base's.
func ReadChatTemplate(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, chatTemplateName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("export: %w", err)
	}
	return string(text), nil
}

// writeChatTemplate writes a chat template, if there is one.
func writeChatTemplate(d *durable.Dir, source string) error {
	if source == "" {
		return nil
	}
	return d.WriteFile(chatTemplateName, func(w io.Writer) error {
		_, err := io.WriteString(w, source)
		return err
	})
}
