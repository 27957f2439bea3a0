package protocol_test

import (
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
)

// member is node 2, booked by the partition of node 1 at epoch 3, which node 4
// leads. It hosts VM 20 of 1 GiB, and has room for one more.
func member(t *testing.T) *protocol.Node {
	t.Helper()
	n := protocol.New(2, protocol.Defaults(), overlay.NewRing([]cluster.NodeID{1, 2, 3, 4}), 1)
	n.Step(0, protocol.Observed{Local: protocol.Local{
		Capacity: cluster.Of(4*cluster.Core, 2*cluster.GiB),
		VMs:      []cluster.VM{{ID: 20, VCPUs: 1, Demand: cluster.Of(cluster.Core, cluster.GiB)}},
	}})
	n.Step(0, received(1, 1, protocol.Event{Leader: 1, Members: []cluster.NodeID{1}}))
	n.Step(0, received(4, 3, protocol.Lead{Members: []cluster.NodeID{1, 2, 4}}))
	if id, booked := n.Booked(); !booked || id != theirs || n.Epoch() != 3*protocol.Change || n.Leader() != 4 {
		t.Fatalf("booked %v by %v at epoch %v, led by %d", booked, id, n.Epoch(), n.Leader())
	}
	return n
}

var theirs = protocol.PartitionID{Initiator: 1, Sequence: 1}

// received is a message about the partition of member.
func received(from cluster.NodeID, changes protocol.Epoch, body protocol.Body) protocol.Received {
	return protocol.Received{Message: protocol.Message{From: from, Partition: theirs, Epoch: changes * protocol.Change, Body: body}}
}

// sent returns the bodies of the messages among outputs.
func sent(outputs []protocol.Output) (bodies []protocol.Body) {
	for _, out := range outputs {
		if s, ok := out.(protocol.Send); ok {
			bodies = append(bodies, s.Message.Body)
		}
	}
	return bodies
}

// "An action is carried out only if both its source and its destination hold a
// live reservation of the same partition and epoch" (I2): the source.
func TestASourceObeysItsLeaderAtItsEpochOnly(t *testing.T) {
	order := protocol.Order{Action: 5, VM: 20, Target: 3}
	other := received(4, 3, order)
	other.Message.Partition.Sequence++
	for name, in := range map[string]protocol.Received{
		"an older epoch":    received(4, 2, order),
		"a later epoch":     received(4, 4, order),
		"not its leader":    received(1, 3, order),
		"another partition": other,
		"a VM not here":     received(4, 3, protocol.Order{Action: 5, VM: 21, Target: 3}),
	} {
		bodies := sent(member(t).Step(time.Millisecond, in))
		if len(bodies) != 1 || bodies[0] != (protocol.Done{Action: 5}) {
			t.Errorf("%s: %+v, want a refusal", name, bodies)
		}
	}
	n := member(t)
	if bodies := sent(n.Step(time.Millisecond, received(4, 3, order))); len(bodies) != 1 || bodies[0].(protocol.Admit).VM != 20 {
		t.Fatalf("%+v, want it to ask the target for room", bodies)
	}
	if out := n.Step(time.Millisecond, received(4, 3, order)); len(out) != 0 {
		t.Errorf("a doubled order: %+v", out)
	}
}

// The target.
func TestATargetPromisesRoomToItsPartitionOnly(t *testing.T) {
	admit := protocol.Admit{VM: 30, Demand: cluster.Of(cluster.Core, cluster.GiB)}
	other := received(1, 3, admit)
	other.Message.Partition.Sequence++
	for name, in := range map[string]protocol.Received{
		"an older epoch":    received(1, 2, admit),
		"a later epoch":     received(1, 4, admit),
		"another partition": other,
		"no room":           received(1, 3, protocol.Admit{VM: 30, Demand: cluster.Of(cluster.Core, 2*cluster.GiB)}),
	} {
		n := member(t)
		bodies := sent(n.Step(time.Millisecond, in))
		if len(bodies) != 1 || bodies[0] != (protocol.Admitted{VM: 30}) || n.Promised() != (cluster.Resources{}) {
			t.Errorf("%s: %+v and a promise of %v, want a refusal", name, bodies, n.Promised())
		}
	}
	n := member(t)
	n.Step(0, protocol.Observed{Local: protocol.Local{Capacity: cluster.Of(4*cluster.Core, 2*cluster.GiB), Draining: true}})
	if bodies := sent(n.Step(time.Millisecond, received(1, 3, admit))); len(bodies) != 1 || bodies[0] != (protocol.Admitted{VM: 30}) {
		t.Errorf("a node that drains: %+v, want a refusal", bodies)
	}
	n = member(t)
	for range 2 { // asked twice, it promises once
		bodies := sent(n.Step(time.Millisecond, received(1, 3, admit)))
		if len(bodies) != 1 || bodies[0] != (protocol.Admitted{VM: 30, OK: true}) || n.Promised() != admit.Demand {
			t.Fatalf("%+v and a promise of %v", bodies, n.Promised())
		}
	}
	admit.VM++
	if bodies := sent(n.Step(time.Millisecond, received(1, 3, admit))); bodies[0] != (protocol.Admitted{VM: 31}) {
		t.Errorf("%+v: what is promised to one VM is not there for another", bodies)
	}
}

