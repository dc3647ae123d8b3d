package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// config is what tokenizer_config.json says beyond tokenizer.json. The file has dozens of other keys, for Python
// classes, which are not read. Among these are add_bos_token and add_eos_token: where there is a tokenizer.json, its
// post-processor decides and transformers 5 passes over both keys (measured with 5.23, for the classes of Llama, Gemma and
// Qwen2 and the general one); transformers 4 rebuilt the post-processor from them for Llama's and Gemma's classes alone.
type config struct {
	bos, eos, pad string // tokens, empty: none
	chatTemplate  string
	named         map[string]string // further chat templates
	maxLength     int               // 0: no limit
}

// read takes over what a file says; keys that it does not have keep their values.
func (c *config) read(name string, text []byte) error {
	var file struct {
		BOS          json.RawMessage `json:"bos_token"`
		EOS          json.RawMessage `json:"eos_token"`
		Pad          json.RawMessage `json:"pad_token"`
		ChatTemplate json.RawMessage `json:"chat_template"`
		MaxLength    json.RawMessage `json:"model_max_length"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("tokenizer: %s: %w", name, err)
	}
	for _, token := range []struct {
		key   string
		value json.RawMessage
		into  *string
	}{{"bos_token", file.BOS, &c.bos}, {"eos_token", file.EOS, &c.eos}, {"pad_token", file.Pad, &c.pad}} {
		if err := readToken(token.value, token.into); err != nil {
			return fmt.Errorf("tokenizer: %s: %s: %w", name, token.key, err)
		}
	}
	if !absent(file.MaxLength) {
		// Where there is no limit, files have 1e30.
		var length float64
		if json.Unmarshal(file.MaxLength, &length) != nil || length < 0 {
			return fmt.Errorf("tokenizer: %s: model_max_length: expected a length, got %.40s", name, file.MaxLength)
		}
		if length <= math.MaxInt32 {
			c.maxLength = int(length)
		}
	}
	if err := c.readChatTemplate(file.ChatTemplate); err != nil {
		return fmt.Errorf("tokenizer: %s: chat_template: %w", name, err)
	}
	return nil
}

func absent(value json.RawMessage) bool {
	return len(value) == 0 || bytes.Equal(value, []byte("null"))
}

// readToken reads a token: a string, or an object with its content.
func readToken(value json.RawMessage, into *string) error {
	if absent(value) {
		return nil
	}
	if json.Unmarshal(value, into) == nil {
		return nil
	}
	var token struct {
		Content *string `json:"content"`
	}
	if json.Unmarshal(value, &token) != nil || token.Content == nil {
		return fmt.Errorf("expected a string or an object with its content, got %.40s", value)
	}
	*into = *token.Content
	return nil
}

// readChatTemplate reads a template, or a list of named ones of which the one named default is the usual one.
func (c *config) readChatTemplate(value json.RawMessage) error {
	if absent(value) || json.Unmarshal(value, &c.chatTemplate) == nil {
		return nil
	}
	var list []struct {
		Name     *string `json:"name"`
		Template *string `json:"template"`
	}
	if json.Unmarshal(value, &list) != nil {
		return fmt.Errorf("expected a string or a list of {name, template}, got %.40s", value)
	}
	c.named = map[string]string{}
	for i, entry := range list {
		if entry.Name == nil || entry.Template == nil {
			return fmt.Errorf("template %d: expected name and template", i)
		}
		c.named[*entry.Name] = *entry.Template
	}
	c.chatTemplate = c.named["default"]
	return nil
}

// tokenID returns the id of a token that the configuration names.
func (t *Tokenizer) tokenID(token string) (int32, bool) {
	if token == "" {
		return 0, false
	}
	return t.ID(token)
}

// BOS returns the id of the token that begins a text, if the configuration names one.
func (t *Tokenizer) BOS() (int32, bool) { return t.tokenID(t.config.bos) }

// EOS returns the id of the token that ends a text, if the configuration names one.
func (t *Tokenizer) EOS() (int32, bool) { return t.tokenID(t.config.eos) }

// Pad returns the id of the token that fills rows up, if the configuration names one.
func (t *Tokenizer) Pad() (int32, bool) { return t.tokenID(t.config.pad) }

// ChatTemplate returns the Jinja template for conversations, empty if there is none.
func (t *Tokenizer) ChatTemplate() string { return t.config.chatTemplate }

// SetChatTemplate replaces the template for conversations, as by one that an adapter of the model brings. It must come before the
// tokenizer is used by several goroutines.
func (t *Tokenizer) SetChatTemplate(source string) { t.config.chatTemplate = source }

// NamedChatTemplate returns one of several templates of a model, such as tool_use.
func (t *Tokenizer) NamedChatTemplate(name string) (string, bool) {
	template, ok := t.config.named[name]
	return template, ok
}

// ModelMaxLength returns the longest sequence the model was made for in tokens, 0 if the configuration has no limit.
func (t *Tokenizer) ModelMaxLength() int { return t.config.maxLength }
