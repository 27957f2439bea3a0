package protocol

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/plan"
)

// Encode appends what decides the node's future to b. Two nodes that were made
// with the same settings, overlay and seed have the same bytes if and only if
// they do the same from now on, whatever comes; but for the jitter of their
// back-off, which is chance, and the counts in a Tally, which only tell.
//
// Instants are appended as the time until then. An instant that has passed is
// as good as now, so states that differ by a shift of time have the same bytes.
func (n *Node) Encode(b []byte, now time.Duration) []byte {
	e := encoder{b, now}
	e.count(int(n.id))
	e.local(n.local)
	e.nodes(n.dead)
	e.count(int(n.sequence))
	e.backOff(n)
	e.count(len(n.departures))
	for _, d := range n.departures {
		e.departure(d)
	}
	e.count(len(n.arrivals))
	for _, a := range n.arrivals {
		e.arrival(a)
	}
	for _, a := range n.alarms {
		e.flags(a.due != 0)
		if a.due != 0 {
			e.until(a.due)
		}
	}
	e.flags(n.booked)
	if n.booked {
		e.booking(&n.booking)
	}
	e.count(len(n.left))
	for _, l := range n.left {
		e.partition(l.id)
		e.count(int(l.epoch))
	}
	return e.b
}

// Encode appends what decides what a node does when it receives the message.
func (m Message) Encode(b []byte) []byte {
	e := encoder{b: b}
	e.message(m)
	return e.b
}

// Encode appends all that the solver is told, and where the answer belongs.
func (s Solve) Encode(b []byte) []byte {
	e := encoder{b: b}
	e.partition(s.Partition)
	e.count(int(s.Epoch))
	e.b = append(e.b, byte(s.Kinds))
	e.reports(s.Reports)
	return e.b
}

// encoder appends values to b, such that no two different sequences of values
// of the same types have the same bytes.
type encoder struct {
	b   []byte
	now time.Duration
}

// backOff appends when the node raises which event again. What its VMs asked
// for beyond what it had matters only for resources that were lacking.
func (e *encoder) backOff(n *Node) {
	e.b = append(e.b, byte(n.pending))
	for _, w := range n.waits {
		e.time(w.last)
		e.until(w.until)
	}
	for k, lack := range n.lacking {
		e.number(lack)
		if lack > 0 {
			e.number(n.lackingAt[k])
		}
	}
}

// count appends a number that is not negative.
func (e *encoder) count(n int) { e.b = binary.AppendUvarint(e.b, uint64(n)) }

func (e *encoder) number(n int64) { e.b = binary.AppendVarint(e.b, n) }

func (e *encoder) time(d time.Duration) { e.number(int64(d)) }

// until appends the time until an instant, or 0 if it has passed.
func (e *encoder) until(at time.Duration) { e.time(max(at-e.now, 0)) }

// flags appends up to eight flags.
func (e *encoder) flags(flags ...bool) {
	var bits byte
	for i, f := range flags {
		if f {
			bits |= 1 << i
		}
	}
	e.b = append(e.b, bits)
}

func (e *encoder) node(id cluster.NodeID) { e.count(int(id)) }

func (e *encoder) vm(id cluster.VMID) { e.count(int(id)) }

func (e *encoder) nodes(ids []cluster.NodeID) {
	e.count(len(ids))
	for _, id := range ids {
		e.node(id)
	}
}

func (e *encoder) numbers(all []int) {
	e.count(len(all))
	for _, n := range all {
		e.count(n)
	}
}

func (e *encoder) resources(r cluster.Resources) {
	for _, amount := range r {
		e.number(amount)
	}
}

func (e *encoder) path(p overlay.Path) {
	e.count(len(p))
	e.b = append(e.b, p...)
}

func (e *encoder) partition(p PartitionID) {
	e.node(p.Initiator)
	e.count(int(p.Sequence))
}

func (e *encoder) local(l Local) {
	e.resources(l.Capacity)
	e.vms(l.VMs)
	e.ids(l.Incoming)
	e.vms(l.Waiting)
	e.vms(l.Sleeping)
	e.count(len(l.Rules))
	for _, r := range l.Rules {
		e.count(int(r.Kind))
		e.ids(r.VMs)
		e.nodes(r.Nodes)
		e.number(r.Max)
		e.flags(r.Always)
	}
	e.flags(l.Draining, l.Underloaded, l.Broken)
}

func (e *encoder) vms(all []cluster.VM) {
	e.count(len(all))
	for _, v := range all {
		e.vm(v.ID)
		e.number(int64(v.VCPUs))
		e.resources(v.Demand)
		e.number(int64(v.DirtyRate))
	}
}

func (e *encoder) ids(all []cluster.VMID) {
	e.count(len(all))
	for _, id := range all {
		e.vm(id)
	}
}

