package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/trace"
)

func chartNamed(t *testing.T, runs []*Collector, name string) Chart {
	t.Helper()
	for _, c := range Charts(runs) {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no chart %s", name)
	return Chart{}
}

func TestChartsOfHandmadeRuns(t *testing.T) {
	runs := handmade()
	var names []string
	for _, c := range Charts(runs) {
		names = append(names, c.Name)
	}
	want := []string{"violation-time", "violation-durations", "violation-time-so-far", "violated-hosts", "load", "migrations", "partition-sizes"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatal(diff)
	}

	bars := chartNamed(t, runs, "violation-time")
	for i, want := range []float64{60, 20, 6} {
		if got := bars.Series[i].Y[0]; got != want {
			t.Errorf("violation time of %s is %v s, want %v s", bars.Series[i].Name, got, want)
		}
	}

	// 10, 20 and 30 s.
	durations := chartNamed(t, runs, "violation-durations").Series[0]
	for x, want := range map[float64]float64{5: 0, 10: 100. / 3, 15: 100. / 3, 20: 200. / 3, 30: 100} {
		if got := durations.Y[slices.Index(durations.X, x)]; math.Abs(got-want) > 1e-9 {
			t.Errorf("%v %% of the violations took at most %v s, want %v %%", got, x, want)
		}
	}

	// Nothing before 10 s; two hosts from 15 to 20 s; then the last to the end.
	soFar := chartNamed(t, runs, "violation-time-so-far").Series[0]
	for x, want := range map[float64]float64{10: 0, 15: 5, 20: 15, 35: 30, 70: 30, 100: 60} {
		if got := soFar.Y[slices.Index(soFar.X, x)]; math.Abs(got-want) > 1e-9 {
			t.Errorf("%v s of violation after %v s, want %v s", got, x, want)
		}
	}

	load := chartNamed(t, runs, "load").Series
	if len(load) != 1 || load[0].Color != common || len(load[0].Y) != 2 || math.Abs(load[0].Y[1]-100*20./28) > 1e-9 {
		t.Errorf("the load, the same for all, is %+v", load)
	}

	migrations := chartNamed(t, runs, "migrations").Series[2]
	for x, want := range map[float64]float64{11.5: 0, 12: 1, 18.5: 1, 19: 2, 100: 2} {
		if got := migrations.Y[slices.Index(migrations.X, x)]; got != want {
			t.Errorf("%v migrations after %v s, want %v", got, x, want)
		}
	}

	sizes := chartNamed(t, runs, "partition-sizes").Series
	want2 := []Series{{Name: "dvms", Color: 2, X: Points{1, 2, 3, 4}, Y: Points{0, 1, 0, 1}}}
	if diff := cmp.Diff(want2, sizes); diff != "" {
		t.Error(diff)
	}
}

// The colours of the three usual strategies do not depend on who else is
// there, and two strategies of a report differ while the palette lasts.
func TestColors(t *testing.T) {
	if diff := cmp.Diff([]int{2, 3, 0, 4, 1}, colorsOf([]string{"dvms", "mine", "none", "yours", "centralized"})); diff != "" {
		t.Error(diff)
	}
	seen := map[int]bool{}
	for _, c := range colorsOf(append(slices.Clone(usual), "a", "b", "c", "d", "e")) {
		if seen[c] {
			t.Errorf("colour %d is there twice", c)
		}
		seen[c] = true
	}
	colorsOf(strings.Split("abcdefghijklmnopqrstuvwxyz", ""))
}

// The exact function agrees with one that looks at each violation.
func TestViolationTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := rapid.Int64Range(0, int64(1000*time.Hour))
		var violations []interval
		for range rapid.IntRange(0, 20).Draw(t, "violations") {
			violations = append(violations, interval{time.Duration(instant.Draw(t, "at")), time.Duration(instant.Draw(t, "duration"))})
		}
		at := time.Duration(instant.Draw(t, "instant"))
		var want time.Duration
		for _, v := range violations {
			want += max(0, min(at, v.end())-v.at)
		}
		if got := violationTime(violations)(at); got != want {
			t.Fatalf("%v before %v, want %v", got, at, want)
		}
	})
}

