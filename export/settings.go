package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxConfig bounds the JSON files that are read: an entry for each of a hundred thousand matrices fits.
const maxConfig = 16 << 20

// settings are the keys of a JSON object with their values unread. Reading a key takes it out, so that what no one knows
// is left.
type settings map[string]json.RawMessage

// readConfigFile reads a small file.
func readConfigFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("export: %w: expected the directory of an adapter", err)
	}
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfig {
		return nil, fmt.Errorf("export: %s: expected a file of at most %d bytes", path, maxConfig)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return data, nil
}

// parseSettings reads an object in which, at every depth, no key comes twice.
func parseSettings(data []byte) (settings, error) {
	if err := checkKeys(data); err != nil {
		return nil, err
	}
	var s settings
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, errors.New("expected a JSON object")
	}
	return s, nil
}

// read sets value from a key and takes the key out. A key that is missing or null leaves value as it is.
func (s settings) read(key string, value any) error {
	raw, ok := s[key]
	if !ok {
		return nil
	}
	delete(s, key)
	if err := json.Unmarshal(raw, value); err != nil {
		return fmt.Errorf("%s: %w", key, plainJSON(err))
	}
	return nil
}

// isUnset reports whether a value is null, false, zero or empty: what PEFT writes for features that are not used.
func isUnset(raw json.RawMessage) bool {
	switch strings.Join(strings.Fields(string(raw)), "") {
	case "null", "false", "0", "0.0", `""`, "[]", "{}":
		return true
	}
	return false
}

// firstSet is the alphabetically first key left that is not unset, "" if there is none.
func (s settings) firstSet() string {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if !isUnset(s[key]) {
			return key
		}
	}
	return ""
}

// decodeStrictly reads a JSON object into a struct; unknown keys are errors. Keys were checked by parseSettings.
func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return plainJSON(decoder.Decode(into))
}

// plainJSON says what was expected in words of the file instead of Go's.
func plainJSON(err error) error {
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &mismatch) {
		return err
	}
	text := fmt.Sprintf("expected %s, got %s", strings.TrimPrefix(mismatch.Type.String(), "export."), mismatch.Value)
	if mismatch.Field != "" {
		text = mismatch.Field + ": " + text
	}
	return errors.New(text)
}

// checkKeys checks that data is one JSON value in UTF-8 whose objects have no key twice, upper and lower case being the
// same, as they are to Go's decoder.
func checkKeys(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("is not UTF-8")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	return checkValueKeys(decoder)
}

func checkValueKeys(decoder *json.Decoder) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := make(map[string]bool)
	for decoder.More() {
		if open == '{' {
			token, err := decoder.Token()
			if err != nil {
				return err
			}
			key := strings.ToLower(token.(string))
			if seen[key] {
				return fmt.Errorf("key %q comes twice", key)
			}
			seen[key] = true
		}
		if err := checkValueKeys(decoder); err != nil {
			return err
		}
	}
	_, err = decoder.Token() // the closing bracket
	return err
}
