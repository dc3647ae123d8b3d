package recipe

import (
	"encoding/json"
	"fmt"
	"os"

	"smt/sparse"
)

// ReadSelection reads the selection.json that a run of SMT has left.
func ReadSelection(path string) (*sparse.Selection, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	var f selectionFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("recipe: %s: %w", path, err)
	}
	for _, m := range f.Matrices {
		if len(m.Blocks) != len(m.Scores) {
			return nil, fmt.Errorf("recipe: %s: %s: got %d blocks with %d scores, expected one for each", path, m.Name, len(m.Blocks), len(m.Scores))
		}
	}
	return f.selection(), nil
}
