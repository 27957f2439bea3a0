package wire

import (
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

func TestCheck(t *testing.T) {
	id := protocol.PartitionID{Initiator: 1, Sequence: 1}
	lead := func(members ...cluster.NodeID) protocol.Message {
		return protocol.Message{From: 2, Partition: id, Body: protocol.Lead{Members: members}}
	}
	report := func(vms ...cluster.VM) protocol.Message {
		return protocol.Message{From: 2, Partition: id, Body: protocol.Report{Node: 2, Local: protocol.Local{VMs: vms}}}
	}
	body := func(b protocol.Body) protocol.Message { return protocol.Message{From: 2, Partition: id, Body: b} }
	both := []cluster.NodeID{1, 2}
	for _, c := range []struct {
		name string
		m    protocol.Message
		want string
	}{
		{"a lead", lead(1, 2, 3), ""},
		{"of which the receiver is no member", lead(1, 2), "node 3 is not a member"},
		{"of which the sender is no member", lead(1, 3), "node 2 is not a member"},
		{"of which the initiator is no member", lead(2, 3), "node 1 is not a member"},
		{"with a member twice", lead(1, 2, 3, 3), "node 3 is a member twice"},
		{"an event", body(protocol.Event{Leader: 2, Members: both}), ""},
		{"whose leader is no member", body(protocol.Event{Leader: 4, Members: both}), "node 4 is not a member"},
		{"in no state", body(protocol.Event{Leader: 2, Members: both, State: 2}), "an event with state 2, round 0, target 0"},
		{"of no kind", body(protocol.Event{Leader: 2, Members: both, Kinds: 1 << 7}), "there are no kinds 10000000"},
		{"a report", report(cluster.VM{ID: 1}, cluster.VM{ID: 2}), ""},
		{"with a VM twice", report(cluster.VM{ID: 1}, cluster.VM{ID: 1}), "VM 1 is there twice"},
		{"with a negative demand", report(cluster.VM{ID: 1, Demand: cluster.Of(-1, 0)}), "VM 1: an amount of -1"},
		{"of another node", body(protocol.Report{Node: 3}), "a report of node 3"},
		{"a release", body(protocol.Release{Outcome: protocol.Lost}), ""},
		{"with no outcome", body(protocol.Release{Outcome: 9}), "there is no outcome 9"},
		{"a request for room", body(protocol.Admit{Demand: cluster.Of(0, 1<<60)}), "an amount of 1152921504606846976"},
		{"a count", body(protocol.Stuck{Tally: protocol.Tally{Hops: -1}}), "a negative count in {Hops:-1 Solves:0 Merges:0}"},
		{"an order", body(protocol.Order{Kind: 9}), "there is no action 9"},
		{"a refusal to merge", body(protocol.Merged{}), ""},
		{"what has no fields", body(protocol.Renew{}), ""},
	} {
		text := ""
		if err := Check(c.m, 3); err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}
