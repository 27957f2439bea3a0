package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/experiment"
	"github.com/dvms-project/dvms/report"
	"github.com/dvms-project/dvms/trace"
)

var rewrite = flag.Bool("rewrite", false, "write the expected summaries of the examples anew")

// recordedTraces are the directories of public traces that examples play. They
// are not part of this project, and may lie beside it.
var recordedTraces = map[string]string{
	"planetlab": "../../../shared/data/traces/planetlab/20110303",
	"bitbrains": "../../../shared/data/traces/bitbrains-rnd/day1",
}

// Every example runs, and its summary is the one in examples/expected. A
// difference is a change of what the program does: look whether it is the one
// you meant before you keep it, with go test ./cmd/dvms -rewrite.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("examples %q, %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			args := []string{"simulate", file, "--out", out}
			traces := recordedTraces[name]
			if traces != "" {
				if _, err := os.Stat(traces); err != nil {
					t.Skipf("the recorded traces are not here: %v", err)
				}
				args = append(args, "--workload", name+":"+traces)
			}
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr.String())
			}
			compareSummary(t, name, summaryOf(t, out))
		})
	}
}

// The study of the vjobs, with 20 draws.
func TestStudies(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/vjobs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("studies %q, %v", files, err)
	}
	for _, file := range files {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), []string{"vjobs", file, "--draws", "20"}, &stdout, &stderr); code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr.String())
		}
		compareSummary(t, "vjobs-"+strings.TrimSuffix(filepath.Base(file), ".yaml"), stdout.String())
	}
}

// summaryOf returns the table of the runs whose traces are in a directory, as
// those do not say how long the runs took or which build made them.
func summaryOf(t *testing.T, dir string) string {
	t.Helper()
	var runs []*report.Collector
	for _, strategy := range experiment.Strategies {
		files, err := filepath.Glob(filepath.Join(dir, strategy+"-[0-9]*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			runs = append(runs, collect(t, name))
		}
	}
	c := report.Compare(runs...)
	c.Version = ""
	var text strings.Builder
	if err := c.WriteTable(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// collect reads a trace.
func collect(t *testing.T, name string) *report.Collector {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	run := report.NewCollector()
	if err := trace.Read(name, file, run); err != nil {
		t.Fatal(err)
	}
	return run
}

// compareSummary compares a summary with the expected one.
func compareSummary(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("..", "..", "examples", "expected", name+".txt")
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test ./cmd/dvms -rewrite writes it", err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant, in %s:\n%s", got, file, want)
	}
}
