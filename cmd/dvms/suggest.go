package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/internal/spell"
)

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
		if near := spell.Nearest(filepath.Base(file), names); near != "" {
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
