package dataset

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestMaxRows: each file gives as many rows, and what is left out is told.
func TestMaxRows(t *testing.T) {
	var paths []string
	for rows := 1; rows <= 3; rows++ {
		paths = append(paths, write(t, fmt.Sprintf("%d.jsonl", rows), strings.Repeat(`{"text":"a"}`+"\n", rows)))
	}
	told := ""
	rows, err := Load(paths, ReadOptions{MaxRows: 2, LeftOut: func(path string, n int) { told += fmt.Sprintf("%s %d;", filepath.Base(path), n) }})
	if err != nil || len(rows) != 5 || told != "3.jsonl 1;" {
		t.Fatalf("%d rows, %q, %v; expected 1 + 2 + 2 and one left out", len(rows), told, err)
	}
	for i, want := range []int{1, 1, 2, 1, 2} {
		if rows[i].Line != want {
			t.Errorf("row %d is from line %d, expected %d", i, rows[i].Line, want)
		}
	}
}

func TestLimits(t *testing.T) {
	small := limits{row: 100, total: 5000, ratio: 10, slack: 2000}
	long := `{"text":"` + strings.Repeat("a", 200) + `"}`
	many := strings.Repeat(`{"text":"aaaa"}`+"\n", 300)
	tests := []struct{ name, file, content, want string }{
		{"long line", "a.jsonl", `{"text":"a"}` + "\n" + long, "FILE:2: line of more than 100 bytes"},
		{"long element", "a.json", "[\n" + long + "]", "FILE:2: row of more than 100 bytes, starting on line 2"},
		{"large file", "a.jsonl", many + many, "more than 5000 bytes after decompression"},
		{"ratio", "a.jsonl.gz", gzipped(t, many), "decompresses to more than 10 times its size"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, test.file, test.content)
			err := readText(path, small, &collector{file: path})
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), path, "FILE"), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}
