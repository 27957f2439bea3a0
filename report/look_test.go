package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var look = flag.String("look", "", "directory to which TestLook writes reports of made-up runs, to look at")

// TestLook is for a person: go test ./report -run TestLook -look DIR
func TestLook(t *testing.T) {
	if *look == "" {
		t.Skip("no -look directory")
	}
	// Two strategies with partitions, each with a colour of its own.
	chord := fakeRun{"dvms-chord", 42, 128, 1800 * time.Second, 85, 12.1, 4.5, 0.05, true}
	for name, runs := range map[string][]*Collector{
		"one-seed":        collectAll(fakes(42)...),
		"five-seeds":      seeds(5),
		"four-strategies": collectAll(append(fakes(42), chord)...),
		"one-host":        edgeCases()["one host"],
		"cut-off":         edgeCases()["a seed cut off"],
		"no-violations":   edgeCases()["no violations"],
		"many-strategies": edgeCases()["many strategies"],
	} {
		c := Compare(runs...)
		for i := range c.Runs {
			c.Runs[i] = c.Runs[i].WithWall(420 * time.Millisecond)
		}
		t.Log(name)
		if err := c.WriteTable(os.Stdout); err != nil {
			t.Fatal(err)
		}
		for _, chart := range Charts(runs) {
			var picture bytes.Buffer
			if err := chart.SVG(&picture); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(*look, name+"-"+chart.Name+".svg"), picture.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var page bytes.Buffer
		if err := HTML(&page, c, runs); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*look, name+".html"), page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
