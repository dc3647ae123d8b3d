package config

import "unicode/utf8"

// Nearest finds the key, or the alias of one, whose name is closest to a name that no key has. It returns false if none is
// close enough to be what was meant.
func Nearest(name string) (string, bool) {
	names := make([]string, 0, len(table)+len(aliases))
	for _, key := range table {
		names = append(names, key.Name)
	}
	for _, a := range aliases {
		names = append(names, a.name)
	}
	return nearest(name, names)
}

// nearest finds the first of the names with the smallest edit distance, if that is at most a third of the length.
func nearest(name string, names []string) (string, bool) {
	length := utf8.RuneCountInString(name)
	if length > 100 {
		return "", false
	}
	best, found := max(2, length/3)+1, ""
	for _, candidate := range names {
		if d := editDistance(name, candidate); d < best && d < length {
			best, found = d, candidate
		}
	}
	return found, found != ""
}

// editDistance is the Levenshtein distance: the fewest insertions, deletions and replacements that turn a into b.
func editDistance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range to {
			replace := diagonal
			if r != s {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
