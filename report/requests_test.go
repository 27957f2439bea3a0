package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/trace"
)

// asking are two runs of a scenario in which somebody drains two hosts, has three
// VMs started, and adds two rules. With nothing done all stays open; dvms empties
// one of the hosts only.
func asking() []*Collector {
	part := func(at, took int, request, kind, node, outcome, reasons string) trace.Request {
		return trace.Request{
			At: time.Duration(at) * second, Duration: time.Duration(took) * second, Request: request, Kind: kind, Node: node,
			VMs: 3, Answers: one(reasons != "") * 4, Outcome: outcome, Reasons: reasons,
		}
	}
	none := collect(
		header("none"),
		part(10, 90, "drain node0..node1 (10s)", "drain", "node0", "open", ""),
		part(10, 90, "drain node0..node1 (10s)", "drain", "node1", "open", ""),
		part(20, 80, "place batch (20s)", "place", "node3", "open", ""),
		part(40, 0, "rule apart (40s)", "rule", "", "done", ""),
		part(30, 20, "rule together (30s)", "rule", "", "withdrawn", ""),
		trace.End{At: 100 * second},
	)
	dvms := collect(
		header("dvms"),
		trace.Start{At: 21 * second, Duration: 11 * second, VM: "batch-0", Node: "node3", On: "node2", Outcome: "done", Partition: "node3.1"},
		trace.Start{At: 21 * second, Duration: 12 * second, VM: "batch-1", Node: "node3", On: "node2", Outcome: "done", Partition: "node3.1"},
		trace.Start{At: 21 * second, Duration: second, VM: "batch-2", Node: "node3", On: "node1", Outcome: "failed", Partition: "node3.1"},
		trace.Start{At: 30 * second, Duration: 11 * second, VM: "batch-2", Node: "node3", On: "node2", Outcome: "done", Partition: "node3.2"},
		part(10, 30, "drain node0..node1 (10s)", "drain", "node0", "done", ""),
		part(20, 21, "place batch (20s)", "place", "node3", "done", ""),
		part(40, 0, "rule apart (40s)", "rule", "", "done", ""),
		part(30, 8, "rule together (30s)", "rule", "", "done", ""),
		part(10, 90, "drain node0..node1 (10s)", "drain", "node1", "open", "can't leave: "+strings.Repeat("vm-7 (3 nodes without enough memory), ", 9)+"and more"),
		trace.End{At: 100 * second},
	)
	return []*Collector{none, dvms}
}

func TestTableOfRequests(t *testing.T) {
	golden(t, "requests.txt", table(t, Compare(asking()...)))
}

// The figures that the table is made of.
func TestRequestsAreSummedUp(t *testing.T) {
	got := asking()[1].Summary().Requests
	if got.Asked != 4 || got.Open != 1 || got.Withdrawn != 0 || got.Count != 3 || got.Max != 21 || got.Started != 3 || got.Answers != 4 {
		t.Errorf("%+v", got)
	}
	if first := got.List[0]; first.Parts != 2 || first.Done != 1 || first.Duration != 90 || !strings.HasPrefix(first.Reasons, "node1 can't leave: vm-7") {
		t.Errorf("%+v", first)
	}
	if got := asking()[0].Summary().Requests; got.Asked != 4 || got.Open != 2 || got.Withdrawn != 1 || got.Count != 1 {
		t.Errorf("%+v", got)
	}
	if got := handmade()[2].Summary().Requests; got != nil {
		t.Errorf("nobody has asked for anything: %+v", got)
	}
}

// What the table leaves out, the JSON has.
func TestJSONHasAllOfTheReasons(t *testing.T) {
	var out bytes.Buffer
	if err := Compare(asking()...).WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "requests.json", out.String())
	if !strings.Contains(out.String(), "and more") {
		t.Error("the reasons are cut off")
	}
}
