package check_test

import (
	"slices"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement/placementtest"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
	"pgregory.net/rapid"
)

// placementAgrees draws a problem and a placement, and compares the verdict with
// that of the second reading.
func placementAgrees(t *rapid.T) {
	p := placementtest.Problems(placementtest.Small).Draw(t, "problem")
	c := p.Configuration
	host := make([]int32, len(c.VMs))
	run := make([]bool, len(c.VMs))
	for v := range host {
		if host[v] = c.Host[v]; rapid.Bool().Draw(t, "elsewhere") {
			host[v] = rapid.Int32Range(cluster.Nowhere, int32(len(c.Nodes)-1)).Draw(t, "host")
		}
		run[v] = c.StateOf(int32(v)) == cluster.Running
		if p.Request.Wanted != nil {
			run[v] = p.Request.Wanted[v] == cluster.Running
		}
		if rapid.Bool().Draw(t, "as wanted") {
			switch {
			case !run[v]:
				host[v] = cluster.Nowhere
			case host[v] == cluster.Nowhere:
				host[v] = 0
			}
		}
	}
	r, f := read(c, p.Request, run), factsOf(host)
	verdict := check.Placement(c, p.Request, host)
	var wrong, broken []int
	for i, q := range p.Request.Rules {
		switch {
		case r.keptAtEnd(q, host):
		case q.Hard():
			wrong = append(wrong, i)
		default:
			broken = append(broken, i)
		}
	}
	rules := func(faults []check.Fault) (found []int) {
		for _, f := range faults {
			if f.Reason == check.BrokenRule {
				found = append(found, f.Rule)
			}
		}
		return found
	}
	has := func(reason check.Reason) bool {
		return slices.ContainsFunc(verdict.Wrong, func(f check.Fault) bool { return f.Reason == reason })
	}
	if got := rules(verdict.Wrong); !slices.Equal(got, wrong) {
		t.Fatalf("hard rules %v are broken, want %v: %v", got, wrong, verdict.Wrong)
	}
	if got := rules(verdict.Broken); !slices.Equal(got, broken) {
		t.Fatalf("soft rules %v are broken, want %v: %v", got, broken, verdict.Broken)
	}
	if has(check.OverloadNode) == r.viable(f) {
		t.Fatalf("viable: %v, but %v", r.viable(f), verdict.Wrong)
	}
	closed := exists(r.nodes(), func(n int32) bool { return !r.open[n] && slices.Contains(host, n) })
	if has(check.ClosedNode) != closed {
		t.Fatalf("somebody is where nobody is to be: %v, but %v", closed, verdict.Wrong)
	}
	other := exists(r.vms(), func(v int32) bool { return run[v] != r.running(f, v) })
	if has(check.OtherState) != other {
		t.Fatalf("states differ: %v, but %v", other, verdict.Wrong)
	}
}

func TestPlacementAgainstReading(t *testing.T) {
	for range 20 { // a rule is drawn in one problem of eight
		rapid.Check(t, placementAgrees)
	}
}

func FuzzPlacement(f *testing.F) {
	f.Add([]byte("any bytes are a problem and a placement"))
	f.Fuzz(rapid.MakeFuzz(placementAgrees))
}

// The reading itself tells kept from broken, for every kind.
func TestReadingIsNotEmpty(t *testing.T) {
	kept, broken := map[rule.Kind]int{}, map[rule.Kind]int{}
	for seed := range 2000 {
		p := placementtest.Problems(placementtest.Small).Example(seed)
		r := read(p.Configuration, p.Request, make([]bool, len(p.Configuration.VMs)))
		host := slices.Clone(p.Configuration.Host)
		slices.Reverse(host)
		for _, q := range p.Request.Rules {
			if r.keptAtEnd(q, host) {
				kept[q.Kind]++
			} else {
				broken[q.Kind]++
			}
		}
	}
	for kind := range rule.Preserve { // and after that, rules about something else
		if kept[kind] < 20 || broken[kind] < 20 {
			t.Errorf("%v is kept %d times and broken %d times", kind, kept[kind], broken[kind])
		}
	}
}
