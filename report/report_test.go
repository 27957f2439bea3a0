package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/trace"
)

var rewrite = flag.Bool("rewrite", false, "write what comes out to the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -rewrite keeps what comes out):\n%s", name, diff)
	}
}

func collect(records ...trace.Record) *Collector {
	c := NewCollector()
	for _, r := range records {
		c.Record(r)
	}
	return c
}

func header(strategy string) trace.Header {
	return trace.Header{
		Schema: trace.Schema, Version: "0.1.0", Scenario: "one-rack", Strategy: strategy, Workload: "gaussian",
		Seed: 7, Hosts: 4, Sites: 2, VMs: 40, Duration: 100 * time.Second,
	}
}

const second = time.Second

// handmade are three runs small enough to be checked by head: with nothing
// done, 10, 20 and 30 s of violation; with a central scheduler 5 s and 15 s;
// with DVMS 2 s and 4 s, solved by partitions of 2 and 4 nodes.
func handmade() []*Collector {
	none := collect(
		header("none"),
		trace.Load{At: 0, Demand: 10_000, Capacity: 28_000},
		trace.Load{At: 50 * second, Demand: 20_000, Capacity: 28_000, Violated: 1},
		trace.Violation{At: 10 * second, Duration: 10 * second, Host: "node1", Lost: 100},
		trace.Violation{At: 15 * second, Duration: 20 * second, Host: "node2", Lost: 100, Resource: cluster.Memory},
		trace.Violation{At: 70 * second, Duration: 30 * second, Host: "node1", Lost: 300, Open: true},
		trace.Starved{VM: "vm-1", Duration: 40 * second, Asked: 80, Lost: 6},
		trace.Starved{VM: "vm-2", Duration: 20 * second, Asked: 80, Lost: 2},
		trace.End{At: 100 * second, Changes: 9, Events: 20, VMSeconds: 2000, LostShare: 0.004, Violations: 3},
	)
	central := collect(
		header("centralized"),
		trace.Load{At: 0, Demand: 10_000, Capacity: 28_000},
		trace.Load{At: 50 * second, Demand: 20_000, Capacity: 28_000},
		trace.Solve{At: 12 * second, Duration: second, Node: "master", Nodes: 4, VMs: 40, Answer: "viable", Steps: 30, Moves: 1},
		trace.Migration{At: 13 * second, Duration: 2 * second, VM: "vm-1", FromSite: "a", ToSite: "a", Bytes: cluster.GiB, Outcome: "done"},
		trace.Reconfiguration{At: 13 * second, Duration: 2 * second, Nodes: 4, Migrations: 1, Outcome: "done"},
		trace.Violation{At: 10 * second, Duration: 5 * second, Host: "node1"},
		trace.Violation{At: 15 * second, Duration: 15 * second, Host: "node2", Arrival: true},
		trace.Solve{At: 30 * second, Duration: 3 * second, Node: "master", Nodes: 4, VMs: 40, Answer: "infeasible", Steps: 90},
		trace.Migration{At: 40 * second, Duration: second, VM: "vm-2", FromSite: "a", ToSite: "b", Bytes: cluster.GiB, Outcome: "failed"},
		trace.Reconfiguration{At: 40 * second, Duration: second, Nodes: 4, Migrations: 1, Outcome: "aborted"},
		trace.End{At: 100 * second, Changes: 9, Events: 50, VMSeconds: 2000, Violations: 2, Migrated: 2},
	)
	dvms := collect(
		header("dvms"),
		trace.Load{At: 0, Demand: 10_000, Capacity: 28_000},
		trace.Load{At: 50 * second, Demand: 20_000, Capacity: 28_000, Partitions: 1, Booked: 2},
		trace.Solve{At: 10 * second, Duration: second / 4, Node: "node2", Partition: "node1.1", Nodes: 2, Answer: "viable", Steps: 5, Moves: 1},
		trace.Migration{At: 11 * second, Duration: second, VM: "vm-1", Bytes: cluster.GiB, Outcome: "done", Partition: "node1.1"},
		trace.Reconfiguration{At: 11 * second, Duration: second, Partition: "node1.1", Nodes: 2, Migrations: 1, Outcome: "done"},
		trace.Partition{At: 10 * second, Duration: 2 * second, ID: "node1.1", Members: []string{"node1", "node2"}, Sites: 1, Hops: 1, Solves: 1, Outcome: "solved", Messages: 4, Bytes: 1000},
		trace.Violation{At: 10 * second, Duration: 2 * second, Host: "node1"},
		trace.Solve{At: 15 * second, Duration: second / 4, Node: "node3", Partition: "node2.1", Nodes: 2, Answer: "infeasible", Steps: 9},
		trace.Solve{At: 15*second + second/2, Duration: second / 4, Node: "node4", Partition: "node2.1", Nodes: 4, Answer: "viable", Steps: 7, Moves: 1},
		trace.Migration{At: 16 * second, Duration: 3 * second, VM: "vm-2", Bytes: cluster.GiB, Outcome: "done", Partition: "node2.1"},
		trace.Reconfiguration{At: 16 * second, Duration: 3 * second, Partition: "node2.1", Nodes: 4, Migrations: 1, Outcome: "done"},
		trace.Partition{At: 15 * second, Duration: 4 * second, ID: "node2.1", Members: []string{"node2", "node3", "node4", "node1"}, Sites: 2, Hops: 4, Merges: 1, Solves: 2, Outcome: "solved", Messages: 6, Bytes: 2600},
		trace.Partition{At: 15 * second, Duration: second, ID: "node3.1", Members: []string{"node3"}, Sites: 1, Solves: 1, Outcome: "merged", Messages: 2, Bytes: 300},
		trace.Violation{At: 15 * second, Duration: 4 * second, Host: "node2"},
		trace.End{At: 100 * second, Messages: 12, Bytes: 3900, Changes: 9, Events: 70, VMSeconds: 2000, Violations: 2, Migrated: 2},
	)
	return []*Collector{none, central, dvms}
}

