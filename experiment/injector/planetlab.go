package injector

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// ReadPlanetLab reads a directory of PlanetLab traces [2], one day of them: a
// file for each VM, whose name has no extension, with a line for each five
// minutes, which is the CPU that the VM used, in whole percent of what it had.
// Other files are passed over.
//
// The VMs count as having one vCPU. All files must have the same number of
// lines, which is 288 for a whole day. Records come in the order of their
// names. Errors are of type *FileError.
func ReadPlanetLab(fsys fs.FS, dir string) ([]Recorded, error) {
	noExtension := func(name string) bool { return !strings.Contains(name, ".") }
	records, err := readTraces(fsys, dir, "files without extension", noExtension, parsePlanetLab)
	if err != nil {
		return nil, err
	}
	if err := sameLength(dir, records); err != nil {
		return nil, err
	}
	return records, nil
}

func parsePlanetLab(name string, lines []string) (Recorded, *FileError) {
	r := Recorded{Name: name, Step: 5 * time.Minute, VCPUs: 1}
	for i, line := range lines {
		percent, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || percent < 0 || percent > 100 {
			err = fmt.Errorf("%.40q is not a CPU percentage, a whole number from 0 to 100", line)
			return r, &FileError{Line: i + 1, Err: err}
		}
		r.CPU = append(r.CPU, cluster.Millicores(percent)*cluster.Core/100)
	}
	return r, nil
}

// sameLength returns an error that names the first record whose number of
// steps is not that of the others.
func sameLength(dir string, records []Recorded) error {
	var lengths []int
	for _, r := range records {
		lengths = append(lengths, len(r.CPU))
	}
	slices.Sort(lengths)
	most := lengths[len(lengths)/2]
	for _, r := range records {
		if len(r.CPU) != most {
			return &FileError{
				Path: path.Join(dir, r.Name),
				Err:  fmt.Errorf("%d lines, where other traces have %d", len(r.CPU), most),
			}
		}
	}
	return nil
}