// Violations of a run with millions of them sum up to more than an int64 on
// the way, and the difference is right all the same.
func TestViolationTimeOfManyViolations(t *testing.T) {
	violations := make([]interval, 1_000_000)
	for i := range violations {
		violations[i] = interval{time.Duration(i), time.Second}
	}
	if got, want := violationTime(violations)(1000*time.Hour), 1_000_000*time.Second; got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

// Thinning keeps the peaks and the order.
func TestThinned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y := rapid.SliceOfN(rapid.Float64Range(-1, 1), 1, 300).Draw(t, "y")
		x := make([]float64, len(y))
		for i := range x {
			x[i] = float64(i)
		}
		most := rapid.IntRange(2, 50).Draw(t, "most")
		tx, ty := thinned(x, y, most)
		if len(tx) != len(ty) || len(tx) > most || len(tx) > len(x) {
			t.Fatalf("%d points of %d", len(tx), len(x))
		}
		if !slices.IsSorted(tx) || slices.Max(ty) != slices.Max(y) || slices.Min(ty) != slices.Min(y) {
			t.Fatalf("%v became %v at %v", y, ty, tx)
		}
	})
}

// A run that was cut off does not pull down the mean of those that were not.
func TestRunCutOffIsLeftOutOfMeans(t *testing.T) {
	whole, runs := seeds(2), edgeCases()["a seed cut off"]
	for i, c := range Charts(runs) {
		if diff := cmp.Diff(Charts(whole)[i].Series, c.Series); diff != "" {
			t.Errorf("%s: %s", c.Name, diff)
		}
	}
	if diff := cmp.Diff(Compare(whole...).rows(), Compare(runs...).rows()); diff != "" {
		t.Error(diff)
	}
	if notes := Compare(runs...).Notes(); !strings.Contains(notes[0], "left out") {
		t.Errorf("notes are %q", notes)
	}
}

// Records of a damaged trace, with times of centuries, are summed up and drawn
// all the same: what comes out may be nonsense, but it comes out, and JSON can
// hold it.
func TestAbsurdRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		absurd := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, int64(time.Hour)), rapid.Int64Range(0, math.MaxInt64))
		instant := func() time.Duration { return time.Duration(absurd.Draw(t, "time")) }
		outcome := rapid.SampledFrom([]string{"", "done", "open", "solved", "merged", "failed", "???"})
		c := collect(header(rapid.SampledFrom([]string{"none", "dvms", ""}).Draw(t, "strategy")))
		for range rapid.IntRange(0, 8).Draw(t, "records") {
			c.Record(rapid.SampledFrom([]trace.Record{
				trace.Load{At: instant(), Demand: cluster.Millicores(instant()), Capacity: cluster.Millicores(instant())},
				trace.Violation{At: instant(), Duration: instant()},
				trace.Solve{At: instant(), Duration: instant(), Partition: "p", Answer: "viable", Steps: int(instant())},
				trace.Migration{At: instant(), Duration: instant(), Outcome: outcome.Draw(t, "outcome"), Bytes: cluster.Bytes(instant())},
				trace.Reconfiguration{At: instant(), Duration: instant(), Outcome: outcome.Draw(t, "outcome")},
				trace.Partition{At: instant(), Duration: instant(), ID: "p", Members: make([]string, rapid.IntRange(0, 99).Draw(t, "members")), Outcome: outcome.Draw(t, "outcome")},
				trace.Starved{Lost: math.MaxFloat64},
				trace.End{At: instant(), LostShare: 1e300},
			}).Draw(t, "record"))
		}
		if err := Compare(c).WriteTable(new(bytes.Buffer)); err != nil {
			t.Fatal(err)
		}
		if err := Compare(c).WriteJSON(new(bytes.Buffer)); err != nil {
			t.Fatal(err)
		}
		for _, chart := range Charts([]*Collector{c}) {
			for _, s := range chart.Series {
				for _, v := range slices.Concat(s.X, s.Y) {
					if math.IsNaN(v) || math.IsInf(v, 0) {
						t.Fatalf("%s has a %v", chart.Name, v)
					}
				}
			}
			if len(chart.bars()) > 0 && chart.Kind == Bars && chart.bars()[0].Width > 100 {
				t.Fatal("a bar is too long")
			}
		}
	})
}

