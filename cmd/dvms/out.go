package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dvms-project/dvms/report"
)

// outDir is the directory that results are written to. Files are written under
// another name and get their own only when all is complete, so that a failure
// leaves neither half a file nor a mixture of two comparisons.
type outDir struct {
	name    string
	pending []string // written, not yet under their names
}

const pendingSuffix = ".tmp"

// openOut makes the directory, and makes sure that it can be written to before
// any time is spent on a run.
func openOut(name string) (*outDir, error) {
	if err := os.MkdirAll(name, 0o777); err != nil {
		return nil, badInput{fmt.Errorf("--out: %s: can't make this directory: %w", name, pathCause(err))}
	}
	probe, err := os.CreateTemp(name, ".probe-*")
	if err != nil {
		return nil, badInput{fmt.Errorf("--out: %s: can't write to this directory: %w", name, pathCause(err))}
	}
	return &outDir{name: name}, errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func (d *outDir) path(name string) string { return filepath.Join(d.name, name) }

// create makes a file that keep will give its name.
func (d *outDir) create(name string) (*os.File, error) {
	file, err := os.Create(d.path(name) + pendingSuffix)
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
		return fmt.Errorf("%s: %w", d.path(name), err)
	}
	return nil
}

// keep gives all pending files their names.
func (d *outDir) keep() error {
	for _, name := range d.pending {
		if err := os.Rename(d.path(name)+pendingSuffix, d.path(name)); err != nil {
			return err
		}
	}
	d.pending = nil
	return nil
}

// discard removes what was written and not kept.
func (d *outDir) discard() {
	for _, name := range d.pending {
		os.Remove(d.path(name) + pendingSuffix) // nothing better can be done if it fails
	}
	d.pending = nil
}

// writeReport writes the report, its charts and the figures, and keeps them
// together with the traces.
func (d *outDir) writeReport(c report.Comparison, runs []*report.Collector) error {
	if err := d.write("summary.json", c.WriteJSON); err != nil {
		return err
	}
	err := d.write("report.html", func(w io.Writer) error { return report.HTML(w, c, runs) })
	if err != nil {
		return err
	}
	for _, chart := range report.Charts(runs) {
		if err := d.write(chart.Name+".png", chart.PNG); err != nil {
			return err
		}
	}
	return d.keep()
}