func (e *encoder) report(r Report) {
	e.node(r.Node)
	e.local(r.Local)
	e.b = append(e.b, byte(r.Holds))
}

func (e *encoder) reports(all []Report) {
	e.count(len(all))
	for _, r := range all {
		e.report(r)
	}
}

func (e *encoder) departure(d departure) {
	e.vm(d.vm)
	e.node(d.target)
	e.partition(d.partition)
	e.count(int(d.epoch))
	e.node(d.leader)
	e.count(d.action)
	e.count(int(d.kind))
	e.flags(d.bypass, d.running)
	if !d.running {
		e.until(d.overdue)
	}
}

func (e *encoder) arrival(a arrival) {
	e.vm(a.vm)
	e.resources(a.demand)
	e.node(a.source)
	e.partition(a.partition)
	e.count(int(a.epoch))
	e.until(a.overdue)
	e.flags(a.asked)
}

func (e *encoder) booking(b *booking) {
	e.partition(b.id)
	e.count(int(b.epoch))
	e.b = append(e.b, byte(b.state), byte(b.phase))
	e.node(b.leader)
	e.nodes(b.members)
	e.b = append(e.b, byte(b.kinds))
	e.count(b.target)
	e.path(b.path)
	e.resources(b.lacking)
	e.flags(b.over, b.tried, b.small, b.asked, b.returned, b.busy)
	e.numbers(b.orders)
	e.count(len(b.answers))
	for _, a := range b.answers {
		e.b = append(e.b, byte(a))
	}
	e.reports(b.reports)
	e.flags(b.runner != nil, b.held.Body != nil)
	if b.runner != nil {
		e.plan(b.runner.Plan())
		e.b = append(e.b, b.runner.Key()...)
	}
	if b.held.Body != nil {
		e.message(b.held)
	}
}

func (e *encoder) plan(p plan.Plan) {
	e.count(len(p.Actions))
	for _, a := range p.Actions {
		e.count(int(a.Kind))
		e.vm(a.VM)
		e.node(a.Source)
		e.node(a.Target)
		e.flags(a.Bypass)
		e.numbers(a.After)
	}
}

func (e *encoder) message(m Message) {
	e.node(m.From)
	e.partition(m.Partition)
	e.count(int(m.Epoch))
	e.body(m.Body)
}

// body appends a number for the type of a message, and what it says.
func (e *encoder) body(body Body) {
	switch body := body.(type) {
	case Event:
		e.count(0)
		e.event(body)
	case Lead:
		e.count(1)
		e.nodes(body.Members)
		e.b = append(e.b, byte(body.Kinds))
		e.partition(body.Absorbed)
		e.count(int(body.AbsorbedEpoch))
	case Report:
		e.count(2)
		e.report(body)
	case Refuse:
		e.count(3)
	case Stuck:
		e.count(4)
		e.node(body.Leader)
		e.nodes(body.Members)
	case Returned:
		e.count(5)
		e.flags(body.Busy)
	case Renew:
		e.count(6)
	case Release:
		e.count(7)
		e.count(int(body.Outcome))
		e.flags(body.Busy)
		e.resources(body.Lacking)
	case Merge:
		e.count(8)
		e.partition(body.Into)
		e.count(int(body.IntoEpoch))
		e.nodes(body.Members)
	case Merged:
		e.count(9)
		e.partition(body.Into)
		e.flags(body.OK)
		e.nodes(body.Members)
		e.b = append(e.b, byte(body.Kinds))
	default:
		e.actionBody(body)
	}
}

// actionBody appends a message that concerns an action of a plan.
func (e *encoder) actionBody(body Body) {
	switch body := body.(type) {
	case Order:
		e.count(10)
		e.count(body.Action)
		e.count(int(body.Kind))
		e.vm(body.VM)
		e.node(body.Target)
		e.flags(body.Bypass)
	case Done:
		e.count(11)
		e.count(body.Action)
		e.flags(body.OK)
	case Admit:
		e.count(12)
		e.vm(body.VM)
		e.resources(body.Demand)
	case Admitted:
		e.count(13)
		e.vm(body.VM)
		e.flags(body.OK)
	case Settled:
		e.count(14)
		e.vm(body.VM)
	case Ask:
		e.count(15)
		e.count(int(body.Kind))
		e.vm(body.VM)
		e.count(body.Action)
		e.flags(body.Leader)
	case Moving:
		e.count(16)
		e.vm(body.VM)
	case Passing:
		e.count(17)
	default:
		panic(fmt.Sprintf("protocol: unknown message %T", body))
	}
}

func (e *encoder) event(v Event) {
	e.b = append(e.b, byte(v.State))
	e.node(v.Leader)
	e.nodes(v.Members)
	e.b = append(e.b, byte(v.Kinds))
	e.count(v.Target)
	e.count(v.Round)
	e.path(v.Path)
	e.flags(v.Busy, v.Aside, v.Tried)
	e.node(v.From)
}