// No series has more points than a page should carry, and none is not a
// number.
func TestChartsOfLongRun(t *testing.T) {
	c := collect(header("dvms"))
	members := make([]string, 10_000)
	for i := range 100_000 {
		at := time.Duration(i) * time.Second
		c.Record(trace.Load{At: at, Demand: 1, Capacity: 2})
		c.Record(trace.Violation{At: at, Duration: time.Duration(i+1) * time.Millisecond})
		if i%1000 == 0 {
			c.Record(trace.Partition{At: at, Members: members[:i/10+1], Outcome: "solved"})
		}
	}
	for _, chart := range Charts([]*Collector{c}) {
		for _, s := range chart.Series {
			if len(s.X) > mostPoints {
				t.Errorf("%s has %d points", chart.Name, len(s.X))
			}
		}
		if chart.Kind == Columns && len(chart.Series[0].X) > mostColumns+1 {
			t.Errorf("%d columns", len(chart.Series[0].X))
		}
		if strings.HasPrefix(chart.X.Label, "simulated") && chart.X.Unit != "h" {
			t.Errorf("%s of 28 hours is in %s", chart.Name, chart.X.Unit)
		}
	}
}

func pageOf(t *testing.T, runs []*Collector) string {
	t.Helper()
	var out bytes.Buffer
	if err := HTML(&out, Compare(runs...), runs); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var (
	scripts  = regexp.MustCompile(`(?s)<(script|style)[^>]*>.*?</(script|style)>`)
	tags     = regexp.MustCompile(`<(/?)([a-z0-9]+)[^>]*>`)
	fetching = regexp.MustCompile(`(?i)<(link|img|iframe|object|embed)\b|\b(src|href|srcset|action)\s*=|@import|url\(`)
	pageData = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)
)

func checkPage(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "NaN") && strings.Contains(pageData.FindString(text), "NaN") {
		t.Error("the data have a NaN")
	}
	outside := scripts.ReplaceAllString(text, "")
	var open []string
	for _, tag := range tags.FindAllStringSubmatch(outside, -1) {
		switch name := tag[2]; {
		case name == "meta":
		case tag[1] == "":
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Fatalf("</%s> inside %v", name, open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
	// The library's own code mentions src nowhere; styles may have url().
	if found := fetching.FindString(outside); found != "" {
		t.Errorf("the page asks for something: %s", found)
	}
	for _, style := range scripts.FindAllString(text, -1) {
		if strings.HasPrefix(style, "<style") && fetching.MatchString(style) {
			t.Errorf("a style asks for something: %s", fetching.FindString(style))
		}
	}
}

func TestHTML(t *testing.T) {
	runs := handmade()
	text := pageOf(t, runs)
	checkPage(t, text)
	if text != pageOf(t, handmade()) {
		t.Error("a second page differs from the first")
	}
	var got []Chart
	if err := json.Unmarshal([]byte(pageData.FindStringSubmatch(text)[1]), &got); err != nil {
		t.Fatal(err)
	}
	var want []Chart
	for _, c := range Charts(runs) {
		if c.Kind != Bars {
			c.Subtitle, c.Note = "", ""
			want = append(want, c)
		}
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-5*math.Abs(b) })
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("the data in the page (-want +got):\n%s", diff)
	}
	for _, part := range []string{"one-rack", "seed 7", "dvms 0.1.0", "20.0 ± 10.0 s", "Permission is hereby granted", "Content-Security-Policy"} {
		if !strings.Contains(text, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
}

func TestHTMLOfEdgeCases(t *testing.T) {
	for name, runs := range edgeCases() {
		t.Run(name, func(t *testing.T) {
			text := pageOf(t, runs)
			checkPage(t, text)
			if strings.Contains(text, "<b>mine") {
				t.Error("the name of a strategy is not escaped")
			}
		})
	}
}

func TestSVGIsTheSameAgain(t *testing.T) {
	again := Charts(handmade())
	for i, c := range Charts(handmade()) {
		if drawn(t, c) != drawn(t, again[i]) {
			t.Errorf("%s: a second picture differs from the first", c.Name)
		}
	}
}

func drawn(t *testing.T, c Chart) string {
	var picture strings.Builder
	if err := c.SVG(&picture); err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	return picture.String()
}

// Whatever the runs are, a picture is one that programs can read, nothing is
// drawn outside of it, and all series have their names.
func TestSVGStaysInThePicture(t *testing.T) {
	for name, runs := range edgeCases() {
		for _, c := range Charts(runs) {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				var texts []string
				for _, e := range elements(t, drawn(t, c)) {
					if e.text != "" {
						texts = append(texts, e.text)
					}
					for _, p := range e.corners(t) {
						if !(p.x >= 0 && p.x <= PictureWidth && p.y >= 0 && p.y <= PictureHeight) {
							t.Errorf("%v of %v is outside of the picture", p, e)
						}
					}
				}
				for _, s := range c.Series {
					if !slices.Contains(texts, s.Name) {
						t.Errorf("the picture does not name %q", s.Name)
					}
				}
			})
		}
	}
}

