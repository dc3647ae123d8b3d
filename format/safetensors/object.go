package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// newDecoder checks that data is one JSON value in UTF-8, and returns a decoder at its start. Both checks come first
// because the decoder alone would replace bad bytes in silence and notice bad syntax only where it stands.
func newDecoder(data []byte) (*json.Decoder, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder, nil
}

// readObject reads an object and calls visit after each of its keys, which then reads the value. A key that comes twice
// is an error: readers that take the first and readers that take the last would see different files.
func readObject(decoder *json.Decoder, visit func(key string) error) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	if token != json.Delim('{') {
		return fmt.Errorf("expected an object, got %s", describe(token))
	}
	seen := make(map[string]struct{})
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		key := token.(string)
		if _, twice := seen[key]; twice {
			return fmt.Errorf("key %q comes twice", key)
		}
		seen[key] = struct{}{}
		if err := visit(key); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err
}

// readString reads a value that must be a string.
func readString(decoder *json.Decoder) (string, error) {
	token, err := decoder.Token()
	if err != nil {
		return "", err
	}
	text, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("expected a string, got %s", describe(token))
	}
	return text, nil
}

// skipValue reads any value and forgets it.
func skipValue(decoder *json.Decoder) error {
	var value json.RawMessage
	return decoder.Decode(&value)
}

// describe names what a token begins.
func describe(token json.Token) string {
	switch token := token.(type) {
	case nil:
		return "null"
	case json.Delim:
		if token == '{' {
			return "an object"
		}
		return "a list"
	case string:
		return fmt.Sprintf("the string %.40q", token)
	case json.Number:
		return fmt.Sprintf("the number %.40s", token)
	}
	return fmt.Sprint(token)
}