func table(t *testing.T, c Comparison) string {
	t.Helper()
	var out strings.Builder
	if err := c.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTable(t *testing.T) {
	golden(t, "handmade.txt", table(t, Compare(handmade()...)))
}

func TestJSON(t *testing.T) {
	c := Compare(handmade()...)
	c.Runs[2] = c.Runs[2].WithWall(20 * time.Millisecond)
	var out bytes.Buffer
	if err := c.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "handmade.json", out.String())
}

// The documentation explains each field of the JSON.
func TestJSONIsDocumented(t *testing.T) {
	docs, err := os.ReadFile("../docs/file-formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(docs), "## Comparisons")
	text, err := os.ReadFile("testdata/handmade.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range regexp.MustCompile(`"([a-z0-9_]+)":`).FindAllSubmatch(text, -1) {
		if !strings.Contains(section, "`"+string(key[1])+"`") {
			t.Errorf("%s is not explained", key[1])
		}
	}
}

func TestTableOfSeveralSeeds(t *testing.T) {
	golden(t, "five-seeds.txt", table(t, Compare(seeds(5)...)))
}

// A table has to fit a terminal.
func TestTableWidth(t *testing.T) {
	for line := range strings.Lines(table(t, Compare(seeds(5)...))) {
		if n := len([]rune(line)); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// edgeCases are runs that have nothing where a report expects something.
func edgeCases() map[string][]*Collector {
	quiet := trace.End{At: 100 * second, Changes: 3, Events: 3, VMSeconds: 10}
	one := header("dvms")
	one.Hosts, one.VMs = 1, 1
	open := trace.Violation{At: 90 * second, Duration: 10 * second, Host: "node1", Open: true}
	return map[string][]*Collector{
		"no runs":            {},
		"nothing recorded":   {NewCollector()},
		"no violations":      {collect(header("none"), quiet), collect(header("centralized"), quiet), collect(header("dvms"), quiet)},
		"one run":            handmade()[2:],
		"one host":           {collect(one, open, trace.End{At: 100 * second, Violations: 1})},
		"cut off":            {collect(header("dvms"), trace.Violation{At: 12 * second, Duration: second / 2, Host: "node1"})},
		"cut off at once":    {collect(header("dvms"))},
		"interrupted":        {collect(header("none"), trace.End{At: 3 * second, Partial: true})},
		"no time at all":     {collect(header("none"), trace.Load{Demand: 1, Capacity: 2}, trace.Violation{Host: "node1"}, trace.End{Violations: 1})},
		"unknown strategy":   {collect(header("<b>mine</b>"), quiet)},
		"a seed cut off":     append(seeds(2), collect(header("dvms"))),
		"many strategies":    {collect(header("a"), quiet), collect(header("b"), quiet), collect(header("c"), quiet), collect(header("d"), quiet), collect(header("e"), quiet), collect(header("f"), quiet), collect(header("g"), quiet), collect(header("h"), quiet), collect(header("i"), quiet)},
		"a load of capacity": {collect(header("none"), trace.Load{At: second}, quiet)},
	}
}

func TestEdgeCases(t *testing.T) {
	for name, runs := range edgeCases() {
		t.Run(name, func(t *testing.T) {
			c := Compare(runs...)
			if text := table(t, c); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
				t.Errorf("not a number:\n%s", text)
			}
			if err := c.WriteJSON(new(bytes.Buffer)); err != nil { // it refuses NaN
				t.Error(err)
			}
		})
	}
}

func TestTableOfNoViolations(t *testing.T) {
	golden(t, "no-violations.txt", table(t, Compare(edgeCases()["no violations"]...)))
}

func TestTableOfRunCutOff(t *testing.T) {
	golden(t, "cut-off.txt", table(t, Compare(edgeCases()["cut off"]...)))
}

// A trace file gives the summary that the live run gave.
func TestSummaryOfTraceIsThatOfRun(t *testing.T) {
	for _, f := range fakes(3) {
		var file bytes.Buffer
		w := trace.NewWriter(&file)
		for _, r := range f.records() {
			w.Record(r)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		read := NewCollector()
		if err := trace.Read("x.trace", &file, read); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f.collect().Summary(), read.Summary()); diff != "" {
			t.Errorf("%s: %s", f.strategy, diff)
		}
	}
}

// Statistics pooled from summaries are those of all durations together.
func TestPool(t *testing.T) {
	parts := [][]time.Duration{{3 * second, 5 * second, 40 * second}, {}, {second}, {2 * second, 2 * second}}
	var runs strategyRuns
	var all []time.Duration
	for _, p := range parts {
		runs.runs = append(runs.runs, Summary{Violations: Violations{Times: times(p)}})
		all = append(all, p...)
	}
	got, want := runs.pool(violations), times(all)
	got.P95, want.P95 = 0, 0 // can't be pooled
	near := cmp.Comparer(func(a, b Seconds) bool { return math.Abs(float64(a-b)) < 1e-6 })
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Error(diff)
	}
}

func TestP95(t *testing.T) {
	for n, want := range map[int]Seconds{1: 1, 2: 2, 19: 19, 20: 19, 21: 20, 100: 95, 101: 96} {
		var in []time.Duration
		for i := range n {
			in = append(in, time.Duration(n-i)*second)
		}
		if got := times(in).P95; got != want {
			t.Errorf("p95 of 1..%d s is %v s, want %v s", n, got, want)
		}
	}
}

func TestWithWall(t *testing.T) {
	s := Summary{Events: 1000}.WithWall(500 * time.Millisecond)
	if s.Wall != 0.5 || s.EventsPerSecond != 2000 {
		t.Errorf("%v s, %v events/s", s.Wall, s.EventsPerSecond)
	}
	text, err := json.Marshal(s.WithWall(0))
	if err != nil || bytes.Contains(text, []byte("wall")) {
		t.Errorf("%s %v", text, err)
	}
}
