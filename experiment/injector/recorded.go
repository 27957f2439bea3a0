package injector

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Recorded is what one VM used, as a monitor recorded it.
//
// Invariant: Step > 0, there is at least one step, and each CPU is from 0 to
// VCPUs cores.
type Recorded struct {
	Name   string
	Step   time.Duration
	VCPUs  int32                // the most that it had
	Memory cluster.Bytes        // the most that it had; 0 if the trace doesn't say
	CPU    []cluster.Millicores // what it used in each step
}

// WithCores returns the records of VMs that had a vCPU at some time. Bitbrains'
// traces have some, about one in eight, that never did.
func WithCores(records []Recorded) []Recorded {
	var with []Recorded
	for _, r := range records {
		if r.VCPUs > 0 {
			with = append(with, r)
		}
	}
	return with
}

// FileError says where a trace is not as expected.
type FileError struct {
	Path string // as in the fs.FS that was read
	Line int    // 0 if it is the file or directory as a whole
	Err  error
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s: line %d: %v", e.Path, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// readTraces parses the files of a directory, in the order of their names,
// that are traces by their name. Hidden files and folders are passed over.
func readTraces(fsys fs.FS, dir, want string, isTrace func(name string) bool,
	parse func(name string, lines []string) (Recorded, *FileError),
) ([]Recorded, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, &FileError{Path: dir, Err: cause(err)}
	}
	var records []Recorded
	var folder string
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case strings.HasPrefix(name, "."):
			continue
		case entry.IsDir():
			if folder == "" {
				folder = name
			}
			continue
		case !isTrace(name):
			continue
		}
		file := path.Join(dir, name)
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, &FileError{Path: file, Err: cause(err)}
		}
		lines := splitLines(string(data))
		if len(lines) == 0 {
			return nil, &FileError{Path: file, Err: errors.New("the file is empty")}
		}
		r, bad := parse(name, lines)
		if bad != nil {
			bad.Path = file
			return nil, bad
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		err := fmt.Errorf("no traces here; they are %s", want)
		if folder != "" {
			err = fmt.Errorf("%w; there is a folder %s", err, path.Join(dir, folder))
		}
		return nil, &FileError{Path: dir, Err: err}
	}
	return records, nil
}

// splitLines cuts text at line ends, of Unix or Windows. Empty lines at the end
// don't count.
func splitLines(text string) []string {
	text = strings.TrimRight(text, " \t\r\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
	}
	return lines
}

// cause drops the operation and path of err, which a FileError has already.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
