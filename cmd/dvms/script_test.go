package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

// atOnce is a variable for the environment: with the race detector, a program
// otherwise sleeps a second before it ends.
var atOnce = [2]string{"GORACE", "atexit_sleep_ms=0"}

// The scripts run this program: with its own process, signals and exit code.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"dvms": main})
}

// testdata/script holds the command line's contract, one matter a script.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv(atOnce[0], atOnce[1])
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exitcode": exitCode,
			"json":     jsonFields,
			"narrow":   narrow,
			"oneline":  oneLine,
			"waitfor":  waitFor,
		},
		RequireExplicitExec: true,
	})
}

// exitCode N ARGS... runs dvms and expects it to end with a code.
//
// testscript's own "! exec" accepts any code but 0.
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("dvms", args[1:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("dvms %q ended with code %s (%v), want %s", args[1:], code, err, args[0])
	}
}

// jsonFields FILE PATH... expects fields in a JSON document. A number in a
// path is an index.
func jsonFields(ts *testscript.TestScript, _ bool, args []string) {
	var doc any
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	for _, field := range args[1:] {
		path, want, compare := strings.Cut(field, "=")
		value := doc
		for part := range strings.SplitSeq(path, ".") {
			switch v := value.(type) {
			case map[string]any:
				value = v[part]
			case []any:
				value = v[int(part[0]-'0')]
			default:
				value = nil
			}
			if value == nil {
				ts.Fatalf("%s has no %s", args[0], path)
			}
		}
		if text, _ := json.Marshal(value); compare && string(text) != want {
			ts.Fatalf("%s: %s is %s, want %s", args[0], path, text, want)
		}
	}
}

// narrow FILE expects lines of no more than 100 characters.
func narrow(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > 100 {
			ts.Fatalf("%s has a line of %d characters: %s", args[0], utf8.RuneCountInString(line), line)
		}
	}
}

// oneLine FILE expects one line, of this program.
func oneLine(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "dvms: ") || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%s is not a single line from dvms: %q", args[0], text)
	}
}

// waitFor FILE waits until a file has something in it.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	for range 3000 {
		if info, err := os.Stat(ts.MkAbs(args[0])); err == nil && info.Size() > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(ts.MkAbs(args[0])), "*"))
	ts.Fatalf("%s did not come; there are %q", args[0], found)
}

// An interrupt is a failure, not bad input; the scripts can't tell the code of
// a program that they send a signal.
func TestInterruptIsAFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"simulate", "--json"}, &stdout, &stderr); code != exitFailed {
		t.Errorf("exit code %d, want %d: %s", code, exitFailed, stderr.String())
	}
}

// The names of the charts are known, or a later run would not remove them.
func TestChartFilesAreAll(t *testing.T) {
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"simulate", "--hosts", "8", "--out", dir}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	charts, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil || len(charts) == 0 {
		t.Fatalf("charts %q, %v", charts, err)
	}
	for _, chart := range charts {
		if name := filepath.Base(chart); !slices.Contains(chartFiles, name) {
			t.Errorf("%s is not among %q", name, chartFiles)
		}
	}
}
