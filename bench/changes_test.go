package bench

import (
	_ "embed"
	"fmt"
	"math"
	"strings"
	"testing"
)

//go:embed testdata/changes-8-hosts.csv
var published string

// The list was written by a program that runs the same workload on SimGrid 3.32.
func TestChangesAreThoseOfThePeer(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(published), "\n")[1:]
	got := Changes(80, 1800, 42)
	if len(got) != len(lines) {
		t.Fatalf("%d changes, want %d", len(got), len(lines))
	}
	for i, line := range lines {
		var want Change
		if _, err := fmt.Sscanf(line, "%g,%d,%d", &want.At, &want.VM, &want.Load); err != nil {
			t.Fatalf("line %d: %v", i+2, err)
		}
		if c := got[i]; c.VM != want.VM || c.Load != want.Load || math.Abs(c.At-want.At) > 1e-12*want.At {
			t.Errorf("change %d is %+v, want %+v", i, c, want)
		}
	}
}
