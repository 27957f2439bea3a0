package report

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/trace"
)

// placed is a run of nodes at the given coordinates, in microseconds, two on
// each site.
func placed(vectors ...[]float64) *Collector {
	c := collect(header("dvms-spiral"))
	for i, v := range vectors {
		c.Record(trace.Place{Node: "node", Site: string(rune('A' + i/2)), Vector: v, Height: 50})
	}
	return c
}

func mapOf(c *Collector) (Chart, bool) {
	for _, chart := range Charts([]*Collector{c}) {
		if chart.Kind == Places {
			return chart, true
		}
	}
	return Chart{}, false
}

// Points in a plane that lies askew in space keep their distances on the map.
func TestAMapKeepsDistances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		turn := rapid.Float64Range(0, 2*math.Pi).Draw(t, "turn")
		var vectors [][]float64
		for range rapid.IntRange(2, 12).Draw(t, "nodes") {
			x, y := rapid.Float64Range(-20_000, 20_000).Draw(t, "x"), rapid.Float64Range(-20_000, 20_000).Draw(t, "y")
			vectors = append(vectors, []float64{x * math.Cos(turn), y, 7, x * math.Sin(turn)})
		}
		chart, ok := mapOf(placed(vectors...))
		if !ok {
			t.Fatalf("there is no map")
		}
		var xs, ys []float64
		for _, s := range chart.Series {
			xs, ys = append(xs, s.X...), append(ys, s.Y...)
		}
		if len(xs) != len(vectors) || chart.Series[0].Name != "A" {
			t.Fatalf("%d of %d nodes are on the map, the first on site %s", len(xs), len(vectors), chart.Series[0].Name)
		}
		for i := range xs {
			if xs[i] < 0 || ys[i] < 0 {
				t.Fatalf("(%v, %v) is off the map", xs[i], ys[i])
			}
			want := 0.0
			for d := range 4 {
				want += (vectors[i][d] - vectors[0][d]) * (vectors[i][d] - vectors[0][d])
			}
			if got := 1000 * math.Hypot(xs[i]-xs[0], ys[i]-ys[0]); math.Abs(got-math.Sqrt(want)) > 1 {
				t.Fatalf("node %d is %v us from the first, want %v", i, got, math.Sqrt(want))
			}
		}
	})
}

// Whatever a trace holds, there is a map that can be drawn, or none.
func TestAMapOfAnything(t *testing.T) {
	for name, vectors := range map[string][][]float64{
		"one node":        {{1, 2, 3, 4}},
		"one place":       {{5, 5}, {5, 5}, {5, 5}},
		"a line":          {{0}, {1000}, {3000}},
		"nothing at all":  {{}, {}},
		"too far":         {{1e300, 0}, {0, 1}, {2, 2}},
		"other dimension": {{1, 2}, {1, 2, 3}, {3, 2}},
	} {
		c := placed(vectors...)
		chart, ok := mapOf(c)
		if ok == (name == "nothing at all") {
			t.Errorf("%s: there is a map: %v", name, ok)
		}
		if !ok {
			continue
		}
		if err := chart.SVG(new(bytes.Buffer)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var page bytes.Buffer
		if err := HTML(&page, Compare(c), []*Collector{c}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(page.String(), "<circle") || strings.Contains(page.String(), "NaN") {
			t.Errorf("%s: the page has no map, or one with a NaN", name)
		}
	}
}

// Names of sites come from a file, and are text on a page.
func TestAMapEscapesNames(t *testing.T) {
	c := collect(header("dvms-spiral"))
	c.Record(trace.Place{Site: "<script>", Vector: []float64{1, 2}})
	chart, _ := mapOf(c)
	if picture := string(chart.Map()); strings.Contains(picture, "<script>") || !strings.Contains(picture, "&lt;script&gt;") {
		t.Error(picture)
	}
}
