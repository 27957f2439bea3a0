package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// nearest returns the name that a misspelt word was probably meant to be, or
// "" if there is none that is near.
func nearest(word string, names []string) string {
	best, least := "", 1+len(word)/3
	for _, name := range names {
		d := distance(word, name)
		if strings.HasPrefix(name, word) && len(word) > 2 {
			d = min(d, 1)
		}
		if d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace to make b of
// a (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // from the letters of a so far to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// otherYAML says which YAML files there are in place of one that is not there:
// beside it, or in the folder of examples. It returns "" if there are none.
func otherYAML(file, examples string) string {
	dir := filepath.Dir(file)
	for _, dir := range []string{dir, filepath.Join(dir, examples), examples} {
		var names []string
		entries, _ := os.ReadDir(dir) // a folder that can't be read has no suggestions
		for _, e := range entries {
			if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
				names = append(names, e.Name())
			}
		}
		if len(names) == 0 {
			continue
		}
		if near := nearest(filepath.Base(file), names); near != "" {
			return "did you mean " + filepath.Join(dir, near) + "?"
		}
		if dir == "." {
			dir = "this folder"
		}
		return dir + " has " + listed(names, 4)
	}
	return ""
}

// listed joins names, of which it leaves out some if there are more than most.
func listed(names []string, most int) string {
	if len(names) > most {
		names = append(slices.Clone(names[:most-1]), "others")
	}
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
