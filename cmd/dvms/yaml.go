package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxYAML is more than any file of settings needs.
const maxYAML = 1 << 20

// readYAML reads a file of settings: a scenario or a study. examples is the folder
// with others of its kind, and otherwise what to say if there are none there.
func readYAML(name, kind, examples, otherwise string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		err = pathCause(err)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: no such file; %s", name, cmp.Or(otherYAML(name, examples), otherwise))
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		text := name + ": is a directory, not a " + kind
		if others := otherYAML(filepath.Join(name, kind), examples); others != "" {
			text += "; " + others
		}
		return nil, errors.New(text)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxYAML+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, pathCause(err))
	}
	if len(data) > maxYAML {
		return nil, fmt.Errorf("%s: more than %d MiB, which is too long for a %s", name, maxYAML>>20, kind)
	}
	return data, nil
}