// A source that was released, or led anew, while it waited for the target's
// promise does not start; and gives the promise back.
func TestASourceThatIsNoLongerHeldDoesNotStart(t *testing.T) {
	for name, in := range map[string]protocol.Input{
		"released":        received(4, 3, protocol.Release{Outcome: protocol.Aborted}),
		"its lease ended": protocol.TimerFired{Timer: protocol.LeaseTimer},
	} {
		n := member(t)
		n.Step(time.Millisecond, received(4, 3, protocol.Order{Action: 5, VM: 20, Target: 3}))
		n.Step(time.Minute, in)
		settled := false
		for _, out := range n.Step(time.Minute, received(3, 3, protocol.Admitted{VM: 20, OK: true})) {
			switch out := out.(type) {
			case protocol.Migrate:
				t.Errorf("%s: it migrates all the same", name)
			case protocol.Send:
				_, ok := out.Message.Body.(protocol.Settled)
				settled = settled || ok
			}
		}
		if _, booked := n.Booked(); booked || !settled {
			t.Errorf("%s: booked %v, promise given back %v", name, booked, settled)
		}
	}
}

// A leader that comes late, at an epoch that has passed, gets no member.
func TestALateLeaderIsRefused(t *testing.T) {
	for name, in := range map[string]protocol.Received{
		"an older epoch":                   received(3, 2, protocol.Lead{Members: []cluster.NodeID{1, 2, 3}}),
		"its epoch, but another leader":    received(3, 3, protocol.Lead{Members: []cluster.NodeID{1, 2, 3}}),
		"a partition that it did not join": {Message: protocol.Message{From: 3, Partition: protocol.PartitionID{Initiator: 3, Sequence: 1}, Epoch: 9 * protocol.Change, Body: protocol.Lead{}}},
	} {
		n := member(t)
		if bodies := sent(n.Step(time.Millisecond, in)); len(bodies) != 1 || bodies[0] != (protocol.Refuse{}) || n.Leader() != 4 {
			t.Errorf("%s: %+v, and its leader is %d", name, bodies, n.Leader())
		}
	}
}

// A doubled Lead does not make a source forget which orders it has carried out,
// and a new leader has to wait until its migrations have ended.
func TestALeadChangesNothingUnderAMigration(t *testing.T) {
	order := received(4, 3, protocol.Order{Action: 5, VM: 20, Target: 3})
	lead := received(4, 3, protocol.Lead{Members: []cluster.NodeID{1, 2, 4}})
	n := member(t)
	n.Step(time.Millisecond, order)
	n.Step(time.Millisecond, received(3, 3, protocol.Admitted{VM: 20, OK: true}))
	newer := received(3, 4, protocol.Lead{Members: []cluster.NodeID{1, 2, 3, 4}})
	if bodies := sent(n.Step(time.Millisecond, newer)); len(bodies) != 1 || bodies[0] != (protocol.Refuse{}) {
		t.Errorf("a newer leader, in mid-migration: %+v, want a refusal", bodies)
	}
	n.Step(time.Second, protocol.Migrated{VM: 20})
	n.Step(time.Second, lead)
	if out := n.Step(time.Second, order); len(out) != 0 {
		t.Errorf("the order, doubled, after the lead, doubled: %+v, want nothing", out)
	}
}

// What its leader said at an older epoch neither frees a member nor renews its
// lease; testdata/late_release.txt shows what it would cost.
func TestALateWordOfTheLeaderChangesNothing(t *testing.T) {
	n := member(t)
	n.Step(time.Second, received(4, 2, protocol.Release{Outcome: protocol.Aborted}))
	if _, booked := n.Booked(); !booked {
		t.Error("a release of an older epoch frees it")
	}
	lease := protocol.Defaults().Lease
	n.Step(lease-time.Second, received(4, 2, protocol.Renew{}))
	n.Step(lease, protocol.TimerFired{Timer: protocol.LeaseTimer})
	if _, booked := n.Booked(); booked {
		t.Error("a renewal of an older epoch holds it beyond its lease")
	}
	n = member(t)
	n.Step(lease-time.Second, received(4, 3, protocol.Renew{}))
	n.Step(lease, protocol.TimerFired{Timer: protocol.LeaseTimer})
	if _, booked := n.Booked(); !booked {
		t.Error("a renewal of its epoch does not")
	}
}

// An action has ended when its source says so, and nobody else.
func TestAnActionEndsByTheWordOfItsSource(t *testing.T) {
	n := protocol.New(2, protocol.Defaults(), overlay.NewRing([]cluster.NodeID{1, 2, 3}), 1)
	vm := cluster.VM{ID: 10, VCPUs: 1, Demand: cluster.Of(2*cluster.Core, cluster.GiB)}
	local := protocol.Local{Capacity: cluster.Of(cluster.Core, 4*cluster.GiB), VMs: []cluster.VM{vm}}
	n.Step(0, received(1, 2, protocol.Event{Leader: 3, Members: []cluster.NodeID{1, 3}, Kinds: protocol.Of(protocol.Overload)}))
	n.Step(0, received(1, 3, protocol.Report{Node: 1, Local: local, Holds: protocol.Of(protocol.Overload)}))
	n.Step(0, received(3, 3, protocol.Report{Node: 3}))
	n.Step(0, protocol.Solved{Partition: theirs, Epoch: 3 * protocol.Change, Found: true, Plan: plan.Plan{Actions: []plan.Action{{VM: 10, Source: 1, Target: 3}}}})
	done := protocol.Done{Action: 0, OK: true}
	if out := n.Step(0, received(3, 3, done)); len(out) != 0 || !n.Leads() {
		t.Errorf("the end of an action, told by its target: %+v", out)
	}
	if n.Step(0, received(1, 3, done)); n.Leads() {
		t.Error("told by its source: the procedure goes on")
	}
}
