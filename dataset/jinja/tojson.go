package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// toJSON is the tojson filter as transformers defines it for chat templates: json.dumps(v, ensure_ascii=False,
// indent=...), that is without escaping of HTML characters, in the order of the keys, with ", " and ": " between items.
func toJSON(r *render, v any, args arguments) (any, error) {
	indent := -1
	switch value := args.get(0, "indent", nil).(type) {
	case nil:
	case int:
		if value < 0 || value > 16 {
			return nil, fmt.Errorf("indent: expected 0 to 16, got %d", value)
		}
		indent = value
	default:
		return nil, fmt.Errorf("indent: expected an int, got %s", typeName(value))
	}
	var b strings.Builder
	if err := r.writeJSON(&b, v, indent, 0); err != nil {
		return nil, err
	}
	return b.String(), nil
}

func (r *render) writeJSON(b *strings.Builder, v any, indent, depth int) error {
	if depth > maxDepth {
		return errors.New("tojson: the value is nested too deeply")
	}
	if err := r.charge(1); err != nil {
		return err
	}
	if err := r.fits(b.Len()); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case float64:
		switch {
		case math.IsNaN(v):
			b.WriteString("NaN")
		case math.IsInf(v, 0):
			b.WriteString(strings.Replace(strconv.FormatFloat(v, 'f', -1, 64), "Inf", "Infinity", 1)[btoi(v > 0):])
		default:
			b.WriteString(formatFloat(v))
		}
	case string:
		return writeJSONString(b, v)
	case *List:
		if len(v.Items) == 0 {
			b.WriteString("[]")
			return nil
		}
		b.WriteByte('[')
		for i, item := range v.Items {
			separate(b, i, indent, depth+1)
			if err := r.writeJSON(b, item, indent, depth+1); err != nil {
				return err
			}
		}
		newline(b, indent, depth)
		b.WriteByte(']')
	case *Dict:
		if len(v.keys) == 0 {
			b.WriteString("{}")
			return nil
		}
		b.WriteByte('{')
		for i, key := range v.keys {
			separate(b, i, indent, depth+1)
			if err := writeJSONString(b, key); err != nil {
				return err
			}
			b.WriteString(": ")
			if err := r.writeJSON(b, v.values[key], indent, depth+1); err != nil {
				return err
			}
		}
		newline(b, indent, depth)
		b.WriteByte('}')
	default:
		return fmt.Errorf("tojson: cannot encode %s", typeName(v))
	}
	return nil
}

// separate writes what stands before item i of a list or dict.
func separate(b *strings.Builder, i, indent, depth int) {
	if i > 0 {
		b.WriteByte(',')
		if indent < 0 {
			b.WriteByte(' ')
		}
	}
	newline(b, indent, depth)
}

func newline(b *strings.Builder, indent, depth int) {
	if indent >= 0 {
		b.WriteByte('\n')
		b.WriteString(strings.Repeat(" ", indent*depth))
	}
}

func writeJSONString(b *strings.Builder, s string) error {
	encoder := json.NewEncoder(trimNewline{b})
	encoder.SetEscapeHTML(false)
	return encoder.Encode(s)
}

// trimNewline drops the newline that json.Encoder ends each value with.
type trimNewline struct{ b *strings.Builder }

func (t trimNewline) Write(p []byte) (int, error) {
	// encoding/json escapes the two line separators of JavaScript, which Python leaves alone.
	s := strings.TrimSuffix(string(p), "\n")
	s = strings.ReplaceAll(strings.ReplaceAll(s, `\u2028`, "\u2028"), `\u2029`, "\u2029")
	t.b.WriteString(s)
	return len(p), nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
