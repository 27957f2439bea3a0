package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An interrupted search says how far it came, and is kept if there is a file
// for it.
func TestInterruptedSearchIsKept(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "state")
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"explore", "--nodes", "4", "--state", file}, &stdout, &stderr); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if !strings.HasPrefix(stderr.String(), "dvms: interrupted with ") || !strings.Contains(stdout.String(), "not all states; nothing is wrong so far") {
		t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
	}
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		t.Errorf("%s: %v", file, err)
	}
}

func TestParseDemands(t *testing.T) {
	for text, want := range map[string][][]int{
		"60,40/20": {{60, 40}, {20}},
		"60//0":    {{60}, nil, {0}},
		" 1 , 2 ":  {{1, 2}},
	} {
		got, err := parseDemands(text)
		if err != nil || len(got) != len(want) {
			t.Errorf("%q: %v, %v", text, got, err)
			continue
		}
		for i := range want {
			if len(got[i]) != len(want[i]) {
				t.Errorf("%q: node %d has %v, want %v", text, i+1, got[i], want[i])
			}
		}
	}
	for _, text := range []string{"a", "1,,2", "-1", "1001", "1,"} {
		if got, err := parseDemands(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
