package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/dvms-project/dvms/experiment"
	"github.com/dvms-project/dvms/report"
)

// outDir is the directory that results are written to. Files are written under
// another name and get their own only when all is complete, so that a failure
// leaves neither half a file nor a mixture of two comparisons.
type outDir struct {
	name string
	made []string // the directories that openOut made, the outermost first

	mu      sync.Mutex // a second interrupt discards from another goroutine
	pending []string   // written, not yet under their names
}

const (
	pendingSuffix = ".tmp"
	summaryFile   = "summary.json"
	reportFile    = "report.html"

	// interruptedDir is where the results of an interrupted comparison go if
	// the directory has those of a complete one.
	interruptedDir = "interrupted"
)

// openOut makes the directory, and makes sure that results can be written to
// it before any time is spent on a run.
func openOut(name string) (*outDir, error) {
	if name == "" {
		return nil, badInput{errors.New("--out: the name of the directory is empty")}
	}
	d := &outDir{name: filepath.Clean(name)}
	if err := d.make(d.name); err != nil {
		d.discard()
		return nil, badInput{fmt.Errorf("--out: %s: can't make this directory: %w", name, pathCause(err))}
	}
	probe, err := os.CreateTemp(name, ".probe-*")
	if err != nil {
		d.discard()
		return nil, badInput{fmt.Errorf("--out: %s: can't write to this directory: %w", name, pathCause(err))}
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return nil, err
	}
	if _, err := readContents(d.name); err != nil {
		return nil, badInput{fmt.Errorf("--out: %w; it would be overwritten, so choose another directory", err)}
	}
	return d, nil
}

// make makes a directory and those above it, and remembers which it made.
func (d *outDir) make(name string) error {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(name); parent != name {
		if err := d.make(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(name, 0o777); err != nil {
		return err
	}
	d.made = append(d.made, name)
	return nil
}

// contents is what the directory has of an earlier comparison: the part of
// summary.json that says so.
type contents struct {
	Schema string
	Runs   []struct {
		Strategy string
		Seed     uint64
		Partial  bool
	}
}

// readContents reads what a directory has, which is nothing if it has no
// summary.
func readContents(dir string) (contents, error) {
	var c contents
	file := filepath.Join(dir, summaryFile)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, pathCause(err))
	}
	if json.Unmarshal(data, &c) != nil || c.Schema != report.Schema {
		return contents{}, fmt.Errorf("%s is not a summary of this version of dvms", file)
	}
	return c, nil
}

// complete reports whether there are results, and none was interrupted.
func (c contents) complete() bool {
	for _, r := range c.Runs {
		if r.Partial {
			return false
		}
	}
	return len(c.Runs) > 0
}

// files are those that dvms wrote, if nobody has removed any.
func (c contents) files() []string {
	var names []string
	for _, r := range c.Runs {
		if slices.Contains(experiment.Strategies, r.Strategy) { // whoever wrote this, it is no path
			names = append(names, traceName(r.Strategy, r.Seed))
		}
	}
	if len(names) > 0 {
		names = append(names, chartFiles...)
	}
	return names
}

// chartFiles are all the charts that there can be.
var chartFiles = []string{
	"violation-time.svg", "violation-durations.svg", "violation-time-so-far.svg", "violated-hosts.svg",
	"load.svg", "migrations.svg", "partition-sizes.svg", "coordinates.svg",
}

func traceName(strategy string, seed uint64) string {
	return strategy + "-" + strconv.FormatUint(seed, 10) + ".jsonl"
}

// create makes a file that keep will give its name.
func (d *outDir) create(name string) (*os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	file, err := os.Create(filepath.Join(d.name, name) + pendingSuffix)
	if err == nil {
		d.pending = append(d.pending, name)
	}
	return file, err
}

// write writes a file that keep will give its name.
func (d *outDir) write(name string, content func(io.Writer) error) error {
	file, err := d.create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(content(file), file.Close()); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(d.name, name), pathCause(err))
	}
	return nil
}

// keep gives all pending files their names, and removes what an earlier
// comparison wrote and this one has not: a folder has one comparison. It
// returns the directory where they are.
//
// An interrupted comparison does not replace a complete one.
func (d *outDir) keep(partial bool) (string, error) {
	dir := d.name
	old, err := readContents(dir)
	if err == nil && partial && old.complete() {
		dir = filepath.Join(dir, interruptedDir)
		if err := d.make(dir); err != nil {
			return "", err
		}
		old, err = readContents(dir)
	}
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, name := range d.pending {
		if err := os.Rename(filepath.Join(d.name, name)+pendingSuffix, filepath.Join(dir, name)); err != nil {
			d.pending = d.pending[i:]
			return "", err
		}
	}
	for _, name := range old.files() {
		if !slices.Contains(d.pending, name) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
	}
	d.pending, d.made = nil, nil
	return dir, nil
}

// discard removes what was written and not kept, and the directories that were
// made for it.
func (d *outDir) discard() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range d.pending {
		os.Remove(filepath.Join(d.name, name) + pendingSuffix) // nothing better can be done if it fails
	}
	for _, name := range slices.Backward(d.made) {
		os.Remove(name) // which fails, as it should, if there is something in it
	}
	d.pending, d.made = nil, nil
}

// writeReport writes the report, its charts and the figures, and keeps them
// together with the traces. It returns the directory where they are.
func (d *outDir) writeReport(c report.Comparison, runs []*report.Collector, partial bool) (string, error) {
	err := d.write(reportFile, func(w io.Writer) error { return report.HTML(w, c, runs) })
	if err != nil {
		return "", err
	}
	for _, chart := range report.Charts(runs) {
		if err := d.write(chart.Name+".svg", chart.SVG); err != nil {
			return "", err
		}
	}
	if err := d.write(summaryFile, c.WriteJSON); err != nil { // last: it says that the rest is there
		return "", err
	}
	return d.keep(partial)
}