// A curve goes through its points, where the axes have them.
func TestSVGShowsTheData(t *testing.T) {
	for _, c := range Charts(handmade()) {
		if c.Kind != Curves && c.Kind != Steps {
			continue
		}
		d := newDrawing("")
		a := newAxes(box{right: 1000, bottom: 500}, c.scaleX(), c.scaleY())
		s := c.Series[0]
		s.drawLine(d, a, c.Kind == Steps)
		line := elements(t, d.end())[2].corners(t)
		for i := range s.X {
			if want := a.at(s.X[i], s.Y[i]); !slices.ContainsFunc(line, func(p point) bool { return math.Hypot(p.x-want.x, p.y-want.y) < 0.01 }) {
				t.Fatalf("%s: (%v, %v) is not on the line", c.Name, s.X[i], s.Y[i])
			}
		}
		for _, p := range line {
			if !(p.x >= a.left-0.01 && p.x <= a.right+0.01 && p.y >= a.top-0.01 && p.y <= a.bottom+0.01) {
				t.Fatalf("%s: %v is outside of the axes", c.Name, p)
			}
		}
	}
}

// Names of strategies come from a file, and are text in a picture.
func TestSVGEscapesNames(t *testing.T) {
	const name = `<b>"mine" & yours`
	chart := Chart{
		Name: "times", Kind: Curves, Title: name, Subtitle: name, X: Axis{Label: name}, Y: Axis{Label: name},
		Series: []Series{{Name: name, X: Points{0, 1}, Y: Points{0, 1}}},
	}
	found := 0
	for _, e := range elements(t, drawn(t, chart)) {
		if e.text == name {
			found++
		}
	}
	if found != 5 {
		t.Errorf("%d texts of 5 are %s", found, name)
	}
}

// element is one of the shapes and texts of a picture.
type element struct {
	name string
	with map[string]string
	text string
}

func elements(t *testing.T, picture string) []element {
	var all []element
	decoder := xml.NewDecoder(strings.NewReader(picture))
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %s", err, picture)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, with: map[string]string{}}
			for _, a := range token.Attr {
				e.with[a.Name.Local] = a.Value
			}
			all = append(all, e)
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" {
				all[len(all)-1].text = text
			}
		}
	}
}

// corners returns points around an element.
func (e element) corners(t *testing.T) []point {
	at := func(key string) float64 {
		x, err := strconv.ParseFloat(e.with[key], 64)
		if err != nil {
			t.Fatalf("%s of %v: %v", key, e, err)
		}
		return x
	}
	switch e.name {
	case "rect":
		return []point{{at("x"), at("y")}, {at("x") + at("width"), at("y") + at("height")}}
	case "circle":
		r := at("r")
		return []point{{at("cx") - r, at("cy") - r}, {at("cx") + r, at("cy") + r}}
	case "text":
		size := at("font-size")
		left := at("x") - textWidth(e.text, size)*map[string]float64{"middle": 0.5, "end": 1}[e.with["text-anchor"]]
		return []point{{left, at("y") - size}, {left + textWidth(e.text, size), at("y")}}
	case "path":
		return pathPoints(t, e.with["d"])
	}
	return nil
}

var pathStep = regexp.MustCompile(`([MLHV])([^MLHV]*)`)

func pathPoints(t *testing.T, path string) []point {
	var at point
	var all []point
	for _, step := range pathStep.FindAllStringSubmatch(path, -1) {
		var err error
		switch step[1] {
		case "H":
			_, err = fmt.Sscan(step[2], &at.x)
		case "V":
			_, err = fmt.Sscan(step[2], &at.y)
		default:
			_, err = fmt.Sscan(step[2], &at.x, &at.y)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, at)
	}
	return all
}
