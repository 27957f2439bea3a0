package protocol_test

import (
	"slices"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/rule"
)

// What the hypervisor says anew ends the wait of a node after an event that could
// not be solved, if it may make a difference. Here all nodes together lacked so
// many millicores.
func TestWhatEndsAWait(t *testing.T) {
	vm := cluster.VM{ID: 1, VCPUs: 1, Demand: cluster.Of(1500, cluster.GiB)}
	before := protocol.Local{
		Capacity: cluster.Of(1000, 4*cluster.GiB), VMs: []cluster.VM{vm},
		Rules: []protocol.Rule{{Name: "home", Kind: rule.Fence, VMs: []cluster.VMID{1}, Nodes: []cluster.NodeID{1}}},
	}
	waits := func(lacking cluster.Millicores, change func(*protocol.Local)) bool {
		n := protocol.New(1, protocol.Defaults(), overlay.NewRing([]cluster.NodeID{1, 2}), 1)
		n.Step(0, protocol.Observed{Local: before})
		n.Step(0, protocol.Overloaded{})
		n.Step(0, received(2, 2, protocol.Lead{Members: []cluster.NodeID{1, 2}, Kinds: protocol.Of(protocol.Overload)}))
		n.Step(0, received(2, 2, protocol.Release{Outcome: protocol.Unsolvable, Lacking: cluster.Of(lacking, 0)}))
		if n.Step(0, protocol.Overloaded{}); n.Members() != nil {
			t.Fatal("it does not wait at all")
		}
		after := before
		after.VMs, after.Rules = slices.Clone(before.VMs), slices.Clone(before.Rules)
		change(&after)
		n.Step(0, protocol.Observed{Local: after})
		n.Step(0, protocol.Overloaded{})
		return n.Members() == nil
	}
	for _, c := range []struct {
		name    string
		lacking cluster.Millicores
		change  func(*protocol.Local)
		waits   bool
	}{
		{"nothing", 0, func(*protocol.Local) {}, true},
		{"its load", 0, func(l *protocol.Local) { l.VMs[0].Demand = cluster.Of(1499, cluster.GiB) }, false},
		{"its capacity", 0, func(l *protocol.Local) { l.Capacity = cluster.Of(1001, 4*cluster.GiB) }, false},
		{"another rule in place of one", 0, func(l *protocol.Local) { l.Rules[0].Nodes = []cluster.NodeID{1, 2} }, false},
		{"the name of a rule", 0, func(l *protocol.Local) { l.Rules[0].Name = "house" }, true},
		{"it is to be emptied", 0, func(l *protocol.Local) { l.Draining = true }, false},
		{"a VM that is to run", 0, func(l *protocol.Local) { l.Waiting = []cluster.VM{{ID: 2}} }, false},
		{"a VM that is to be resumed", 0, func(l *protocol.Local) { l.Sleeping = []cluster.VM{{ID: 2}} }, false},
		{"a load that is too small a change", 300, func(l *protocol.Local) { l.VMs[0].Demand = cluster.Of(1201, cluster.GiB) }, true},
		{"one that is not", 300, func(l *protocol.Local) { l.VMs[0].Demand = cluster.Of(1200, cluster.GiB) }, false},
		{"a capacity that is too small a change", 300, func(l *protocol.Local) { l.Capacity = cluster.Of(1299, 4*cluster.GiB) }, true},
		{"one that is not", 300, func(l *protocol.Local) { l.Capacity = cluster.Of(1300, 4*cluster.GiB) }, false},
		{"more room than before, and as much more load", 300, func(l *protocol.Local) {
			l.Capacity, l.VMs[0].Demand = cluster.Of(1300, 4*cluster.GiB), cluster.Of(1800, cluster.GiB)
		}, true},
	} {
		if got := waits(c.lacking, c.change); got != c.waits {
			t.Errorf("%s, %d lacking: it waits %v, want %v", c.name, c.lacking, got, c.waits)
		}
	}
}

// A node that was a member of a partition which found no solution waits with events
// of the same kind; with all of them, if even an overload could not be repaired.
func TestWhichEventsWait(t *testing.T) {
	for _, c := range []struct {
		kinds                 protocol.Kinds
		overload, drain, rule bool
	}{
		{protocol.Of(protocol.Overload), true, true, true},
		{protocol.Of(protocol.Drain), false, true, false},
		{protocol.Of(protocol.BrokenRule, protocol.Drain), false, true, true},
		{protocol.Of(protocol.Overload, protocol.Drain), true, true, true},
		{protocol.Of(protocol.Underload), false, false, false},
	} {
		for kind, want := range map[protocol.Kind]bool{protocol.Overload: c.overload, protocol.Drain: c.drain, protocol.BrokenRule: c.rule} {
			n := protocol.New(2, protocol.Defaults(), overlay.NewRing([]cluster.NodeID{1, 2}), 1)
			n.Step(0, protocol.Observed{Local: protocol.Local{
				Capacity: cluster.Of(1000, cluster.GiB), Draining: true, Broken: true,
				VMs: []cluster.VM{{ID: 1, VCPUs: 1, Demand: cluster.Of(1500, 0)}},
			}})
			n.Step(0, received(1, 1, protocol.Event{Leader: 1, Members: []cluster.NodeID{1}, Kinds: c.kinds}))
			m := received(3, 3, protocol.Lead{Members: []cluster.NodeID{1, 2, 3}, Kinds: c.kinds})
			n.Step(0, m)
			n.Step(0, received(3, 3, protocol.Release{Outcome: protocol.Unsolvable}))
			n.Step(0, protocol.Raised{Kind: kind})
			if _, booked := n.Booked(); booked == want {
				t.Errorf("after %v could not be solved, a node raises %v: %v", c.kinds, kind, booked)
			}
		}
	}
}
