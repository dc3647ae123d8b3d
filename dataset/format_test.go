package dataset

import (
	"strings"
	"testing"
)

func TestColumnErrors(t *testing.T) {
	path := write(t, "a.jsonl", `{"a":"x","b":"y"}`)
	for want, columns := range map[string]map[string]string{
		`columns: "instructions" is no field of a row, expected instruction, input`:           {"instructions": "a"},
		`columns: "a" is no field of a row, expected instruction, input, output`:              {"a": "b"},
		`messages, text; our name comes first: {output: a}`:                                   {"a": "output"},
		`columns: no row format has all of instruction, text; expected names of instruction`:  {"text": "a", "instruction": "b"},
		`columns: there is no field "c"; the row has "a", "b"`:                                {"instruction": "a", "output": "c"},
		`the fields fit no row format: the row has "a", "b"; expected instruction and output`: {"output": "b"},
	} {
		if _, _, err := Read(path, ReadOptions{Columns: columns}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("columns %v: error %v, want %s", columns, err, want)
		}
	}
}
