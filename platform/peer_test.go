package platform

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The routes are those that the peer finds; see testdata/peer/README.md.
func TestRoutesAreThoseOfThePeer(t *testing.T) {
	files, err := filepath.Glob("testdata/peer/*.xml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d platforms, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := readXML(t, file)
			text, err := os.ReadFile(strings.TrimSuffix(file, ".xml") + ".routes")
			if err != nil {
				t.Fatal(err)
			}
			routes := 0
			for line := range strings.Lines(string(text)) {
				comparePath(t, r, strings.Fields(line))
				routes++
			}
			if routes != r.hosts*r.hosts {
				t.Errorf("%d routes for %d hosts", routes, r.hosts)
			}
		})
	}
}

// comparePath compares a route with a line of source, target, latency and
// links.
func comparePath(t *testing.T, r *Router, words []string) {
	t.Helper()
	want, err := strconv.ParseFloat(words[2], 64)
	if err != nil {
		t.Fatal(err)
	}
	links, latency, err := r.Path(words[0], words[1])
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(links) != fmt.Sprint(words[3:]) || math.Abs(float64(latency)-want) > 1e-8*want {
		t.Errorf("from %s to %s: %v in %v s, want %v in %v s", words[0], words[1], links, float64(latency), words[3:], want)
	}
}

func readXML(t *testing.T, file string) *Router {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseXML(filepath.Base(file), text, os.DirFS(filepath.Dir(file)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Router()
	if err != nil {
		t.Fatal(err)
	}
	return r
}
